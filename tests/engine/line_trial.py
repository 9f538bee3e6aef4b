"""A line of the core by itself, on time that the test tells, and numbered frames to send over it."""

from collections.abc import Iterator, Sequence

import numpy as np

from dataplane._core import ffi, lib
from dataplane.links.link import WIRE_COUNTERS, WIRE_SLOTS, core_impairment
from dataplane.links.specification import Impairment

BURST: int = lib.QL_BURST
STRIDE = 10_240
FIRST: int = lib.QL_HEADROOM
NUMBER_OCTETS = 8
NEVER_NS = 2**64 - 1
MS = 1_000_000
NONE = Impairment()


class LineTrial:
    """One direction of a link without SecYs and ports. A frame of 8 octets or more begins with its number."""

    def __init__(self, impairment: Impairment = NONE, seed: int = 1) -> None:
        self._slots = np.zeros(WIRE_SLOTS, np.uint64)
        self._line = lib.ql_line_new(seed, ffi.from_buffer("uint64_t *", self._slots))
        self._arena = np.zeros(BURST * STRIDE, np.uint8)
        self._burst = ffi.new("ql_burst *", {"arena": ffi.from_buffer("uint8_t *", self._arena)})
        self._burst.stride = STRIDE
        self._offset = np.frombuffer(ffi.buffer(self._burst.offset), np.uint32)
        self._length = np.frombuffer(ffi.buffer(self._burst.length), np.uint32)
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
            burst = lengths[start : start + BURST]
            numbers = np.arange(self.sent, self.sent + len(burst), dtype=">u8")
            self._arena.reshape(BURST, STRIDE)[: len(burst), FIRST : FIRST + NUMBER_OCTETS] = numbers.view(
                np.uint8
            ).reshape(-1, NUMBER_OCTETS)
            self.sent += len(burst)
            self._enter(now_ns, burst)
            gone += self._numbers()
        return gone

    def carry(self, now_ns: int, frames: Sequence[bytes]) -> list[bytes]:
        """Puts a burst of frames with other content on the line; those that go on at once."""
        for i, frame in enumerate(frames):
            start = i * STRIDE + FIRST
            self._arena[start : start + len(frame)] = np.frombuffer(frame, np.uint8)
        self._enter(now_ns, [len(frame) for frame in frames])
        return self._frames()

    def _enter(self, now_ns: int, lengths: Sequence[int]) -> None:
        self._burst.count = len(lengths)
        self._offset[:] = np.arange(FIRST, BURST * STRIDE, STRIDE)
        self._length[: len(lengths)] = lengths
        lib.ql_line_corrupt(self._line, self._burst)
        lib.ql_line_enter(self._line, self._burst, now_ns)

    def next_ns(self) -> int:
        return int(lib.ql_line_next_ns(self._line))

    def leave(self, now_ns: int) -> list[bytes]:
        """The frames that are due, all of them."""
        return [frame for _ in self._bursts(now_ns) for frame in self._frames()]

    def leave_numbers(self, now_ns: int) -> list[int]:
        """The numbers of the frames that are due."""
        return [number for _ in self._bursts(now_ns) for number in self._numbers()]

    def leave_burst(self, now_ns: int) -> list[int]:
        """The numbers of those that are due, as many as one burst has."""
        next(self._bursts(now_ns))
        return self._numbers()

    def arrivals(self) -> Iterator[tuple[int, int]]:
        """When each frame leaves, and its number: as a worker sees them that is never late."""
        now_ns = 0
        while (next_ns := self.next_ns()) != NEVER_NS:
            now_ns = max(now_ns, next_ns)
            yield from ((now_ns, number) for number in self.leave_numbers(now_ns))

    def _bursts(self, now_ns: int) -> Iterator[None]:
        while self.next_ns() <= now_ns:
            self._burst.count = 0
            lib.ql_line_leave(self._line, self._burst, now_ns)
            yield

    def _numbers(self) -> list[int]:
        octets = self._offset[: self._burst.count, np.newaxis] + np.arange(NUMBER_OCTETS)
        return [int(number) for number in self._arena[octets].view(">u8").ravel()]

    def _frames(self) -> list[bytes]:
        places = zip(self._offset[: self._burst.count], self._length, strict=False)
        return [self._arena[start : start + length].tobytes() for start, length in places]
