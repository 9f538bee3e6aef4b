"""The histogram: where the native loops count a value, and what is read back of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane._core import ffi, lib
from dataplane.probes.histogram import HIGHEST_NS, SLOTS, Histogram

LONGEST_NS = 10_000_000_000


def counted(*values_ns: int) -> Histogram:
    counts = np.zeros(SLOTS, np.uint64)
    for value_ns in values_ns:
        lib.ql_histogram_add(ffi.cast("uint64_t *", counts.ctypes.data), value_ns)
    return Histogram(counts)


@given(st.integers(0, LONGEST_NS))
def test_a_value_is_known_to_three_digits(value_ns: int) -> None:
    highest_us = counted(value_ns).max_us
    assert highest_us is not None
    assert value_ns <= round(highest_us * 1000) <= value_ns * 1.001 + 0.5


def test_slots_are_those_of_hdr_histogram() -> None:
    """HdrHistogram's own counts array, with sub-buckets of 2048: the borders of its buckets."""
    for value_ns, slot in ((0, 0), (2047, 2047), (2048, 2048), (2049, 2048), (4095, 3071), (4096, 3072)):
        assert np.flatnonzero(counted(value_ns).counts).tolist() == [slot]
    assert np.all(np.diff(HIGHEST_NS) > 0)


def test_what_is_too_long_counts_as_the_longest() -> None:
    assert counted(LONGEST_NS + 1, 2**64 - 1).counts.max() == 2
    assert np.flatnonzero(counted(2**64 - 1).counts) == np.flatnonzero(counted(LONGEST_NS).counts)


@given(st.lists(st.integers(0, 2047), min_size=1), st.sampled_from([1, 50, 90, 99, 99.9, 100]))
def test_percentiles_are_the_least_values_that_so_many_do_not_exceed(values: list[int], at: float) -> None:
    rank = max(1, int(np.ceil(len(values) * at / 100)))
    assert counted(*values).percentile_us(at) == pytest.approx(sorted(values)[rank - 1] / 1000)


def test_nothing_counted_has_no_percentiles() -> None:
    assert counted().as_json() == {"count": 0}
