"""Frames of a link as they pass: on the clear side, before the SecY, or on the wire; written as pcap (ns)."""

import struct
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dataplane._core import ffi, lib
from dataplane.interface import LinkError
from dataplane.links.link import check_core

RING_OCTETS = 16 << 20
READ_OCTETS = 1 << 20
PCAP_MAGIC_NS = 0xA1B23C4D
LINKTYPE_ETHERNET = 1
MAXIMUM_SNAP_OCTETS = 1 << 18
_RECORD = struct.Struct("=QIIII")
_PCAP_HEADER = struct.Struct("=IHHiIII")
_PCAP_RECORD = struct.Struct("=IIII")


class CaptureSide(StrEnum):
    """Where a capture listens."""

    CLEAR = "clear"
    WIRE = "wire"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class CapturedFrame:
    """One frame: wall-clock time in ns, its length on the wire, and its first octets."""

    time_ns: int
    length: int
    data: bytes


class Capture:
    """A running capture of both directions of some links into one pcap file."""

    def __init__(
        self,
        engine: object,
        path: str,
        links: Mapping[str, Sequence[int]],
        side: CaptureSide,
        snap_octets: int,
    ) -> None:
        """links maps names to their wires' ids. Raises LinkError for a snap length that is none, OSError
        where the file cannot be made.
        """
        if not 1 <= snap_octets <= MAXIMUM_SNAP_OCTETS:
            raise LinkError(
                f"capture {path}: found snap length {snap_octets}, expected 1 to {MAXIMUM_SNAP_OCTETS} octets"
            )
        self.links = dict(links)
        self._engine = engine
        self._file = Path(path).open("wb")  # noqa: SIM115 - it lives as long as the capture
        self._file.write(_PCAP_HEADER.pack(PCAP_MAGIC_NS, 2, 4, 0, 0, snap_octets, LINKTYPE_ETHERNET))
        self._file.flush()
        self._ring = lib.ql_capture_new(RING_OCTETS, snap_octets)
        if self._ring == ffi.NULL:
            raise MemoryError("no memory for a capture ring")
        self._buffer = bytearray(READ_OCTETS)
        # Frames are stamped with the monotonic clock, a pcap file speaks of wall-clock time.
        self._wall_offset_ns = time.time_ns() - time.monotonic_ns()
        clear, wire = lib.QL_CAPTURE_CLEAR, lib.QL_CAPTURE_WIRE
        sides = {CaptureSide.CLEAR: clear, CaptureSide.WIRE: wire, CaptureSide.BOTH: clear | wire}[side]
        for wires in self.links.values():
            for wire in wires:
                check_core(lib.ql_engine_set_capture(engine, wire, self._ring, sides))

    def forget(self, name: str) -> None:
        """Stops listening to a link that goes away."""
        for wire in self.links.pop(name, ()):
            lib.ql_engine_set_capture(self._engine, wire, ffi.NULL, 0)

    def drain(self) -> None:
        """Writes what the ring holds to the file."""
        while octets := lib.ql_capture_read(self._ring, ffi.from_buffer(self._buffer), READ_OCTETS):
            for time_ns, length, data in _records(memoryview(self._buffer)[:octets]):
                seconds, nanoseconds = divmod(time_ns + self._wall_offset_ns, 1_000_000_000)
                self._file.write(_PCAP_RECORD.pack(seconds, nanoseconds, len(data), length))
                self._file.write(data)
        self._file.flush()

    def close(self) -> int:
        """Ends the capture; how many frames found the ring full. OSError where not all could be written."""
        for name in list(self.links):
            self.forget(name)
        try:
            self.drain()
        finally:
            self._file.close()
            dropped: int = lib.ql_capture_dropped(self._ring)
            lib.ql_capture_free(self._ring)
        return dropped


def _records(data: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    at = 0
    while at < len(data):
        time_ns, _wire, _side, length, captured = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        yield time_ns, length, data[at : at + captured]
        at += (captured + 7) & ~7


def read_pcap(path: str) -> list[CapturedFrame]:
    """The frames of a pcap file that a Capture wrote.

    Of a file that ends inside a frame, as one may that is still written, the whole frames before the cut.
    Raises ValueError for a file that is none of these.
    """
    data = Path(path).read_bytes()
    if len(data) < _PCAP_HEADER.size or int.from_bytes(data[:4], sys.byteorder) != PCAP_MAGIC_NS:
        raise ValueError(f"{path}: found {len(data)} octets of something else, expected a pcap file (ns)")
    frames = []
    at = _PCAP_HEADER.size
    while at + _PCAP_RECORD.size <= len(data):
        seconds, nanoseconds, captured, length = _PCAP_RECORD.unpack_from(data, at)
        at += _PCAP_RECORD.size
        if at + captured > len(data):
            break
        frames.append(CapturedFrame(seconds * 1_000_000_000 + nanoseconds, length, data[at : at + captured]))
        at += captured
    return frames
