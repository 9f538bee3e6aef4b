"""Engines over time: packet numbers run out, links go while frames come, nothing is left of what is gone."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dataplane.engine import Engine
from dataplane.interface import CarrierEvent, EngineEvent, FaultEvent, LinkError
from dataplane.links.specification import FaultMode, LinkSpecification
from dataplane.macsec.sak import Sak
from dataplane.ports.memory import MemoryPort
from tests.capturing import EVERYWHERE, RING_OCTETS, SNAP_OCTETS
from tests.engine.bench import (
    A_MAC,
    B_MAC,
    FRAME,
    Bench,
    descriptors,
    memory_ports,
    specification,
)
from tests.waiting import eventually

LAST_PN = 2**32 - 1
NEW_SAK = Sak(bytes(range(1, 33)))


@pytest.fixture(params=[True, False], ids=["macsec", "plain"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    bench = Bench(request.param)
    yield bench
    bench.engine.close()


@pytest.fixture
def secured() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.engine.close()


@contextmanager
def flood(port: MemoryPort) -> Iterator[None]:
    """Frames without end from a port's node."""
    port.node.settimeout(0.01)
    over = threading.Event()

    def send() -> None:
        while not over.is_set():
            try:
                port.node.send(FRAME)
            except TimeoutError:
                continue  # nobody takes frames from the port
            except OSError:
                return  # the port is gone

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        over.set()
        sender.join()


@contextmanager
def reader(node: socket.socket) -> Iterator[None]:
    """Somebody who takes what comes out of a port, until it is gone."""
    node.settimeout(0.01)
    over = threading.Event()

    def receive() -> None:
        while not over.is_set():
            try:
                if not node.recv(4096):
                    return
            except TimeoutError:
                continue
            except ConnectionResetError:
                return

    thread = threading.Thread(target=receive)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def install_near_the_end(bench: Bench, sender: int, frames: int) -> None:
    """Leaves the sending SecY packet numbers for so many frames; the receiving one accepts them."""
    secys = [end.secy for end in bench.engine._links["ch1"].secys]
    secys[1 - sender].install_receive_sa(secys[sender].config.sci, 1, NEW_SAK, LAST_PN + 1 - frames)
    secys[sender].install_transmit_sa(1, NEW_SAK, LAST_PN + 1 - frames)


@pytest.mark.parametrize("sender", [0, 1])
def test_a_secy_out_of_packet_numbers_sends_no_more_and_loses_its_own_carrier(
    secured: Bench, sender: int
) -> None:
    install_near_the_end(secured, sender, 3)
    secured.events.clear()
    later = [FRAME + bytes([number]) for number in range(5)]
    for frame in later:
        secured.send(sender, frame)
    assert [secured.receive(1 - sender) for _ in range(3)] == later[:3]
    eventually(lambda: secured.wire(sender, "drop_protect") == 2)
    assert secured.secy(sender, "OutPktsEncrypted") == 3
    secured.attend_until(lambda: secured.events)
    node = "ab"[sender]
    assert [(event.node, event.carrier) for event in secured.events] == [(node, False)]
    assert [port.carrier for port in secured.ports] == [end != sender for end in (0, 1)]
    state = secured.engine.links()[0]
    assert (state.state, state.secys[sender].next_pn) == ("down", 2**32)
    # The other direction does not notice, and nothing of this one passes even so.
    assert secured.cross(1 - sender)
    secured.send(sender, FRAME)
    eventually(lambda: secured.wire(sender, "drop_protect") == 3)
    assert secured.wire(sender, "rx_frames") == 3


def test_a_fresh_key_gives_the_carrier_back_and_a_used_packet_number_does_not(secured: Bench) -> None:
    install_near_the_end(secured, 0, 1)
    assert secured.cross(0)
    secured.attend_until(lambda: not secured.ports[0].carrier)
    secys = [end.secy for end in secured.engine._links["ch1"].secys]
    with pytest.raises(ValueError, match="was used before"):
        secys[0].install_transmit_sa(1, NEW_SAK, LAST_PN)
    fresh = Sak(bytes(32))
    secys[1].install_receive_sa(secys[0].config.sci, 2, fresh)
    secys[0].install_transmit_sa(2, fresh)
    secured.engine.refresh()
    assert secured.ports[0].carrier
    assert secured.cross(0)


def test_exhaustion_during_a_cut_shows_only_when_it_is_healed(secured: Bench) -> None:
    secured.engine.set_fault("ch1", FaultMode.CARRIER)
    install_near_the_end(secured, 0, 1)
    secured.send(0, FRAME)
    eventually(lambda: secured.wire(0, "drop_fault") == 1)
    secured.events.clear()
    secured.engine.attend()
    secured.engine.clear_fault("ch1")
    assert [(event.node, event.carrier) for event in secured.events] == [("b", True)]


def test_a_cut_under_a_flood_takes_effect_before_it_returns(bench: Bench) -> None:
    with reader(bench.ports[1].node), flood(bench.ports[0]):
        for round_ in range(1, 6):
            before = bench.wire(0, "rx_frames")
            eventually(lambda before=before: bench.wire(0, "rx_frames") > before)  # type: ignore[misc]
            bench.engine.set_fault("ch1", FaultMode.SILENT)
            passed, lost = bench.wire(0, "rx_frames"), bench.wire(0, "drop_fault")
            eventually(lambda lost=lost: bench.wire(0, "drop_fault") > lost + 100)  # type: ignore[misc]
            assert bench.wire(0, "rx_frames") == passed, f"round {round_}"
            bench.engine.clear_fault("ch1")


def test_a_link_removed_under_a_flood_is_gone_and_the_others_go_on(bench: Bench) -> None:
    for _ in range(10):
        ports = memory_ports()
        bench.engine.add_link(specification(name="busy"), ports=ports)
        with reader(ports[1].node), flood(ports[0]), flood(ports[1]):
            counters = bench.engine.counters("busy")
            eventually(lambda counters=counters: counters.wires[0][0] > 50)  # type: ignore[misc]
            bench.engine.remove_link("busy")
        for port in ports:
            port.node.close()
        assert [state.name for state in bench.engine.links()] == ["ch1"]
    assert bench.cross(0)


def test_a_slot_that_is_used_again_counts_from_zero(bench: Bench) -> None:
    ports = memory_ports()
    slot = bench.engine.add_link(specification(name="x"), ports=ports).slot
    ports[0].node.send(FRAME)
    assert ports[1].node.recv(4096) == FRAME
    eventually(lambda: bench.engine.counters("x").wires[0][2] == 1)
    bench.engine.remove_link("x")
    assert bench.engine.add_link(specification(name="y"), ports=memory_ports()).slot == slot
    counters = bench.engine.counters("y")
    assert not counters.wires[0].any()
    assert not counters.secys[0].any()


def test_two_engines_side_by_side_do_not_meet() -> None:
    first, second = Bench(), Bench()
    try:
        first.engine.set_fault("ch1", FaultMode.CARRIER)
        assert second.cross(0)
        assert all(port.carrier for port in second.ports)
        assert first.wire(0, "tx_frames") == 0
        first.engine.close()
        assert second.cross(1)
    finally:
        second.engine.close()
        if first.engine.links():
            first.engine.close()


@pytest.mark.parametrize(
    ("mtu", "sak"), [(-1, None), (1 << 40, None), (70_000, None), (1500, Sak(b"")), (1500, Sak(bytes(31)))]
)
def test_a_link_that_cannot_be_is_refused_and_its_ports_are_closed(
    bench: Bench, mtu: int, sak: Sak | None
) -> None:
    ends = specification().ends
    ports = memory_ports()
    refused = LinkSpecification("x", ends, mtu=mtu, macsec=specification().macsec)
    with pytest.raises(LinkError, match=r"^link x: "):
        bench.engine.add_link(refused, sak, ports=ports)
    assert [state.name for state in bench.engine.links()] == ["ch1"]
    assert [port.node.recv(1) for port in ports] == [b"", b""]
    assert bench.cross(0)


def test_two_ends_of_one_sci_are_refused(bench: Bench) -> None:
    near, far = specification().ends
    alike = LinkSpecification("x", (near, replace(far, mac=near.mac)), macsec=specification().macsec)
    with pytest.raises(LinkError, match=r"link x: SCI 0200000000010001 is this SecY's own"):
        bench.engine.add_link(alike, ports=memory_ports())
    assert [state.name for state in bench.engine.links()] == ["ch1"]


def test_a_field_of_the_wrong_type_leaves_no_port_open(bench: Bench) -> None:
    ports = memory_ports()
    with pytest.raises((LinkError, TypeError)):
        bench.engine.add_link(LinkSpecification("x", specification().ends, mtu="1500"), ports=ports)  # type: ignore[arg-type]
    assert [port.node.recv(1) for port in ports] == [b"", b""]


@pytest.mark.parametrize("octets", [13, 14, 40, 1518, 65_535])
def test_a_strangers_frame_of_any_length_harms_nothing(bench: Bench, octets: int) -> None:
    frame = (B_MAC + A_MAC + b"\x88\xe5" + b"\x2c" + bytes(octets))[:octets]
    bench.engine.inject("ch1", "a", frame)
    if bench.engine.links()[0].secys:
        assert bench.wire(0, "drop_validate") == 1
    else:
        assert bench.ports[1].node.recv(1 << 17) == frame
    assert bench.cross(0)


@pytest.mark.parametrize("octets", [0, 65_536, 1 << 27])
def test_what_no_port_could_take_is_not_injected(bench: Bench, octets: int) -> None:
    with pytest.raises(LinkError, match=f"frame of {octets} octets"):
        bench.engine.inject("ch1", "a", bytes(octets))


@pytest.mark.parametrize("bit", [-1, 1 << 32])
def test_a_bit_that_no_frame_has_is_refused(bench: Bench, bit: int) -> None:
    with pytest.raises(LinkError, match="bit"):
        bench.engine.flip_bit("ch1", "a", bit)


def test_rounds_of_adding_and_removing_leak_no_descriptor_and_no_thread(bench: Bench) -> None:
    def one_round() -> None:
        ports = memory_ports()
        bench.engine.add_link(specification(name="x"), ports=ports)
        bench.engine.remove_link("x")
        for port in ports:
            port.node.close()

    one_round()
    before = resources()
    for _ in range(100):
        one_round()
    assert resources() == before


def test_a_closed_engine_gives_back_its_threads_and_descriptors(tmp_path: Path) -> None:
    def one_engine() -> None:
        engine = Engine(workers=3, counters_path=tmp_path / "counters")
        ports = memory_ports()
        engine.add_link(specification(), ports=ports)
        engine.start_capture(engine.links()[0].wires, EVERYWHERE, SNAP_OCTETS, RING_OCTETS)
        engine.close()
        for port in ports:
            port.node.close()

    one_engine()
    before = resources()
    for _ in range(20):
        one_engine()
    assert resources() == before


def test_events_are_told_in_order_and_stamped_by_the_engines_clock() -> None:
    events: list[EngineEvent] = []
    engine = Engine(workers=1, on_event=events.append, now_ns=iter(range(100)).__next__)
    try:
        engine.add_link(specification(), ports=memory_ports())
        engine.set_fault("ch1", FaultMode.CARRIER)
        engine.clear_fault("ch1")
    finally:
        engine.close()
    carriers = [event for event in events if isinstance(event, CarrierEvent)]
    assert [event.carrier for event in carriers] == [True, True, False, False, True, True]
    assert [event.t_ns for event in carriers] == sorted({event.t_ns for event in carriers})
    faults = [event for event in events if isinstance(event, FaultEvent)]
    assert [event.fault for event in faults] == [FaultMode.CARRIER, None]
    assert faults[0].t_ns < carriers[2].t_ns < faults[1].t_ns


def test_a_fault_for_a_time_ends_when_that_has_come_and_not_before() -> None:
    clock = [0]
    engine = Engine(workers=1, now_ns=lambda: clock[0])
    try:
        engine.add_link(specification(), ports=memory_ports())
        assert engine.next_deadline_ns() is None
        engine.set_fault("ch1", FaultMode.SILENT, for_s=3)
        assert engine.next_deadline_ns() == 3_000_000_000
        clock[0] = 2_999_999_999
        engine.attend()
        assert [fault.mode for fault in engine.links()[0].faults] == [FaultMode.SILENT]
        clock[0] = 3_000_000_000
        engine.attend()
        assert engine.links()[0].faults == ()
        assert engine.next_deadline_ns() is None
        with pytest.raises(LinkError, match="expected a time"):
            engine.set_fault("ch1", FaultMode.SILENT, for_s=-1)
    finally:
        engine.close()


def resources() -> tuple[int, int]:
    """Open descriptors and threads of this process."""
    return descriptors(), len(os.listdir("/proc/self/task"))


def test_a_link_that_is_removed_delivers_what_its_ports_have_taken() -> None:
    engine = Engine(workers=1)
    try:
        for _ in range(100):
            ports = memory_ports()
            engine.add_link(specification(), ports=ports)
            for end in (0, 1):
                ports[end].node.send(FRAME)
            engine.remove_link("ch1")
            assert [ports[1 - end].node.recv(4096) for end in (0, 1)] == [FRAME, FRAME]
            for port in ports:
                port.node.close()
    finally:
        engine.close()


def test_a_link_that_is_removed_delivers_what_is_behind_frames_that_it_drops() -> None:
    engine = Engine(workers=1)
    eapol = FRAME[:12] + bytes.fromhex("888e") + bytes(50)
    for _ in range(50):
        ports = memory_ports()
        for frame in [eapol] * 64 + [FRAME]:
            ports[0].node.send(frame)
        engine.add_link(specification(), ports=ports)
        engine.remove_link("ch1")
        assert ports[1].node.recv(4096) == FRAME
        for port in ports:
            port.node.close()
    engine.close()
