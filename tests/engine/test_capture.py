"""Captures: what was sent is what is in the file, what did not fit is counted, files are others' to read."""

# mypy: disable-error-code="no-untyped-call"

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.l2 import Ether
from scapy.utils import rdpcap

from dataplane._core import ffi, lib
from dataplane.capture import MAXIMUM_SNAP_OCTETS, CaptureSide, read_pcap
from dataplane.interface import LinkError
from dataplane.links.specification import FaultMode
from dataplane.ports.memory import MemoryPort
from tests.engine.bench import A_MAC, ARRIVAL_TIMEOUT_S, B_MAC, FRAME, Bench, memory_ports, specification

HEADER = struct.Struct("=QIIII")
SNAP_OCTETS = 2048
COUNTERS = ffi.new("uint64_t[]", lib.QL_WIRE_COUNTERS)
PCAP_HEADER_OCTETS, PCAP_RECORD_OCTETS = 24, 16
MACSEC_ETHERTYPE = b"\x88\xe5"


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
def path(tmp_path: Path) -> str:
    return str(tmp_path / "capture.pcap")


def carry(bench: Bench, frames: list[bytes], sender: int = 0) -> None:
    """Sends frames and waits until each has come out."""
    for frame in frames:
        assert bench.cross(sender, frame)


def test_the_clear_side_is_what_was_sent_in_order(bench: Bench, path: str) -> None:
    bench.engine.start_capture(path, ["ch1"], CaptureSide.CLEAR, SNAP_OCTETS)
    carry(bench, FRAMES)
    assert bench.engine.stop_capture(path) == 0
    captured = read_pcap(path)
    assert [frame.data for frame in captured] == FRAMES
    assert [frame.length for frame in captured] == [len(frame) for frame in FRAMES]
    times = [frame.time_ns for frame in captured]
    assert times == sorted(times)


def test_both_directions_are_in_one_file(bench: Bench, path: str) -> None:
    bench.engine.start_capture(path, ["ch1"], CaptureSide.CLEAR, SNAP_OCTETS)
    forth, back = FRAMES[:20], [frame_of(bytes([number]), sender=1) for number in range(20)]
    for one, other in zip(forth, back, strict=True):
        carry(bench, [one], 0)
        carry(bench, [other], 1)
    bench.engine.stop_capture(path)
    captured = [frame.data for frame in read_pcap(path)]
    assert captured == [frame for pair in zip(forth, back, strict=True) for frame in pair]


def test_the_wire_side_is_what_a_stranger_would_see(bench: Bench, path: str) -> None:
    bench.engine.start_capture(path, ["ch1"], CaptureSide.WIRE, SNAP_OCTETS)
    carry(bench, FRAMES)
    bench.engine.stop_capture(path)
    wire = [frame.data for frame in read_pcap(path)]
    if not bench.engine.links()[0].secys:
        assert wire == FRAMES
        return
    assert [frame[12:14] for frame in wire] == [MACSEC_ETHERTYPE] * len(FRAMES)
    assert [len(frame) for frame in wire] == [len(frame) + 32 for frame in FRAMES]
    assert [int.from_bytes(frame[16:20], "big") for frame in wire] == list(range(1, len(FRAMES) + 1))


def test_the_wire_side_shows_the_flipped_bit_and_what_a_fault_loses(bench: Bench, path: str) -> None:
    bench.engine.start_capture(path, ["ch1"], CaptureSide.BOTH, SNAP_OCTETS)
    bench.engine.set_fault("ch1", FaultMode.SILENT)
    bench.engine.flip_bit("ch1", "a", 7)
    bench.send(0, FRAME)
    assert bench.reaches(0, "drop_fault", 1)
    bench.engine.stop_capture(path)
    clear, wire = (frame.data for frame in read_pcap(path))
    assert clear == FRAME
    assert wire[0] == FRAME[0] ^ 1
    assert wire[1:12] == FRAME[1:12]


@pytest.mark.parametrize("snap_octets", [1, 14, 60, len(FRAME), MAXIMUM_SNAP_OCTETS])
def test_the_snap_length_cuts_what_is_kept_not_what_is_told(
    bench: Bench, path: str, snap_octets: int
) -> None:
    bench.engine.start_capture(path, ["ch1"], CaptureSide.CLEAR, snap_octets)
    carry(bench, [FRAME, FRAME + b"more"])
    bench.engine.stop_capture(path)
    assert [(frame.length, frame.data) for frame in read_pcap(path)] == [
        (len(FRAME), FRAME[:snap_octets]),
        (len(FRAME) + 4, (FRAME + b"more")[:snap_octets]),
    ]


@pytest.mark.parametrize("snap_octets", [0, -1, MAXIMUM_SNAP_OCTETS + 1])
def test_a_snap_length_that_is_none_is_refused(bench: Bench, path: str, snap_octets: int) -> None:
    with pytest.raises(LinkError, match=f"found snap length {snap_octets}, expected 1 to"):
        bench.engine.start_capture(path, ["ch1"], CaptureSide.CLEAR, snap_octets)
    assert not Path(path).exists()
    bench.engine.start_capture(path, ["ch1"], CaptureSide.CLEAR, SNAP_OCTETS)


def test_scapy_reads_what_was_written(bench: Bench, path: str) -> None:
    bench.engine.start_capture(path, ["ch1"], CaptureSide.CLEAR, 60)
    carry(bench, FRAMES)
    bench.engine.stop_capture(path)
    packets = rdpcap(path)
    assert [bytes(packet) for packet in packets] == [frame[:60] for frame in FRAMES]
    assert [packet.wirelen for packet in packets] == [len(frame) for frame in FRAMES]
    assert all(isinstance(packet, Ether) for packet in packets)
    nanoseconds = [int(packet.time * 1_000_000_000) for packet in packets]
    assert nanoseconds == [frame.time_ns for frame in read_pcap(path)]


def test_draining_while_frames_come_loses_and_repeats_none(bench: Bench, path: str) -> None:
    bench.engine.start_capture(path, ["ch1"], CaptureSide.CLEAR, SNAP_OCTETS)
    for number, frame in enumerate(FRAMES, 1):
        carry(bench, [frame])
        bench.engine.drain_captures()
        assert len(read_pcap(path)) == number
    bench.engine.stop_capture(path)
    assert [frame.data for frame in read_pcap(path)] == FRAMES


def test_a_second_capture_on_a_link_is_refused_and_the_first_goes_on(
    bench: Bench, path: str, tmp_path: Path
) -> None:
    other = str(tmp_path / "other.pcap")
    bench.engine.add_link(specification(name="ch2"), ports=memory_ports())
    bench.engine.start_capture(path, ["ch1"], CaptureSide.CLEAR, SNAP_OCTETS)
    with pytest.raises(LinkError, match="ch1: another capture is running on it"):
        bench.engine.start_capture(other, ["ch2", "ch1"], CaptureSide.CLEAR, SNAP_OCTETS)
    with pytest.raises(LinkError, match="it is running already"):
        bench.engine.start_capture(path, ["ch2"], CaptureSide.CLEAR, SNAP_OCTETS)
    with pytest.raises(LinkError, match="no link ch9"):
        bench.engine.start_capture(other, ["ch2", "ch9"], CaptureSide.CLEAR, SNAP_OCTETS)
    assert not Path(other).exists()
    bench.engine.start_capture(other, ["ch2"], CaptureSide.CLEAR, SNAP_OCTETS)
    carry(bench, [FRAME])
    bench.engine.stop_capture(other)
    bench.engine.stop_capture(path)
    assert [frame.data for frame in read_pcap(path)] == [FRAME]
    assert read_pcap(other) == []
    bench.engine.start_capture(other, ["ch1", "ch2"], CaptureSide.CLEAR, SNAP_OCTETS)


def test_a_file_that_cannot_be_made_is_refused_and_the_link_stays_free(
    bench: Bench, path: str, tmp_path: Path
) -> None:
    with pytest.raises(LinkError, match="Is a directory"):
        bench.engine.start_capture(str(tmp_path), ["ch1"], CaptureSide.CLEAR, SNAP_OCTETS)
    bench.engine.start_capture(path, ["ch1"], CaptureSide.CLEAR, SNAP_OCTETS)


def test_a_link_removed_during_a_capture_leaves_its_frames_in_the_file(bench: Bench, path: str) -> None:
    ports = memory_ports()
    bench.engine.add_link(specification(name="ch2"), ports=ports)
    bench.engine.start_capture(path, ["ch1", "ch2"], CaptureSide.CLEAR, SNAP_OCTETS)
    ports[0].node.send(FRAMES[0])
    assert ports[1].node.recv(4096) == FRAMES[0]
    bench.engine.remove_link("ch2")
    bench.engine.add_link(specification(name="ch2"), ports=memory_ports())
    carry(bench, [FRAMES[1]])
    assert bench.engine.stop_capture(path) == 0
    assert [frame.data for frame in read_pcap(path)] == FRAMES[:2]


def test_a_capture_that_runs_when_its_engine_closes_is_whole(bench: Bench, path: str) -> None:
    bench.engine.start_capture(path, ["ch1"], CaptureSide.CLEAR, SNAP_OCTETS)
    carry(bench, FRAMES)
    bench.engine.close()
    assert [frame.data for frame in read_pcap(path)] == FRAMES


def test_a_full_ring_drops_new_frames_counts_them_and_delays_no_traffic(
    bench: Bench, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = 10
    monkeypatch.setattr("dataplane.capture.RING_OCTETS", room * (HEADER.size + 120))
    frames = [frame_of(number.to_bytes(2, "big") + bytes(104)) for number in range(25)]
    assert {len(frame) for frame in frames} == {120}
    bench.engine.start_capture(path, ["ch1"], CaptureSide.CLEAR, SNAP_OCTETS)
    carry(bench, frames)
    bench.engine.drain_captures()
    carry(bench, frames[:3])
    assert bench.engine.stop_capture(path) == 15
    assert [frame.data for frame in read_pcap(path)] == frames[:room] + frames[:3]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.binary(min_size=1, max_size=300), max_size=40),
    st.integers(1, 400),
    st.integers(400, 3000),
    st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_the_ring_gives_back_what_it_took_around_its_end(
    frames: list[bytes], snap_octets: int, ring_octets: int, drains: list[bool]
) -> None:
    """The ring against a model: records of 24 octets and the kept octets, padded to 8; a full one drops."""
    node = memory_ports()
    engine = lib.ql_engine_new(1, 0)
    ring = lib.ql_capture_new(ring_octets, snap_octets)
    wire_id = plain_wire(engine, node[0], node[1])
    try:
        lib.ql_engine_set_capture(engine, wire_id, ring, lib.QL_CAPTURE_WIRE)
        held: list[tuple[int, bytes]] = []
        dropped = 0
        for frame, drain in zip(frames, drains, strict=False):
            lib.ql_engine_inject(engine, wire_id, frame, [len(frame)], 1)
            node[1].node.settimeout(ARRIVAL_TIMEOUT_S)
            assert node[1].node.recv(4096) == frame
            kept = frame[:snap_octets]
            if used(held) + record_octets(kept) > ring_octets:
                dropped += 1
            else:
                held.append((len(frame), kept))
            if drain:
                assert drained(ring) == held
                held = []
        assert drained(ring) == held
        assert lib.ql_capture_dropped(ring) == dropped
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
    return HEADER.size + ((len(kept) + 7) & ~7)


def used(held: list[tuple[int, bytes]]) -> int:
    return sum(record_octets(kept) for _, kept in held)


def drained(ring: object) -> list[tuple[int, bytes]]:
    """The length and the kept octets of each record the ring holds, read through a small buffer."""
    buffer = bytearray(400)
    records = []
    while octets := lib.ql_capture_read(ring, ffi.from_buffer(buffer), len(buffer)):
        at = 0
        while at < octets:
            _, _, _, length, captured = HEADER.unpack_from(buffer, at)
            at += HEADER.size
            records.append((length, bytes(buffer[at : at + captured])))
            at += (captured + 7) & ~7
    return records


@pytest.fixture
def whole(bench: Bench, path: str) -> tuple[str, bytes]:
    """A file of three frames, and its octets."""
    bench.engine.start_capture(path, ["ch1"], CaptureSide.CLEAR, SNAP_OCTETS)
    carry(bench, FRAMES[:3])
    bench.engine.stop_capture(path)
    return path, Path(path).read_bytes()


def test_a_file_that_is_cut_short_gives_the_whole_frames_before_the_cut(whole: tuple[str, bytes]) -> None:
    path, data = whole
    ends = [PCAP_HEADER_OCTETS]
    for frame in FRAMES[:3]:
        ends.append(ends[-1] + PCAP_RECORD_OCTETS + len(frame))
    assert ends[-1] == len(data)
    for cut in range(PCAP_HEADER_OCTETS, len(data) + 1):
        Path(path).write_bytes(data[:cut])
        count = sum(end <= cut for end in ends) - 1
        assert [frame.data for frame in read_pcap(path)] == FRAMES[:count]


@pytest.mark.parametrize("data", [b"", b"\x4d\x3c", b"not a capture at all, but long enough to be one"])
def test_a_file_that_is_no_capture_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "other.txt"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"other\.txt: .*expected a pcap file"):
        read_pcap(str(path))
