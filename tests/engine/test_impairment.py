"""Impairments of an engine's link: frames are lost, copied, changed or late; test_line has the rest."""

import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from dataplane.interface import LinkError
from dataplane.links.specification import MACSEC_OCTETS, FaultMode, Impairment
from tests.engine.bench import FRAME, Bench, memory_ports, specification
from tests.waiting import eventually

FRAMES = 5_000
AT_ONCE = 50
MS = 1_000_000
NONE = Impairment()


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.engine.close()


def lost(bench: Bench, frames: int, sender: int = 0) -> list[int]:
    """The numbers of those of so many frames that do not arrive; a port takes only so many at once."""
    arrived = set()
    before = bench.wire(sender, "tx_frames")
    for start in range(0, frames, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, frames))
        received = bench.wire(sender, "rx_frames")
        for number in numbers:
            bench.send(sender, FRAME + number.to_bytes(4, "big"))
        eventually(lambda end=before + numbers.stop: done(bench, sender) == end)  # type: ignore[misc]
        for _ in range(bench.wire(sender, "rx_frames") - received):
            arrived.add(int.from_bytes(bench.receive(1 - sender)[-4:], "big"))
    return [number for number in range(frames) if number not in arrived]


def done(bench: Bench, sender: int) -> int:
    """Frames whose end is known."""
    return sum(bench.wire(sender, counter) for counter in ("rx_frames", "drop_loss", "drop_fault"))


def test_a_share_of_the_frames_is_lost_each_by_its_own_chance(bench: Bench) -> None:
    share = 0.1
    bench.engine.impair("ch1", (Impairment(loss=share), NONE))
    gone = lost(bench, FRAMES)
    expected, deviation = FRAMES * share, (FRAMES * share * (1 - share)) ** 0.5
    assert abs(len(gone) - expected) < 4 * deviation
    together = sum(after == number + 1 for number, after in pairwise(gone))
    assert abs(together - expected * share) < 5 * (expected * share) ** 0.5
    assert bench.wire(0, "drop_loss") == len(gone)
    assert bench.secy(1, "InPktsOK") == FRAMES - len(gone)
    assert lost(bench, 500, sender=1) == []


def test_the_same_seed_loses_the_same_frames_and_another_direction_others() -> None:
    runs = []
    for sender in (0, 0, 1):
        bench = Bench()
        bench.engine.impair("ch1", (Impairment(loss=0.2), Impairment(loss=0.2)))
        runs.append(lost(bench, 1000, sender))
        bench.engine.close()
    assert runs[0] == runs[1] != runs[2]


def test_loss_changes_while_the_link_is_up_and_leaves_carrier_and_faults_alone(bench: Bench) -> None:
    bench.events.clear()
    bench.engine.impair("ch1", (Impairment(loss=1.0), NONE))
    assert lost(bench, 100) == list(range(100))
    bench.engine.impair("ch1", (NONE, NONE))
    assert lost(bench, 100) == []
    assert bench.engine.links()[0].impairments == (NONE, NONE)
    assert bench.events == []
    bench.engine.impair("ch1", (Impairment(loss=1.0), NONE))
    bench.engine.set_fault("ch1", FaultMode.SILENT)
    lost(bench, 10)
    assert (bench.wire(0, "drop_loss"), bench.wire(0, "drop_fault")) == (100, 10)


def test_a_change_leaves_what_it_does_not_name(bench: Bench) -> None:
    bench.engine.impair("ch1", (Impairment(loss=1.0), Impairment(0.5)))
    set_now = bench.engine.change_impairments("ch1", ({"loss_in_burst": 0.25}, {"loss": 0.0}))
    assert set_now == (Impairment(1.0, loss_in_burst=0.25), NONE)
    assert bench.engine.links()[0].impairments == set_now
    for wrong in ({"loss": 2.0}, {"los": 0.5}):
        with pytest.raises(LinkError, match=r"^link ch1: .*los"):
            bench.engine.change_impairments("ch1", ({}, wrong))
    assert bench.engine.links()[0].impairments == set_now


def test_what_cannot_be_is_refused(bench: Bench) -> None:
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=f"found loss {share}, expected a share from 0 to 1"):
            Impairment(loss=share)
    with pytest.raises(LinkError, match="no link ch9; links are ch1"):
        bench.engine.impair("ch9", (NONE, NONE))


def test_a_delay_holds_each_frame_for_its_time_and_keeps_order(bench: Bench) -> None:
    bench.engine.impair("ch1", (Impairment(delay_us=50_000), NONE))
    sent_ns = time.monotonic_ns()
    for number in range(AT_ONCE):
        bench.send(0, FRAME + number.to_bytes(4))
    assert [numbered(bench.receive(1)) for _ in range(AT_ONCE)] == list(range(AT_ONCE))
    assert time.monotonic_ns() - sent_ns >= 50 * MS
    eventually(lambda: bench.wire(0, "rx_frames") == AT_ONCE)
    assert (bench.wire(0, "queue_frames"), bench.wire(0, "queue_octets")) == (0, 0)
    assert bench.cross(1)


def test_a_delay_that_is_cleared_lets_no_later_frame_overtake(bench: Bench) -> None:
    bench.engine.impair("ch1", (Impairment(delay_us=500_000), NONE))
    bench.send(0, FRAME + bytes([0]))
    eventually(lambda: bench.wire(0, "queue_frames") == 1)
    assert bench.wire(0, "queue_octets") == len(FRAME) + 1 + MACSEC_OCTETS
    bench.engine.impair("ch1", (NONE, NONE))
    bench.send(0, FRAME + bytes([1]))
    assert [bench.receive(1)[-1] for _ in range(2)] == [0, 1]


def test_a_rate_is_that_of_protected_frames(bench: Bench) -> None:
    bench.engine.impair("ch1", (Impairment(rate_mbps=1, queue_us=1e6), NONE))
    sent_ns = time.monotonic_ns()
    for _ in range(AT_ONCE):
        bench.send(0, FRAME)
    for _ in range(AT_ONCE):
        bench.receive(1)
    bits = AT_ONCE * (len(FRAME) + MACSEC_OCTETS) * 8
    assert time.monotonic_ns() - sent_ns >= bits * 1000


def test_a_full_queue_drops_what_comes(bench: Bench) -> None:
    bench.engine.impair("ch1", (Impairment(rate_mbps=0.001, queue_octets=500), NONE))
    for _ in range(AT_ONCE):
        bench.send(0, FRAME)
    # Of 146 octets each, three fit; none is on the line's other end for a second.
    eventually(lambda: bench.wire(0, "drop_queue") == AT_ONCE - 3)
    assert bench.wire(0, "queue_frames") == 3


def test_copies_reordered_and_corrupted_frames_reach_the_far_secy(bench: Bench) -> None:
    bench.engine.impair("ch1", (Impairment(duplicate=0.2, reorder=0.2, corrupt=0.2), NONE))
    for number in range(AT_ONCE):
        bench.send(0, FRAME + number.to_bytes(4))

    def all_came() -> bool:
        copies = AT_ONCE + bench.wire(0, "duplicated")
        return bench.wire(0, "rx_frames") + bench.wire(0, "drop_validate") == copies > AT_ONCE

    eventually(all_came)
    seen = [numbered(bench.receive(1)) for _ in range(bench.wire(0, "rx_frames"))]
    assert len(seen) > len(set(seen))
    assert seen != sorted(seen)
    assert bench.wire(0, "reordered") > 0
    assert bench.wire(0, "drop_validate") >= bench.wire(0, "corrupted") > 0


def test_a_cut_loses_what_is_on_its_way(bench: Bench) -> None:
    bench.engine.impair("ch1", (Impairment(delay_us=300_000), NONE))
    bench.send(0, FRAME)
    eventually(lambda: bench.wire(0, "queue_frames") == 1)
    bench.engine.set_fault("ch1", FaultMode.CARRIER)
    eventually(lambda: bench.wire(0, "drop_fault") == 1)
    assert bench.wire(0, "queue_frames") == 0


def test_a_link_goes_with_what_is_on_its_way_and_the_others_go_on() -> None:
    bench = Bench(workers=1)
    bench.engine.add_link(specification(name="ch2"), ports=(ports := memory_ports()))
    bench.engine.impair("ch1", (Impairment(delay_us=300_000, reorder=1), NONE))
    bench.send(0, FRAME)
    due_ns = time.monotonic_ns() + 320 * MS  # with what a reordered frame waits
    eventually(lambda: bench.wire(0, "queue_frames") == 1)
    bench.engine.remove_link("ch1")
    crossed_ns = 0
    while crossed_ns < due_ns:
        crossed_ns = time.monotonic_ns()
        ports[0].node.send(FRAME)
        assert ports[1].node.recv(4096) == FRAME
    bench.engine.close()


def numbered(frame: bytes) -> int:
    """The number at the end of a frame."""
    return int.from_bytes(frame[-4:])
