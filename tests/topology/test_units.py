"""Values with units, and the sentence that refuses what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from netns_lab import units


def test_durations() -> None:
    assert [units.duration_s(text) for text in ("3s", "50ms", "200us", "1m", "0.5 s")] == [
        3,
        0.05,
        0.0002,
        60,
        0.5,
    ]
    assert [units.duration_us(text) for text in ("3s", "2.5ms", "0.1ms")] == [3_000_000, 2500, 100]


def test_rates_and_shares() -> None:
    assert [units.rate_mbps(text) for text in ("10gbit", "1.5mbit", "64kbit")] == [10_000, 1.5, 0.064]
    assert [units.share(text) for text in ("0.1%", "100%")] == [0.001, 1]


@pytest.mark.parametrize(
    "text", ["", "3", "s", "-1s", "3 parsecs", "1e3s", "3S", "\u0663s", "3s\n", "1.s", "9" * 20 + "s"]
)
def test_nonsense_is_refused_with_what_was_found(text: str) -> None:
    with pytest.raises(ValueError, match=r"^found .*, expected a duration such as 3s, 50ms or 200us$"):
        units.duration_s(text)


def test_a_share_ends_at_all() -> None:
    with pytest.raises(ValueError, match=r"^found '101%', expected at most 100%$"):
        units.share("101%")


@given(st.integers(0, 10**9 - 1), st.sampled_from(["us", "ms", "s", "m"]))
def test_whole_durations_are_exact(number: int, unit: str) -> None:
    scale = {"us": 1, "ms": 1000, "s": 1_000_000, "m": 60_000_000}[unit]
    assert units.duration_us(f"{number}{unit}") == float(number * scale)


def test_sizes_are_whole_octets() -> None:
    sizes = {"1500B": 1500, "256kB": 256_000, "1.5 MB": 1_500_000, "1GB": 10**9}
    assert {text: units.size_octets(text) for text in sizes} == sizes
    for text in ("1.5B", "256KB", "256", "1kb"):
        with pytest.raises(
            ValueError, match=f"^found '{text}', expected a size in whole octets such as 256kB$"
        ):
            units.size_octets(text)


def test_values_are_written_in_the_largest_unit_that_they_fill() -> None:
    assert [units.duration_text(us) for us in (0, 0.25, 999, 5000, 1500.5, 60e6)] == [
        "0us",
        "0.25us",
        "999us",
        "5ms",
        "1.5005ms",
        "60s",
    ]
    assert [units.rate_text(mbps) for mbps in (0.064, 1.5, 10_000)] == ["64kbit", "1.5mbit", "10gbit"]
    assert [units.share_text(share) for share in (0.001, 1)] == ["0.1%", "100%"]
    assert [units.size_text(octets) for octets in (0, 1500, 1_048_576)] == ["0B", "1.5kB", "1.048576MB"]


@given(st.floats(0, 3.6e9), st.floats(0, 1), st.integers(0, 1 << 40))
def test_what_is_written_reads_as_the_same_value(us: float, share: float, octets: int) -> None:
    us, share = round(us, 9), round(share, 15)
    assert units.duration_us(units.duration_text(us)) == us
    assert units.rate_mbps(units.rate_text(us)) == us
    assert units.share(units.share_text(share)) == share
    assert units.size_octets(units.size_text(octets)) == octets
