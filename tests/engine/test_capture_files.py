"""The reader of capture files, held against files that scapy writes and against damaged ones."""

import contextlib
import io
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.l2 import Ether
from scapy.utils import PcapNgWriter, PcapWriter

from dataplane.captures.files import CaptureFormatError, RecordedFrame, is_capture, read_frames

FRAMES = [bytes(range(n)) for n in (14, 60, 61, 255)]
TIMES_NS = [1_700_000_000_123_456_000 + 1000 * n for n in range(len(FRAMES))]


def written(path: Path, kind: str) -> bytes:
    """A capture of FRAMES as scapy writes it."""
    settings: dict[str, Any] = {"pcap": {}, "pcap-ns": {"nano": True}, "pcap-big": {"endianness": ">"}}
    ng = kind == "pcapng"
    with PcapNgWriter(str(path)) if ng else PcapWriter(str(path), linktype=1, **settings[kind]) as writer:
        for data, time_ns in zip(FRAMES, TIMES_NS, strict=True):
            packet = Ether(data)
            packet.time = time_ns / 1e9
            writer.write(packet)
    return path.read_bytes()


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", 12 + len(body))
    return struct.pack(f"{order}I", kind) + length + body + length


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(order: str, *options: bytes, link_type: int = 1, snap_octets: int = 0) -> bytes:
    return block(1, struct.pack(f"{order}HHI", link_type, 0, snap_octets) + b"".join(options), order)


def frames(data: bytes) -> list[RecordedFrame]:
    return list(read_frames(io.BytesIO(data)))


@pytest.mark.parametrize("kind", ["pcap", "pcap-ns", "pcap-big", "pcapng"])
def test_frames_and_times_are_those_that_were_written(tmp_path: Path, kind: str) -> None:
    data = written(tmp_path / "file", kind)
    assert is_capture(data[:4])
    found = frames(data)
    assert [frame.data for frame in found] == FRAMES
    assert [frame.octets for frame in found] == list(map(len, FRAMES))
    for frame, time_ns in zip(found, TIMES_NS, strict=True):
        assert frame.time_ns is not None
        assert abs(frame.time_ns - time_ns) <= 1000  # scapy's times are floats


@pytest.mark.parametrize("order", ["<", ">"])
def test_names_comments_and_nanoseconds_of_each_interface_are_read(order: str) -> None:
    time_ns = 1_700_000_000_123_456_789
    high, low = time_ns >> 32, time_ns & 0xFFFFFFFF
    head = struct.pack(f"{order}IIIII", 1, high, low, 14, 90)
    data = (
        section(order)
        + interface(order, option(2, b"ch1 clear", order), snap_octets=20)
        + interface(order, option(2, b"ch1 wire", order), option(9, b"\x09", order))
        + block(0xBAD, b"of another kind", order)
        + block(6, head + FRAMES[0] + bytes(2) + option(1, b"PN 7", order), order)
        + block(3, struct.pack(f"{order}I", 60) + FRAMES[1][:20], order)
    )
    assert frames(data) == [
        RecordedFrame(FRAMES[0], 90, time_ns, "ch1 wire", "PN 7"),
        RecordedFrame(FRAMES[1][:20], 60, None, "ch1 clear", None),
    ]
    assert frames(data + data) == frames(data) * 2  # a section begins anew


def test_a_file_that_ends_too_early_tells_so_behind_its_whole_frames(tmp_path: Path) -> None:
    for kind in ("pcap", "pcapng"):
        data = written(tmp_path / kind, kind)
        reader = read_frames(io.BytesIO(data[:-1]))
        assert [next(reader).data for _ in FRAMES[:-1]] == FRAMES[:-1]
        with pytest.raises(CaptureFormatError, match="the file ends within a"):
            next(reader)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "ends within its magic number"),
        (b"abcd", "found magic number 61626364, expected that of pcap or pcapng"),
        (section() + interface("<", link_type=113), "found link type 113, expected 1, Ethernet"),
        (section() + block(6, bytes(20)), "found a block of type 6 that does not hold what it tells"),
        (section() + struct.pack("<II", 1, 13), "found a block of 13 octets, expected a multiple of 4"),
        (section() + struct.pack("<II", 1, 1 << 30), "expected at most"),
    ],
)
def test_what_is_no_capture_is_refused_in_one_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(CaptureFormatError, match=sentence):
        frames(data)


@given(st.sampled_from(["<", ">"]), st.data())
def test_damaged_files_end_in_frames_or_in_a_sentence(order: str, data: st.DataObject) -> None:
    head = struct.pack(f"{order}IIIII", 0, 1, 2, 14, 14)
    whole = section(order) + interface(order, option(9, b"\x89", order)) + block(6, head + FRAMES[0], order)
    octets = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(CaptureFormatError):
        assert all(len(frame.data) <= len(octets) for frame in frames(bytes(octets)))
