"""Rates and latencies out of two readings of counters."""

import numpy as np
import pytest
from netns_lab.output import compact
from netns_lab.rates import Readings, Recent

from dataplane.interface import EndState, LinkState
from dataplane.links.link import LATENCY_SLOT, LINK_SLOTS, WIRE_COUNTERS, WIRE_SLOTS, Counters
from dataplane.links.specification import Impairment, LinkType

SLOT = 1
NS_PER_S = 1_000_000_000


class Clock:
    """Monotonic time that stands still until it is told."""

    now_ns = 5 * NS_PER_S

    def __call__(self) -> int:
        return self.now_ns


def link_in(slot: int) -> LinkState:
    ends = EndState("a", "eth0", 2, True), EndState("b", "eth0", 2, True)
    none = Impairment()
    return LinkState("ch1", LinkType.PLAIN, ends, "up", (), None, (), slot, (none, none))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counters() -> Counters:
    return np.zeros(4 * LINK_SLOTS, np.uint64)


@pytest.fixture
def readings(clock: Clock, counters: Counters) -> Readings:
    readings = Readings(counters, clock)
    readings.cover([link_in(SLOT)])
    return readings


def count(counters: Counters, direction: int, name: str, by: int) -> None:
    slot = LATENCY_SLOT + int(name) if name.isdigit() else WIRE_COUNTERS.index(name)
    counters[SLOT * LINK_SLOTS + direction * WIRE_SLOTS + slot] += np.uint64(by)


def recent(readings: Readings) -> tuple[Recent, Recent]:
    found = readings.recent(SLOT)
    assert found is not None
    return found


def test_rates_are_the_rise_over_the_time_since_a_reading(
    clock: Clock, counters: Counters, readings: Readings
) -> None:
    count(counters, 0, "rx_frames", 1_000_000)
    readings.take()
    assert readings.recent(SLOT) is None
    clock.now_ns += 2 * NS_PER_S
    count(counters, 0, "rx_frames", 500)
    count(counters, 0, "rx_octets", 50_000)
    count(counters, 1, "rx_frames", 3)
    there, back = recent(readings)
    assert (there.frames_per_s, there.bits_per_s, back.frames_per_s) == (250, 200_000, 1.5)
    readings.take()  # too young to be used: the one before still is
    clock.now_ns += NS_PER_S // 4
    assert recent(readings)[0].span_s == 2.25
    clock.now_ns += NS_PER_S // 4
    assert (recent(readings)[0].span_s, recent(readings)[0].frames_per_s) == (0.5, 0)


def test_latency_is_the_mean_and_a_bound_for_99_of_100(
    clock: Clock, counters: Counters, readings: Readings
) -> None:
    readings.take()
    clock.now_ns += NS_PER_S
    assert recent(readings)[0].latency_us is None
    assert recent(readings)[0].latency_p99_us is None
    for bucket, frames in (("3", 90), ("5", 9), ("7", 1)):
        count(counters, 0, bucket, frames)
    count(counters, 0, "latency_ns", 100 * 6_500)
    there, back = recent(readings)
    assert (there.latency_us, there.latency_p99_us, back.latency_us) == (6.5, 32, None)
    count(counters, 0, str(WIRE_SLOTS - LATENCY_SLOT - 1), 100)
    assert recent(readings)[0].latency_p99_us is None  # the last one has no bound


def test_another_link_in_the_same_place_has_no_rate_yet(
    clock: Clock, counters: Counters, readings: Readings
) -> None:
    count(counters, 1, "tx_frames", 7)
    count(counters, 1, "queue_octets", 7)
    readings.take()
    clock.now_ns += NS_PER_S
    counters[SLOT * LINK_SLOTS + WIRE_SLOTS + WIRE_COUNTERS.index("queue_octets")] = 0
    assert recent(readings)  # a queue may fall
    counters[:] = 0
    assert readings.recent(SLOT) is None


def test_a_link_that_no_reading_has_seen_has_no_rate_yet(clock: Clock, readings: Readings) -> None:
    readings.take()
    clock.now_ns += NS_PER_S
    assert readings.recent(SLOT + 1) is None


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "-"),
        (0, "0"),
        (7, "7"),
        (7.254, "7.25"),
        (12.34, "12.3"),
        (310.2, "310"),
        (999.7, "1.00k"),
        (12_345, "12.3k"),
        (9_870_000, "9.87M"),
        (1e13, "10T"),
    ],
)
def test_numbers_are_short(number: float | None, text: str) -> None:
    assert compact(number) == text
