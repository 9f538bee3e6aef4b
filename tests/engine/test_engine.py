"""The engine over memory ports: frames cross, faults bite, carriers follow, counters add up."""

import select
from collections.abc import Iterator

import pytest

from dataplane.interface import LinkError
from dataplane.links.specification import FaultMode
from dataplane.ports.memory import MemoryPort
from tests.engine.bench import A_MAC, ARRIVAL_TIMEOUT_S, B_MAC, FRAME, Bench, specification

EAPOL = B_MAC + A_MAC + bytes.fromhex("888e") + bytes(50)
TAGGED_EAPOL = B_MAC + A_MAC + bytes.fromhex("88a800018100000a888e") + bytes(50)


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


def test_frames_cross_both_ways_and_are_counted(bench: Bench) -> None:
    for end in (0, 1):
        for _ in range(100):
            assert bench.cross(end)
        assert bench.wire(end, "tx_frames") == 100
        assert bench.reaches(end, "rx_frames", 100)  # counted once the port has taken the frame
        assert bench.wire(end, "rx_octets") == 100 * len(FRAME)


def test_a_burst_keeps_its_order(bench: Bench) -> None:
    frames = [FRAME + number.to_bytes(2, "big") for number in range(150)]
    for frame in frames:
        bench.send(0, frame)
    assert [bench.receive(1) for _ in frames] == frames


def test_both_ends_have_carrier_until_the_link_is_cut(bench: Bench) -> None:
    assert [(event.node, event.carrier) for event in bench.events] == [("a", True), ("b", True)]
    assert all(port.carrier for port in bench.ports)
    bench.events.clear()
    bench.engine.set_fault("ch1", FaultMode.CARRIER)
    assert [(event.node, event.carrier) for event in bench.events] == [("a", False), ("b", False)]
    assert not any(port.carrier for port in bench.ports)
    bench.engine.clear_fault("ch1")
    assert all(port.carrier for port in bench.ports)
    assert bench.cross(0)


@pytest.mark.parametrize("mode", [FaultMode.CARRIER, FaultMode.SILENT])
def test_a_failed_link_loses_frames_both_ways_until_healed(bench: Bench, mode: FaultMode) -> None:
    bench.engine.set_fault("ch1", mode)
    for end in (0, 1):
        bench.send(end, FRAME)
    assert bench.reaches(0, "drop_fault", 1)
    assert bench.reaches(1, "drop_fault", 1)
    bench.engine.clear_fault("ch1")
    for end in (0, 1):
        later = FRAME + b"later"
        assert bench.cross(end, later)
        assert bench.wire(end, "drop_fault") == 1


def test_a_one_way_failure_loses_only_what_that_node_sends(bench: Bench) -> None:
    bench.engine.set_fault("ch1", FaultMode.ONE_WAY, from_node="b")
    assert bench.cross(0)
    bench.send(1, FRAME)
    assert bench.reaches(1, "drop_fault", 1)
    assert bench.wire(0, "drop_fault") == 0
    assert all(port.carrier for port in bench.ports)


def test_a_second_fault_is_refused_and_healing_a_well_link_changes_nothing(bench: Bench) -> None:
    bench.engine.clear_fault("ch1")
    bench.engine.set_fault("ch1", FaultMode.SILENT)
    with pytest.raises(LinkError, match="already failed"):
        bench.engine.set_fault("ch1", FaultMode.CARRIER)


def test_eapol_from_a_node_is_dropped_on_a_macsec_link_only(bench: Bench) -> None:
    for frame in (EAPOL, TAGGED_EAPOL):
        bench.send(0, frame)
        if not bench.engine.links()[0].secys:
            assert bench.receive(1) == frame
    assert bench.cross(0)
    assert bench.wire(0, "drop_eapol") == (2 if bench.engine.links()[0].secys else 0)


def test_a_runt_and_a_frame_over_the_size_are_dropped_and_counted(bench: Bench) -> None:
    bench.send(0, FRAME[:13])
    bench.send(0, FRAME[:14] + bytes(1505))
    assert bench.cross(0, FRAME[:14] + bytes(1504))
    assert (bench.wire(0, "drop_runt"), bench.wire(0, "drop_too_long")) == (1, 1)


def test_one_flipped_bit_on_the_wire_is_one_frame_not_valid(secured: Bench) -> None:
    secured.engine.flip_bit("ch1", "a", 8 * 40 + 3)
    secured.send(0, FRAME)
    assert secured.cross(0)
    assert secured.secy(1, "InPktsNotValid") == 1
    assert secured.secy(1, "InPktsOK") == 1
    assert secured.wire(0, "drop_validate") == 1


def test_a_strangers_frame_is_counted_and_dropped(secured: Bench) -> None:
    for frame, counter in (
        (FRAME, "InPktsNoTag"),
        (B_MAC + A_MAC + bytes.fromhex("88e5ac0000000009") + bytes(70), "InPktsBadTag"),
        (B_MAC + A_MAC + bytes.fromhex("88e52c0000000009") + bytes(100), "InPktsNoSAError"),
    ):
        secured.engine.inject("ch1", "a", frame)
        assert secured.secy(1, counter) == 1
    assert secured.cross(0)


def test_links_of_one_name_and_links_that_are_not_there_are_refused(bench: Bench) -> None:
    with pytest.raises(LinkError, match="there is one already"):
        bench.engine.add_link(specification(), ports=(MemoryPort(), MemoryPort()))
    with pytest.raises(LinkError, match="links are ch1"):
        bench.engine.set_fault("ch9", FaultMode.SILENT)
    with pytest.raises(LinkError, match="it joins a and b"):
        bench.engine.set_fault("ch1", FaultMode.ONE_WAY, from_node="c")


def test_many_links_share_the_workers(bench: Bench) -> None:
    ports = [(MemoryPort(), MemoryPort()) for _ in range(20)]
    for number, pair in enumerate(ports):
        bench.engine.add_link(specification(name=f"x{number}"), ports=pair)
    for first, second in ports:
        first.node.send(FRAME)
        second.node.settimeout(ARRIVAL_TIMEOUT_S)
    assert all(second.node.recv(4096) == FRAME for _, second in ports)
    bench.engine.remove_link("x3")
    assert [state.name for state in bench.engine.links()].count("x3") == 0
    assert bench.cross(0)


def test_a_port_that_goes_away_takes_the_far_carrier(bench: Bench) -> None:
    bench.events.clear()
    bench.ports[0].node.close()
    assert select.select([bench.engine.watched()[0]], [], [], ARRIVAL_TIMEOUT_S)[0]
    bench.engine.attend()
    assert [(event.node, event.carrier) for event in bench.events] == [("b", False)]
