"""A line of the core by itself, on time that the test tells, and numbered frames to send over it."""

from collections.abc import Iterator, Sequence

import numpy as np

from dataplane._core import ffi, lib
from dataplane.links.link import WIRE_COUNTERS, WIRE_SLOTS, core_impairment
from dataplane.links.specification import Impairment

BURST: int = lib.QL_BURST
STRIDE = 10_240
NEVER_NS = 2**64 - 1
MS = 1_000_000
NONE = Impairment()


class LineTrial:
    """One direction of a link without SecYs and ports. A frame of 8 octets or more begins with its number."""

    def __init__(self, impairment: Impairment = NONE, seed: int = 1) -> None:
        self._slots = np.zeros(WIRE_SLOTS, np.uint64)
        self._line = lib.ql_line_new(seed, ffi.from_buffer("uint64_t *", self._slots))
        self._arena = ffi.new("uint8_t[]", BURST * STRIDE)
        self._burst = ffi.new("ql_burst *", {"arena": self._arena, "stride": STRIDE})
        self.sent = 0
        self.impair(impairment)

    def close(self) -> None:
        lib.ql_line_free(self._line)

    def impair(self, impairment: Impairment) -> None:
        lib.ql_line_impair(self._line, core_impairment(impairment))

    def counter(self, name: str) -> int:
        return int(self._slots[WIRE_COUNTERS.index(name)])

    def send(self, now_ns: int, *lengths: int) -> list[int]:
        """Sends frames of these lengths; the numbers of those that go on at once."""
        gone: list[int] = []
        for start in range(0, len(lengths), BURST):
            frames = [
                (self.sent + i).to_bytes(8) + bytes(length - 8)
                for i, length in enumerate(lengths[start : start + BURST])
            ]
            self.sent += len(frames)
            gone += map(number_of, self.carry(now_ns, frames))
        return gone

    def carry(self, now_ns: int, frames: Sequence[bytes]) -> list[bytes]:
        """Puts a burst on the line, as its wire does; the frames that go on at once."""
        self._burst.count = len(frames)
        for i, frame in enumerate(frames):
            self._burst.offset[i] = i * STRIDE + lib.QL_HEADROOM
            self._burst.length[i] = len(frame)
            ffi.memmove(self._burst.arena + self._burst.offset[i], frame, len(frame))
        lib.ql_line_corrupt(self._line, self._burst)
        lib.ql_line_enter(self._line, self._burst, now_ns)
        return self._frames()

    def next_ns(self) -> int:
        return int(lib.ql_line_next_ns(self._line))

    def leave(self, now_ns: int) -> list[bytes]:
        """The frames that are due, all of them."""
        due: list[bytes] = []
        while self.next_ns() <= now_ns:
            self._burst.count = 0
            lib.ql_line_leave(self._line, self._burst, now_ns)
            due += self._frames()
        return due

    def arrivals(self, until_ns: int = NEVER_NS - 1) -> Iterator[tuple[int, int]]:
        """When each frame leaves, and its number: as a worker sees them that is never late."""
        now_ns = 0
        while (next_ns := self.next_ns()) <= until_ns:
            now_ns = max(now_ns, next_ns)
            yield from ((now_ns, number_of(frame)) for frame in self.leave(now_ns))

    def _frames(self) -> list[bytes]:
        burst = self._burst
        return [ffi.buffer(burst.arena + burst.offset[i], burst.length[i])[:] for i in range(burst.count)]


def number_of(frame: bytes) -> int:
    """The number that is in a frame."""
    return int.from_bytes(frame[:8])
