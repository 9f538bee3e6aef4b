"""The histogram: where the native loops count a value, and what is read back of it."""

import base64
import zlib

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
    highest_us = counted(value_ns).percentile_us(100)
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
    nothing = counted()
    assert nothing.as_json() == {"count": 0, "hdr": nothing.encoded()}


def test_the_encoding_is_that_of_hdr_histogram() -> None:
    """Against what hdrhistogram 0.10 of PyPI made of these values; zlib's output may differ."""
    values = [1, *[2047] * 3, *[2048] * 200, *[123_456] * 70_000, 9_999_999_999]
    theirs = "HISTFAAAADB4nJNpmSzMwMAgwAABzFCaEYiZQrifMNh/gAow/ZRnm8DcH/fgKMfuFiYmALPUCWA="
    assert parts(counted(*values).encoded()) == parts(theirs)


def parts(encoded: str) -> tuple[bytes, bytes]:
    """The cookie, and what was compressed."""
    octets = base64.b64decode(encoded)
    assert int.from_bytes(octets[4:8], "big") == len(octets) - 8
    return octets[:4], zlib.decompress(octets[8:])
