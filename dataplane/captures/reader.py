"""The reading end of a capture, in any process: frames of all its wires, in order of time."""

import mmap
import struct
import time
from pathlib import Path
from typing import NamedTuple

from dataplane._core import ffi, lib
from dataplane.captures.memory import MAXIMUM_SNAP_OCTETS, CaptureMemory, CapturePoint

_RECORD = struct.Struct("=QIIIBBBB8s")
_READ_OCTETS = 1 << 20
_LONGEST_OCTETS = _RECORD.size + MAXIMUM_SNAP_OCTETS
_SETTLED_NS = 5_000_000
"""A worker publishes a burst some time after it stamped it: younger frames wait for what may precede them."""

assert _LONGEST_OCTETS <= _READ_OCTETS


class CapturedFrame(NamedTuple):
    """A frame as it was at one point of its way; `wire` counts the wires of the CaptureMemory.

    time_ns is monotonic, `length` that of the whole frame, `data` what is kept of it. pn and sci are those of
    its SecTAG on the wire, also where it is clear; pn is the low 32 bits with XPN. `verdict` is of the SecY
    that it has just passed, 0 for none; `dropped` the index in WIRE_COUNTERS of what lost it there, 0 for
    nothing.
    """

    time_ns: int
    wire: int
    point: int
    length: int
    data: bytes
    pn: int | None
    sci: bytes | None
    verdict: int
    dropped: int


class CaptureReader:
    """Reads a running capture, and what is left of one that ended."""

    def __init__(self, memory: CaptureMemory) -> None:
        """Raises OSError where the capture ended before it could be opened."""
        self.memory = memory
        with Path(memory.path).open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        start = ffi.from_buffer("uint8_t *", self._map)
        each_octets = lib.QL_CAPTURE_HEADER_OCTETS + memory.ring_octets
        self._rings = [start + number * each_octets for number in range(len(memory.wires))]
        self._buffer = bytearray(_READ_OCTETS)
        self._waiting: list[CapturedFrame] = []

    @property
    def ended(self) -> bool:
        """Whether nothing more will come, besides what is there to read."""
        return all(lib.ql_capture_ended(ring) for ring in self._rings)

    def dropped(self, wire: int, point: CapturePoint) -> int:
        """Frames of a wire that found its ring full, there."""
        return int(lib.ql_capture_dropped(self._rings[wire], point))

    def read(self, *, last: bool = False) -> list[CapturedFrame]:
        """The next frames, in order of time; of each wire so many that this ends also where more come faster.

        The youngest wait until frames of other wires can no longer precede them. The last time, when no more
        can come, it is all that are left.
        """
        settled_ns = time.monotonic_ns() - _SETTLED_NS
        for wire in range(len(self._rings)):
            while more := self._drain(wire):
                if not last:
                    settled_ns = min(settled_ns, more.time_ns)
                    break
        self._waiting.sort(key=_time_ns)  # nearly in order, for which this is quick
        ready = len(self._waiting)
        while not last and ready > 0 and self._waiting[ready - 1].time_ns > settled_ns:
            ready -= 1
        frames, self._waiting = self._waiting[:ready], self._waiting[ready:]
        return frames

    def _drain(self, wire: int) -> CapturedFrame | None:
        """Lets frames of a wire wait, a buffer of them at most; where more may follow, the last of these."""
        buffer, view, waiting = self._buffer, memoryview(self._buffer), self._waiting
        octets = lib.ql_capture_read(
            self._rings[wire], self.memory.ring_octets, ffi.from_buffer(buffer), _READ_OCTETS
        )
        at = 0
        while at < octets:
            time_ns, length, captured, pn, point, verdict, dropped, tagged, sci = _RECORD.unpack_from(
                buffer, at
            )
            at += _RECORD.size
            waiting.append(
                CapturedFrame(
                    time_ns,
                    wire,
                    point,
                    length,
                    bytes(view[at : at + captured]),
                    pn if tagged else None,
                    sci if tagged == 2 else None,
                    verdict,
                    dropped,
                )
            )
            at += (captured + 7) & ~7
        return waiting[-1] if octets > _READ_OCTETS - _LONGEST_OCTETS else None


def _time_ns(frame: CapturedFrame) -> int:
    return frame.time_ns
