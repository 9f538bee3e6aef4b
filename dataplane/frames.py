"""FrameBatch: Ethernet frames (without FCS) in one arena, the one currency in which packets change hands."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

HEADROOM = 32
"""Octets kept free in front of a frame: a SecTAG takes 16 of them."""
TAILROOM = 32
"""Octets kept free behind a frame: an ICV takes 16 of them."""
_LINE = 64
"""Slots start on cache lines, so that no two frames share one."""


@dataclass(slots=True, eq=False)
class FrameBatch:
    """A run of n frames; frame i is `arena[offset[i] : offset[i] + length[i]]`.

    What works on a batch works in place: it may move `offset` and `length`, and leaves in `verdict` what
    became of each frame. Raises ValueError if the arrays do not have the shapes and types below, or a frame
    lies outside the arena.
    """

    arena: NDArray[np.uint8]
    """(octets,)"""
    offset: NDArray[np.uint32]
    """(n,) octets from the start of the arena"""
    length: NDArray[np.uint32]
    """(n,) octets"""
    verdict: NDArray[np.uint8]
    """(n,) a `dataplane.macsec.counters.Verdict`"""

    def __post_init__(self) -> None:
        self.check()

    @classmethod
    def empty(cls, count: int, frame_octets: int, headroom: int = HEADROOM, tailroom: int = TAILROOM) -> Self:
        """`count` frames of no octets yet, each with room for `frame_octets` and around them."""
        slot_octets = -(-(headroom + frame_octets + tailroom) // _LINE) * _LINE
        arena_octets = count * slot_octets
        if arena_octets >= 1 << 32:
            raise ValueError(
                f"a batch of {count} slots of {slot_octets} octets: expected less than 4 GiB in all"
            )
        return cls(
            arena=np.zeros(arena_octets, np.uint8),
            offset=np.arange(count, dtype=np.uint32) * np.uint32(slot_octets) + np.uint32(headroom),
            length=np.zeros(count, np.uint32),
            verdict=np.zeros(count, np.uint8),
        )

    @classmethod
    def from_frames(cls, frames: Iterable[bytes], headroom: int = HEADROOM, tailroom: int = TAILROOM) -> Self:
        """A batch with a copy of each frame."""
        listed = list(frames)
        batch = cls.empty(len(listed), max(map(len, listed), default=0), headroom, tailroom)
        for i, frame in enumerate(listed):
            start = int(batch.offset[i])
            batch.arena[start : start + len(frame)] = np.frombuffer(frame, np.uint8)
            batch.length[i] = len(frame)
        return batch

    def check(self) -> None:
        """Raises ValueError unless the arrays fit together; what passes their memory to C calls it."""
        for name, array, octets in (
            ("arena", self.arena, 1),
            ("offset", self.offset, 4),
            ("length", self.length, 4),
            ("verdict", self.verdict, 1),
        ):
            if array.dtype != np.dtype(f"u{octets}") or array.ndim != 1 or not array.flags.c_contiguous:
                found = f"{array.ndim}-D {array.dtype}"
                raise ValueError(f"{name} is {found}, expected a contiguous 1-D uint{8 * octets} array")
            if not array.flags.writeable:
                raise ValueError(f"{name} is read-only, expected an array to work in place on")
        if not len(self.offset) == len(self.length) == len(self.verdict):
            counts = f"{len(self.offset)}, {len(self.length)} and {len(self.verdict)}"
            raise ValueError(f"offset, length and verdict have {counts} entries, expected as many of each")
        outside = np.flatnonzero(self.offset + self.length.astype(np.uint64) > self.arena.size)
        if outside.size:
            raise ValueError(f"frame {outside[0]} ends beyond the arena of {self.arena.size} octets")

    def __len__(self) -> int:
        return len(self.offset)

    def frame(self, i: int) -> bytes:
        """A copy of frame i."""
        start = int(self.offset[i])
        return self.arena[start : start + int(self.length[i])].tobytes()

    def frames(self) -> list[bytes]:
        """A copy of every frame."""
        return [self.frame(i) for i in range(len(self))]

    def copy(self) -> Self:
        """A batch with memory of its own."""
        return type(self)(self.arena.copy(), self.offset.copy(), self.length.copy(), self.verdict.copy())
