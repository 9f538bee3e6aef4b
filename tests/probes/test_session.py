"""Probe sessions over loopback and between two namespaces: everything sent is recorded and accounted for."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from control.faults.outage import arrivals, outages_after
from dataplane.probes.flows import Flow
from dataplane.probes.load import Load
from dataplane.probes.records import Records
from dataplane.probes.session import ProbeSession
from tests.probes.two_namespaces import ip

LOOPBACK = Flow(0, "a-b", 4, None, "127.0.0.1", None, "127.0.0.1", 22000, 23000)
LOOPBACK6 = Flow(0, "a-b", 6, None, "::1", None, "::1", 22000, 23000)


def load(packets_per_s: int, size_octets: int, duration_s: float) -> Load:
    return Load(packets_per_s=packets_per_s, size_octets=size_octets, duration_s=duration_s)


def open_descriptors() -> list[str]:
    """Of this process, without those that keep a session's memory."""
    folder = Path("/proc/self/fd")
    targets = (os.readlink(entry) for entry in folder.iterdir() if entry.is_symlink())
    return sorted(target for target in targets if "quadlink-probes" not in target)


def identities(records: Records) -> list[tuple[int, int]]:
    return sorted(zip(records["flow"].tolist(), records["sequence"].tolist(), strict=True))


def test_every_packet_arrives_once_and_in_turn() -> None:
    flows = LOOPBACK.fan(8)
    with ProbeSession(flows, load(4000, 64, 0.1)) as session:
        assert session.wait(10)
        records = session.stop()
    assert len(records.sent) == 400
    assert records.sent["flow"].tolist() == [flow.id for flow in flows] * 50
    assert records.sent["sequence"].tolist() == [turn for turn in range(50) for _ in flows]
    assert identities(records.received) == identities(records.sent)
    assert set(records.received["tx_ns"].tolist()) <= set(records.sent["tx_ns"].tolist())
    assert np.all(records.received["rx_ns"] > records.received["tx_ns"])
    assert (records.send_errors, records.malformed, records.overruns) == ({}, 0, 0)
    assert (records.receive_buffer_drops, records.receive_errors) == (0, 0)


def test_the_schedule_neither_drifts_nor_runs_ahead() -> None:
    with ProbeSession(LOOPBACK.fan(2), load(3000, 24, 0.1)) as session:
        assert session.wait(10)
        records = session.stop()
    deadlines_ns = np.arange(300, dtype=np.int64) * 1_000_000_000 // 3000
    behind_ns = records.sent["tx_ns"] - deadlines_ns
    # Every send is 0 to max_lateness after its deadline, so the sends stray no further from one another.
    assert behind_ns.max() - behind_ns.min() <= records.max_lateness_ns


@pytest.mark.lab
def test_flows_both_ways_between_namespaces_arrive_whole(veth: tuple[str, str]) -> None:
    left, right = veth
    flows = [
        *Flow(0, "l-r", 4, left, "10.99.0.1", right, "10.99.0.2", 22000, 23000).fan(16),
        *Flow(100, "r-l", 4, right, "10.99.0.2", left, "10.99.0.1", 22000, 23000).fan(16),
        *Flow(200, "l-r", 6, left, "fd99::1", right, "fd99::2", 22000, 23000).fan(16),
        *Flow(300, "r-l", 6, right, "fd99::2", left, "fd99::1", 22000, 23000).fan(16),
    ]
    with ProbeSession(flows, load(6400, 200, 0.5)) as session:
        assert session.wait(20)
        records = session.stop()
    assert len(records.sent) == 3200
    assert identities(records.received) == identities(records.sent)
    assert records.send_errors == {}


@pytest.mark.lab
def test_a_route_that_goes_away_is_counted_and_the_sender_goes_on(veth: tuple[str, str]) -> None:
    left, right = veth
    flow = Flow(0, "l-r", 4, left, "10.99.0.1", right, "10.99.0.2", 22000, 23000)
    with ProbeSession([flow], load(2000, 24, 60)) as session:
        while len(session.records().received) < 10:
            os.sched_yield()
        ip("-n", left, "route", "delete", "10.99.0.0/24", "dev", "probe0")
        while sum(session.records().send_errors.values()) < 10:
            os.sched_yield()
        ip("-n", left, "route", "add", "10.99.0.0/24", "dev", "probe0")
        arrived = len(session.records().received)
        while len(session.records().received) < arrived + 10:
            os.sched_yield()
        records = session.stop()
    assert set(records.send_errors) == {"ENETUNREACH"}
    assert len(records.sent) == len(records.received) + records.send_errors["ENETUNREACH"]
    assert records.sent["sequence"].tolist() == list(range(len(records.sent)))
    first_ns, last_ns = records.sent["tx_ns"][[0, -1]].tolist()
    (outage,) = outages_after(records.sent, arrivals(records.sent, records.received), first_ns, last_ns + 1)
    assert (outage.lost, outage.loss_runs, outage.dark) == (records.send_errors["ENETUNREACH"], 1, False)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda packet: packet[:-1], id="short"),
        pytest.param(lambda packet: packet + b"x", id="long"),
        pytest.param(lambda packet: b"", id="empty"),
        pytest.param(lambda packet: bytes(4) + packet[4:], id="another session's magic"),
    ],
)
def test_a_foreign_datagram_is_malformed(change: Callable[[bytes], bytes]) -> None:
    with (
        ProbeSession([LOOPBACK], load(1, 64, 60)) as session,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
    ):
        packet = session.magic.to_bytes(4, "big") + bytes(60)
        stranger.sendto(change(packet), ("127.0.0.1", 23000))
        records = session.stop()
    assert records.malformed == 1
    assert identities(records.received) == identities(records.sent)


def test_what_no_longer_fits_is_an_overrun() -> None:
    with (
        ProbeSession([LOOPBACK], load(1, 24, 2)) as session,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as repeater,
    ):
        packet = session.magic.to_bytes(4, "big") + bytes(20)
        for _ in range(10):
            repeater.sendto(packet, ("127.0.0.1", 23000))
        records = session.stop()
    assert len(records.received) == 4
    assert len(records.received) + records.overruns == 10 + len(records.sent)


def test_stop_ends_a_session_early_and_keeps_its_records() -> None:
    with ProbeSession([LOOPBACK], load(1000, 24, 3600)) as session:
        while len(session.records().received) < 20:
            os.sched_yield()
        records = session.stop()
        again = session.stop()
    assert 20 <= len(records.sent) < 3_600_000
    assert identities(records.received) == identities(records.sent)
    assert len(again.sent) == len(records.sent)


def test_no_descriptor_is_left_after_stop_or_an_error_inside() -> None:
    before = open_descriptors()
    with ProbeSession(LOOPBACK.fan(4), load(1000, 24, 3600)) as session:
        session.stop()
        assert open_descriptors() == before
    with pytest.raises(ZeroDivisionError), ProbeSession([LOOPBACK], load(1000, 24, 3600)):
        raise ZeroDivisionError
    assert open_descriptors() == before


def test_no_descriptor_is_left_after_a_start_that_failed() -> None:
    before = open_descriptors()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as occupier:
        occupier.bind(("127.0.0.1", 22002))
        session = ProbeSession(LOOPBACK.fan(4), load(1000, 24, 1))
        with pytest.raises(OSError, match=r"flow 2, .*: Address already in use"):
            session.start()
        assert len(session.stop().sent) == 0
    assert open_descriptors() == before


@pytest.mark.parametrize("options", [{"spin": True}, {"kernel_time": True}, {"train": 8}], ids=str)
def test_every_way_to_send_and_receive_gives_the_same_records(options: dict[str, Any]) -> None:
    offered = Load(packets_per_s=8000, size_octets=100, duration_s=0.1, **options)
    with ProbeSession(LOOPBACK.fan(4), offered) as session:
        assert session.wait(10)
        records = session.stop()
    assert len(records.sent) == 800
    assert identities(records.received) == identities(records.sent)
    assert np.all(records.received["rx_ns"] > records.received["tx_ns"])
    trains = records.sent["flow"].reshape(-1, offered.train)
    assert np.all(trains == trains[:, :1])
    assert trains[:4, 0].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("flow", [LOOPBACK, LOOPBACK6], ids=["IPv4", "IPv6"])
def test_trains_that_the_kernel_cuts_arrive_as_packets(flow: Flow) -> None:
    offered = Load(packets_per_s=64_000, size_octets=100, duration_s=0.1, train=32, offload=True)
    with ProbeSession(flow.fan(2), offered) as session:
        assert session.wait(10)
        records = session.stop()
    assert len(records.sent) == 6400
    assert identities(records.received) == identities(records.sent)
    assert (records.send_errors, records.malformed) == ({}, 0)


def test_flows_that_cannot_be_are_refused() -> None:
    for flows, message in (
        ([], "0 probe flows: expected at least one"),
        ([LOOPBACK, LOOPBACK], "2 probe flows: .* each with an id of its own"),
    ):
        with pytest.raises(ValueError, match=message):
            ProbeSession(flows, load(1000, 64, 1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"packets_per_s": 0}, "0 packets/s for 1 s: expected at least one packet"),
        ({"packets_per_s": 10_000_001}, "10000001 packets/s: expected at most 10000000"),
        ({"duration_s": 0}, "1000 packets/s for 0 s: expected at least one packet"),
        ({"size_octets": 17}, "probe size 17: expected 18 to 65487 octets"),
        ({"size_octets": 65488}, "probe size 65488: expected 18 to 65487 octets"),
        ({"train": 65}, "a train of 65 packets: expected 1 to 64"),
        ({"train": 64, "size_octets": 1400, "offload": True}, "a train of 64 packets of 1400 octets as one"),
    ],
)
def test_a_load_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Load(**{"packets_per_s": 1000, "size_octets": 64, "duration_s": 1, **changes})
