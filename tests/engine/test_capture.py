"""Captures: what was sent is what a reader finds, both sides know each other, what did not fit is counted."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane._core import ffi, lib
from dataplane.captures.memory import MAXIMUM_SNAP_OCTETS, CapturePoint, CaptureWire
from dataplane.captures.reader import CapturedFrame, CaptureReader
from dataplane.interface import LinkError
from dataplane.links.link import WIRE_COUNTERS
from dataplane.links.specification import FaultMode, Impairment
from dataplane.macsec.counters import SLOTS
from dataplane.ports.memory import MemoryPort
from tests.capturing import EVERYWHERE, RING_OCTETS, SNAP_OCTETS, capturing, dropped
from tests.engine.bench import A_MAC, ARRIVAL_TIMEOUT_S, B_MAC, FRAME, Bench, memory_ports, specification
from tests.engine.test_tap_port import Pair, cut, stream
from tests.waiting import eventually

SENT, WIRE, REFUSED, RECEIVED = CapturePoint
RECORD_OCTETS = 32
COUNTERS = ffi.new("uint64_t[]", lib.QL_WIRE_COUNTERS)
MACSEC_ETHERTYPE = b"\x88\xe5"
SCI_A, SCI_B = A_MAC + b"\0\1", B_MAC + b"\0\1"


def frame_of(payload: bytes, sender: int = 0) -> bytes:
    addresses = B_MAC + A_MAC if sender == 0 else A_MAC + B_MAC
    return addresses + b"\x08\x00" + payload


FRAMES = [frame_of(bytes([number]) * (number * 7 + 1)) for number in range(150)]


@pytest.fixture(params=[True, False], ids=["macsec", "plain"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    bench = Bench(request.param)
    yield bench
    bench.engine.close()


@pytest.fixture
def secure() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.engine.close()


def carry(bench: Bench, frames: list[bytes], sender: int = 0) -> None:
    """Sends frames and waits until each has come out."""
    for frame in frames:
        assert bench.cross(sender, frame)


def data(frames: list[CapturedFrame], point: CapturePoint, wire: int = 0) -> list[bytes]:
    return [frame.data for frame in frames if (frame.point, frame.wire) == (point, wire)]


def expect_known_by_sci_and_pn(frames: list[CapturedFrame], sent: list[bytes]) -> None:
    """All that a link captured is these frames, from a to b, the first that a protected."""
    assert data(frames, SENT) == sent
    for point in (SENT, WIRE, RECEIVED):
        known = [(frame.sci, frame.pn) for frame in frames if frame.point == point]
        assert known == [(SCI_A, number) for number in range(1, len(sent) + 1)]
    verdicts = {frame.point: frame.verdict - 1 for frame in frames}
    assert verdicts == {SENT: SLOTS["OutPktsEncrypted"], WIRE: -1, RECEIVED: SLOTS["InPktsOK"]}


def test_both_clear_sides_are_what_was_sent_in_order_of_time(bench: Bench) -> None:
    begin_ns = time.monotonic_ns()
    with capturing(bench.engine, "ch1") as reader:
        carry(bench, FRAMES)
        carry(bench, [frame_of(b"back", sender=1)], 1)
    frames = reader.read(last=True)
    assert data(frames, SENT) == data(frames, RECEIVED) == FRAMES
    assert data(frames, SENT, 1) == data(frames, RECEIVED, 1) == [frame_of(b"back", sender=1)]
    assert all(frame.length == len(frame.data) for frame in frames)
    times = [begin_ns, *(frame.time_ns for frame in frames), time.monotonic_ns()]
    assert times == sorted(times)
    assert dropped(reader) == 0
    assert reader.ended


def test_the_wire_side_is_what_a_stranger_would_see(bench: Bench) -> None:
    with capturing(bench.engine, "ch1", points=WIRE) as reader:
        carry(bench, FRAMES)
    frames = reader.read(last=True)
    assert {frame.point for frame in frames} == {WIRE}
    wire = data(frames, WIRE)
    if not bench.engine.links()[0].secys:
        assert wire == FRAMES
        return
    assert [frame[12:14] for frame in wire] == [MACSEC_ETHERTYPE] * len(FRAMES)
    assert [len(frame) for frame in wire] == [len(frame) + 32 for frame in FRAMES]
    assert [int.from_bytes(frame[16:20], "big") for frame in wire] == list(range(1, len(FRAMES) + 1))


def test_the_sides_of_a_frame_know_each_other_by_sci_and_pn(secure: Bench) -> None:
    with capturing(secure.engine, "ch1") as reader:
        for start in range(0, len(FRAMES), 8):  # so many at once
            for frame in FRAMES[start : start + 8]:
                secure.send(0, frame)
            assert [secure.receive(1) for _ in FRAMES[start : start + 8]] == FRAMES[start : start + 8]
    expect_known_by_sci_and_pn(reader.read(last=True), FRAMES)


def test_frames_of_one_burst_have_each_a_packet_number_of_its_own() -> None:
    """A super-frame that fits a burst is one: no worker is quick enough to take its frames one by one."""
    pair = Pair()
    try:
        sent = stream(20000, 482)
        with capturing(pair.engine, "ch1") as reader:
            assert pair.carry(sent, received=1) == [sent]
        expect_known_by_sci_and_pn(reader.read(last=True), cut([sent]))
    finally:
        pair.engine.close()


def test_what_becomes_of_a_frame_is_told_where_it_is_lost(secure: Bench) -> None:
    engine, secret = secure.engine, b"octets that are the nodes' own"
    silent, none = Impairment(loss=1.0), Impairment()
    with capturing(engine, "ch1") as reader:
        engine.set_fault("ch1", FaultMode.SILENT)
        secure.send(0, FRAME)
        eventually(lambda: secure.wire(0, "drop_fault") == 1)
        engine.clear_fault("ch1")
        engine.impair("ch1", (silent, none))
        secure.send(0, FRAME)
        eventually(lambda: secure.wire(0, "drop_loss") == 1)
        engine.impair("ch1", (none, none))
        engine.flip_bit("ch1", "a", 8 * 40)
        secure.send(0, FRAME + secret)
        eventually(lambda: secure.wire(0, "drop_validate") == 1)  # else the stranger's bit may be flipped
        engine.inject("ch1", "a", FRAME + secret)
        eventually(lambda: secure.wire(0, "drop_validate") == 2)
    frames = reader.read(last=True)
    assert data(frames, SENT) == [FRAME, FRAME, FRAME + secret]
    on_wire = [frame for frame in frames if frame.point == WIRE]
    assert [WIRE_COUNTERS[frame.dropped] for frame in on_wire] == [
        "drop_fault",
        "drop_loss",
        "tx_frames",
        "tx_frames",
    ]
    bad, stranger = (frame for frame in frames if frame.point == REFUSED)
    assert WIRE_COUNTERS[bad.dropped] == "drop_validate"
    assert (bad.sci, bad.pn, bad.verdict - 1) == (SCI_A, 3, SLOTS["InPktsNotValid"])
    assert (stranger.sci, stranger.pn, stranger.verdict - 1) == (None, None, SLOTS["InPktsNoTag"])
    assert bad.data == on_wire[2].data[:28]
    assert stranger.data == FRAME[:14]
    assert (bad.length, stranger.length) == (len(on_wire[2].data), len(FRAME + secret))


@pytest.mark.parametrize("snap_octets", [1, 14, 60, len(FRAME), MAXIMUM_SNAP_OCTETS])
def test_the_snap_length_cuts_what_is_kept_not_what_is_told(bench: Bench, snap_octets: int) -> None:
    with capturing(bench.engine, "ch1", snap_octets=snap_octets) as reader:
        carry(bench, [FRAME, FRAME + b"more"])
    frames = reader.read(last=True)
    for point in (SENT, RECEIVED):
        assert [(frame.length, frame.data) for frame in frames if frame.point == point] == [
            (len(FRAME), FRAME[:snap_octets]),
            (len(FRAME) + 4, (FRAME + b"more")[:snap_octets]),
        ]


WIRE_A = CaptureWire("ch1", "a")


@pytest.mark.parametrize(
    ("wires", "points", "snap_octets", "ring_octets", "expected"),
    [
        ([], EVERYWHERE, SNAP_OCTETS, RING_OCTETS, "found 0 wires, expected at least one"),
        ([WIRE_A], CapturePoint(0), SNAP_OCTETS, RING_OCTETS, "found points 0, expected 1 to 15"),
        ([WIRE_A], EVERYWHERE, 0, RING_OCTETS, "found snap length 0, expected 1 to 262144 octets"),
        ([WIRE_A], EVERYWHERE, MAXIMUM_SNAP_OCTETS + 1, RING_OCTETS, "found snap length 262145"),
        ([WIRE_A], EVERYWHERE, SNAP_OCTETS, 100, "found rings of 100 octets, expected a multiple of 64"),
        ([WIRE_A], EVERYWHERE, SNAP_OCTETS, 1 << 40, "found rings of 1099511627776 octets"),
        ([CaptureWire("ch9", "a")], EVERYWHERE, SNAP_OCTETS, RING_OCTETS, "no link ch9"),
        ([CaptureWire("ch1", "c")], EVERYWHERE, SNAP_OCTETS, RING_OCTETS, "ch1: no end at c"),
    ],
)
def test_a_capture_that_cannot_be_is_refused(
    secure: Bench,
    wires: list[CaptureWire],
    points: CapturePoint,
    snap_octets: int,
    ring_octets: int,
    expected: str,
) -> None:
    with pytest.raises(LinkError, match=expected):
        secure.engine.start_capture(wires, points, snap_octets, ring_octets)


def test_captures_of_one_link_do_not_know_of_each_other(secure: Bench) -> None:
    with capturing(secure.engine, "ch1") as first:
        with capturing(secure.engine, "ch1", points=SENT) as second:
            carry(secure, FRAMES[:2])
        assert second.ended
        carry(secure, FRAMES[2:4])
        with capturing(secure.engine, "ch1"), capturing(secure.engine, "ch1"):
            with (
                capturing(secure.engine, "ch1"),
                pytest.raises(LinkError, match="ch1: 4 captures run on it"),
            ):
                secure.engine.start_capture([WIRE_A], EVERYWHERE, SNAP_OCTETS, RING_OCTETS)
            carry(secure, FRAMES[4:6])
        assert not first.ended
    assert data(first.read(last=True), SENT) == FRAMES[:6]
    assert data(second.read(last=True), SENT) == FRAMES[:2]


def test_reading_while_frames_come_loses_and_repeats_none(bench: Bench) -> None:
    seen: list[CapturedFrame] = []
    with capturing(bench.engine, "ch1", points=SENT) as reader:
        for frame in FRAMES:
            carry(bench, [frame])
            seen += reader.read()
    seen += reader.read(last=True)
    assert data(seen, SENT) == FRAMES
    assert reader.read(last=True) == []


def test_more_frames_than_are_read_at_once_stay_in_order_of_time(secure: Bench) -> None:
    """Those of a wire that has less to read do not overtake them."""
    there, back = frame_of(bytes(1400)), frame_of(bytes(40), sender=1)
    with capturing(secure.engine, "ch1", points=SENT, ring_octets=4 << 20) as reader:
        for _ in range(20):
            carry(secure, [there] * 50)
            carry(secure, [back], 1)
        seen: list[CapturedFrame] = []
        reads = 0
        while len(seen) < 20 * 51:
            seen += reader.read()
            reads += 1
    assert reads > 1
    assert seen == sorted(seen, key=lambda frame: frame.time_ns)
    assert (data(seen, SENT), data(seen, SENT, 1)) == ([there] * 1000, [back] * 20)


def test_a_link_removed_during_a_capture_leaves_its_frames(bench: Bench) -> None:
    ports = memory_ports()
    bench.engine.add_link(specification(name="ch2"), ports=ports)
    with capturing(bench.engine, "ch1", "ch2", points=SENT) as reader:
        ports[0].node.send(FRAMES[0])
        assert ports[1].node.recv(4096) == FRAMES[0]
        bench.engine.remove_link("ch2")
        bench.engine.add_link(specification(name="ch2"), ports=memory_ports())
        carry(bench, [FRAMES[1]])
        assert not reader.ended
    frames = reader.read(last=True)
    assert [(frame.data, reader.memory.wires[frame.wire].link) for frame in frames] == [
        (FRAMES[0], "ch2"),
        (FRAMES[1], "ch1"),
    ]


def test_what_an_engine_captured_before_it_closed_can_be_read(bench: Bench) -> None:
    memory = bench.engine.start_capture([WIRE_A], SENT, SNAP_OCTETS, RING_OCTETS)
    reader = CaptureReader(memory)
    carry(bench, FRAMES)
    bench.engine.close()
    assert reader.ended
    assert data(reader.read(last=True), SENT) == FRAMES


def test_a_reader_that_writes_where_it_must_not_harms_no_frame(secure: Bench) -> None:
    """The memory is shared with another process: it can neither shrink it nor send the writer out of it."""
    memory = secure.engine.start_capture([WIRE_A], SENT, SNAP_OCTETS, 4096)
    with Path(memory.path).open("r+b") as file:
        with pytest.raises(PermissionError):
            os.ftruncate(file.fileno(), 0)
        octets = os.fstat(file.fileno()).st_size
        for garbage in (b"\xff" * octets, os.urandom(octets)):
            file.seek(0)
            file.write(garbage)
            file.flush()
            carry(secure, FRAMES)


def test_a_full_ring_drops_new_frames_counts_them_and_delays_no_traffic(bench: Bench) -> None:
    room = 8
    frames = [frame_of(number.to_bytes(2, "big") + bytes(80)) for number in range(25)]
    assert {len(frame) for frame in frames} == {96}
    with capturing(bench.engine, "ch1", points=SENT, ring_octets=room * (RECORD_OCTETS + 96)) as reader:
        carry(bench, frames)
        assert reader.dropped(0, SENT) == 25 - room
        assert reader.dropped(1, SENT) == 0
        seen = reader.read(last=True)
        carry(bench, frames[:3])
    seen += reader.read(last=True)
    assert data(seen, SENT) == frames[:room] + frames[:3]
    assert dropped(reader) == 25 - room


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.binary(min_size=1, max_size=300), max_size=40),
    st.integers(1, 400),
    st.integers(60, 400),
    st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_the_ring_gives_back_what_it_took_around_its_end(
    frames: list[bytes], snap_octets: int, ring_words: int, drains: list[bool]
) -> None:
    """The ring against a model: a record and the kept octets, padded to 8; a full one drops."""
    node = memory_ports()
    engine = lib.ql_engine_new(1, 0)
    wire_id = plain_wire(engine, *node)
    memory = ffi.new("uint64_t[]", lib.QL_CAPTURE_HEADER_OCTETS // 8 + ring_words)
    ring = lib.ql_capture_new(memory, 8 * ring_words, snap_octets, WIRE)
    try:
        lib.ql_engine_add_capture(engine, wire_id, ring)
        held: list[tuple[int, bytes]] = []
        lost = 0
        for frame, drain in zip(frames, drains, strict=False):
            lib.ql_engine_inject(engine, wire_id, frame, [len(frame)], 1)
            node[1].node.settimeout(ARRIVAL_TIMEOUT_S)
            assert node[1].node.recv(4096) == frame
            kept = frame[:snap_octets]
            if used(held) + record_octets(kept) > 8 * ring_words:
                lost += 1
            else:
                held.append((len(frame), kept))
            if drain:
                assert drained(memory, 8 * ring_words) == held
                held = []
        assert drained(memory, 8 * ring_words) == held
        assert lib.ql_capture_dropped(memory, WIRE) == lost
    finally:
        lib.ql_engine_free(engine)
        lib.ql_capture_free(ring)
        for port in node:
            port.close()
            port.node.close()


def plain_wire(engine: object, sending: MemoryPort, receiving: MemoryPort) -> int:
    config = ffi.new("ql_wire_config *")
    config.sending, config.receiving, config.frame_octets = sending.handle, receiving.handle, 1518
    config.counters = COUNTERS
    return int(lib.ql_engine_add_wire(engine, config))


def record_octets(kept: bytes) -> int:
    return RECORD_OCTETS + ((len(kept) + 7) & ~7)


def used(held: list[tuple[int, bytes]]) -> int:
    return sum(record_octets(kept) for _, kept in held)


def drained(memory: object, ring_octets: int) -> list[tuple[int, bytes]]:
    """The length and the kept octets of each record the ring holds, read through a small buffer."""
    buffer = bytearray(400)
    record = ffi.new("ql_capture_record *")
    records = []
    while octets := lib.ql_capture_read(memory, ring_octets, ffi.from_buffer(buffer), len(buffer)):
        at = 0
        while at < octets:
            ffi.memmove(record, ffi.from_buffer(buffer)[at : at + RECORD_OCTETS], RECORD_OCTETS)
            at += RECORD_OCTETS
            records.append((record.length, bytes(buffer[at : at + record.captured])))
            at += (record.captured + 7) & ~7
    return records
