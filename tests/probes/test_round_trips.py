"""Round trips over loopback, between endpoints that sleep and that spin, and what becomes of lost ones."""

import os
from dataclasses import replace

import pytest

from dataplane.probes.flows import Flow
from dataplane.probes.round_trips import measure_round_trips
from tests.probes.two_namespaces import ip

FLOW = Flow(0, "a-b", 4, None, "127.0.0.1", None, "127.0.0.1", 22100, 23100)
FLOW6 = replace(FLOW, family=6, source_address="::1", destination_address="::1")


@pytest.mark.parametrize("spin", [False, True], ids=["sleeping", "spinning"])
@pytest.mark.parametrize("flow", [FLOW, FLOW6], ids=["IPv4", "IPv6"])
def test_every_round_trip_is_timed(flow: Flow, spin: bool) -> None:
    core = max(os.sched_getaffinity(0))
    measured = measure_round_trips(flow, 200, 0.0001, spin=spin, size_octets=1400, cores=(core, core))
    assert (measured.times.total, measured.lost) == (200, 0)
    median_us, longest_us = (measured.times.percentile_us(at) for at in (50, 100))
    assert median_us is not None
    assert longest_us is not None
    assert 0 < median_us <= longest_us


@pytest.mark.lab
@pytest.mark.parametrize("spin", [False, True], ids=["sleeping", "spinning"])
def test_what_does_not_come_back_is_lost(veth: tuple[str, str], spin: bool) -> None:
    left, right = veth
    flow = Flow(0, "l-r", 4, left, "10.99.0.1", right, "10.99.0.2", 22100, 23100)
    assert measure_round_trips(flow, 3, 0, spin=spin).lost == 0
    nobody = ["10.99.0.2", "lladdr", "02:00:00:00:00:99", "nud", "permanent"]
    ip("-n", left, "neighbor", "replace", *nobody, "dev", "probe0")
    measured = measure_round_trips(flow, 2, 0, spin=spin)
    assert (measured.times.total, measured.lost) == (0, 2)


@pytest.mark.parametrize(
    ("round_trips", "interval_s", "size_octets", "message"),
    [
        (0, 0.1, 18, "0 round trips, 0.1 s apart: expected at least one"),
        (1, -1, 18, "1 round trips, -1 s apart"),
        (1, 0, 17, "probe size 17: expected 18 to 65487 octets"),
        (1, 0, 65488, "probe size 65488: expected 18 to 65487 octets"),
    ],
)
def test_what_cannot_be_is_refused(
    round_trips: int, interval_s: float, size_octets: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        measure_round_trips(FLOW, round_trips, interval_s, size_octets=size_octets)
