"""Statistics of flows: against RFC 4737 said in Python for any order of arrival, and of whole sessions."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dataplane._core import ffi, lib
from dataplane.probes.flows import Flow
from dataplane.probes.load import Load
from dataplane.probes.records import FLOW
from dataplane.probes.statistics import StatisticsSession, sent_by_flow
from tests.probes.two_namespaces import ip

LOOPBACK = Flow(0, "a-b", 4, None, "127.0.0.1", None, "127.0.0.1", 22200, 23200)
BACK = Flow(0, "b-a", 4, None, "127.0.0.1", None, "127.0.0.1", 24200, 25200)


@dataclass
class Judged:
    """What the definitions make of sequence numbers in their order of arrival, by looking at all of them."""

    received: int = 0
    duplicates: int = 0
    too_late: int = 0
    extents: tuple[int, ...] = ()


def judge(sequences: Iterable[int]) -> Judged:
    judged, first_copies = Judged(), list[int]()
    for sequence in sequences:
        if sequence + lib.QL_PROBE_WINDOW <= max(first_copies, default=-1):
            judged.too_late += 1
        elif sequence in first_copies:
            judged.duplicates += 1
        else:
            first_copies.append(sequence)
            higher = [at for at, earlier in enumerate(first_copies) if earlier > sequence]
            if higher:
                judged.extents += (len(first_copies) - 1 - higher[0],)
    judged.received = len(first_copies)
    return judged


def counted(sequences: Iterable[int]) -> "np.ndarray[tuple[int], np.dtype[np.void]]":
    flow = np.zeros(1, FLOW)
    for at, sequence in enumerate(sequences):
        lib.ql_probe_arrival(ffi.cast("ql_probe_flow *", flow.ctypes.data), sequence, 1 + at)
    return flow


@given(st.lists(st.integers(0, 40) | st.integers(1000, 1100) | st.integers(2**32 - 3, 2**32 - 1)))
@example([5, 1028, 4, 5, 6, 1029, 5, 6])
def test_any_order_of_arrival_is_judged_by_the_definitions(sequences: list[int]) -> None:
    flow, expected = counted(sequences), judge(sequences)
    assert (
        Judged(
            int(flow["received"][0]), int(flow["duplicates"][0]), int(flow["too_late"][0]), expected.extents
        )
        == expected
    )
    assert flow["reordered"] == len(expected.extents)
    assert flow["extent_sum"] == sum(expected.extents)
    assert flow["extent_max"] == max(expected.extents, default=0)


def test_the_longest_gap_is_between_two_arrivals_of_any_copy() -> None:
    flow = np.zeros(1, FLOW)
    for sequence, rx_ns in ((0, 100), (2, 150), (2, 450), (1, 500), (9, 600)):
        lib.ql_probe_arrival(ffi.cast("ql_probe_flow *", flow.ctypes.data), sequence, rx_ns)
    assert flow[["longest_gap_ns", "first_rx_ns", "last_rx_ns"]].tolist() == [(300, 100, 600)]


def test_the_records_are_laid_out_as_in_c() -> None:
    assert FLOW.itemsize == ffi.sizeof("ql_probe_flow")
    assert FLOW.fields is not None
    for name, field in ffi.typeof("ql_probe_flow").fields:
        assert FLOW.fields[name][1] == field.offset


@given(st.integers(0, 200), st.integers(1, 9), st.integers(1, 5))
def test_what_each_flow_was_to_send(packets: int, flows: int, train: int) -> None:
    turns = [number // train % flows for number in range(packets)]
    assert sent_by_flow(packets, flows, train).tolist() == [turns.count(flow) for flow in range(flows)]


@pytest.mark.parametrize("spin", [False, True], ids=["asleep", "spinning"])
def test_a_session_of_many_flows_each_way(spin: bool) -> None:
    flows = [*LOOPBACK.fan(300), *(flow for flow in BACK.fan(600) if flow.id >= 300)]
    offered = Load(packets_per_s=30_000, size_octets=64, duration_s=0.2, spin=spin)
    with StatisticsSession(flows, offered) as session:
        assert session.wait(20)
        statistics = session.stop()
    assert [way.way for way in statistics.ways] == ["a-b", "b-a"]
    for way in statistics.ways:
        assert (way.flows, way.sent, way.received, way.lost) == (300, 3000, 3000, 0)
        assert (way.duplicates, way.reordered, way.too_late, way.reorder_extent_mean) == (0, 0, 0, None)
        assert way.latency.total == 3000
        assert way.interval_ms == pytest.approx(20)
        assert way.as_json()["latency"]["count"] == 3000
    assert statistics.lateness.total == 6000
    assert (statistics.malformed, statistics.receive_buffer_drops) == (0, 0)
    assert statistics.packets_per_s > 0


@pytest.mark.lab
def test_a_flow_that_goes_dark_has_a_gap_to_the_end(veth: tuple[str, str]) -> None:
    left, right = veth
    dark = Flow(0, "dark", 4, left, "10.99.0.1", right, "10.99.0.2", 22200, 23200)
    bright = Flow(1, "bright", 6, left, "fd99::1", right, "fd99::2", 22200, 23200)
    with StatisticsSession(
        [dark, bright], Load(packets_per_s=2000, size_octets=18, duration_s=0.6)
    ) as session:
        nobody = ["10.99.0.2", "lladdr", "02:00:00:00:00:99", "nud", "permanent"]
        ip("-n", left, "neighbor", "replace", *nobody, "dev", "probe0")
        before = session.statistics().ways[0].received
        assert session.wait(20)
        ways = session.stop().ways
    assert before <= ways[0].received < ways[0].sent == 600
    assert ways[0].lost == ways[0].sent - ways[0].received > 0
    assert (ways[1].sent, ways[1].lost) == (600, 0)
    assert ways[0].longest_gap_ms > 0.2 * ways[0].lost * ways[0].interval_ms


def test_flows_that_are_not_numbered_from_0_are_refused() -> None:
    with pytest.raises(ValueError, match="the ids of the flows: expected 0, 1, 2 and so on"):
        StatisticsSession(LOOPBACK.fan(3)[1:], Load(packets_per_s=1, size_octets=18, duration_s=1))
