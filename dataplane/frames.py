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
_UINT8, _UINT32 = np.dtype(np.uint8), np.dtype(np.uint32)
_LINE = 64
"""Slots start on cache lines, so that no two frames share one."""


@dataclass(slots=True, eq=False)
class FrameBatch:
    """A run of n frames; frame i is `arena[offset[i] : offset[i] + length[i]]`.

    What works on a batch works in place: it may move `offset` and `length`, and leaves in `verdict` what
    became of each frame. However it is made, ValueError is raised if the arrays do not have the shapes and
    types below, a frame lies outside the arena, or one that is to be made takes 4 GiB or more.
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
        batch = cls.of_lengths(np.full(count, frame_octets, np.uint32), headroom, tailroom)
        batch.length[:] = 0
        return batch

    @classmethod
    def of_lengths(
        cls, lengths: NDArray[np.integer], headroom: int = HEADROOM, tailroom: int = TAILROOM
    ) -> Self:
        """A frame of zeros for each of `lengths` (n,), in a slot of its size."""
        length = _uint32("lengths", lengths)
        slot_octets = -(-(headroom + length.astype(np.int64) + tailroom) // _LINE) * _LINE
        ends = np.cumsum(slot_octets)
        arena_octets = int(ends[-1]) if len(ends) else 0
        if arena_octets >= 1 << 32:
            raise ValueError(f"{len(length)} slots of {arena_octets} octets in all, expected less than 4 GiB")
        offset = (ends - slot_octets + headroom).astype(np.uint32)
        memory = np.zeros(arena_octets + _LINE, np.uint8)
        line = -memory.ctypes.data % _LINE
        return cls(memory[line : line + arena_octets], offset, length, np.zeros(len(length), np.uint8))

    @classmethod
    def from_array(
        cls, frames: NDArray[np.uint8], headroom: int = HEADROOM, tailroom: int = TAILROOM
    ) -> Self:
        """A batch with a copy of each row of `frames` (n, octets)."""
        if frames.dtype != np.uint8 or frames.ndim != 2:
            raise ValueError(f"frames are {frames.ndim}-D {frames.dtype}, expected a 2-D uint8 array")
        batch = cls.of_lengths(np.full(len(frames), frames.shape[1]), headroom, tailroom)
        if len(batch):
            batch.array()[:] = frames
        return batch

    @classmethod
    def over(cls, arena: NDArray[np.uint8], offset: NDArray[np.integer], length: NDArray[np.integer]) -> Self:
        """Frames where they lie in the caller's `arena` (octets,), which is worked on in place.

        offset, length: (n,) of any integer type; the batch has its own of both.
        """
        own_offset, own_length = _uint32("offset", offset), _uint32("length", length)
        return cls(arena, own_offset, own_length, np.zeros(len(own_offset), np.uint8))

    @classmethod
    def from_frames(cls, frames: Iterable[bytes], headroom: int = HEADROOM, tailroom: int = TAILROOM) -> Self:
        """A batch with a copy of each frame."""
        listed = list(frames)
        batch = cls.of_lengths(np.array([len(frame) for frame in listed], np.int64), headroom, tailroom)
        for start, frame in zip(batch.offset, listed, strict=True):
            batch.arena[start : start + len(frame)] = np.frombuffer(frame, np.uint8)
        return batch

    def check(self) -> None:
        """Raises ValueError unless the arrays fit together, and each frame the arena."""
        self.check_arrays()
        outside = np.flatnonzero(self.offset + self.length.astype(np.uint64) > self.arena.size)
        if outside.size:
            raise ValueError(f"frame {outside[0]} ends beyond the arena of {self.arena.size} octets")

    def check_arrays(self) -> None:
        """Raises ValueError unless the arrays fit together; what passes their memory to C calls it."""
        for name, array, dtype in (
            ("arena", self.arena, _UINT8),
            ("offset", self.offset, _UINT32),
            ("length", self.length, _UINT32),
            ("verdict", self.verdict, _UINT8),
        ):
            if array.dtype != dtype or array.ndim != 1 or not array.flags.carray:
                raise ValueError(_complaint(name, array, dtype))
        if not len(self.offset) == len(self.length) == len(self.verdict):
            counts = f"{len(self.offset)}, {len(self.length)} and {len(self.verdict)}"
            raise ValueError(f"offset, length and verdict have {counts} entries, expected as many of each")

    def __len__(self) -> int:
        return len(self.offset)

    def __getitem__(self, part: slice) -> Self:
        """Some of the frames, `batch[first:end]`, in the same memory."""
        return type(self)(self.arena, self.offset[part], self.length[part], self.verdict[part])

    def frame(self, i: int) -> bytes:
        """A copy of frame i."""
        start = int(self.offset[i])
        return self.arena[start : start + int(self.length[i])].tobytes()

    def frames(self) -> list[bytes]:
        """A copy of every frame."""
        return [self.frame(i) for i in range(len(self))]

    def array(self) -> NDArray[np.uint8]:
        """(n, octets) frames of one length, evenly spaced, as rows in the same memory.

        Raises ValueError where they are not.
        """
        self.check()
        if len(self) == 0:
            return np.empty((0, 0), np.uint8)
        strides = np.diff(self.offset.astype(np.int64))
        if (self.length != self.length[0]).any() or (strides != strides[:1]).any():
            raise ValueError("frames differ in length or distance, expected the rows of an array")
        stride = int(strides[0]) if len(strides) else 0
        shape = (len(self), int(self.length[0]))
        return np.lib.stride_tricks.as_strided(self.arena[self.offset[0] :], shape, (stride, 1))

    def copy(self) -> Self:
        """A batch with memory of its own."""
        return type(self)(self.arena.copy(), self.offset.copy(), self.length.copy(), self.verdict.copy())


def _complaint(name: str, array: NDArray[np.generic], dtype: np.dtype[np.generic]) -> str:
    if array.dtype == dtype and array.ndim == 1 and array.flags.c_contiguous and not array.flags.writeable:
        return f"{name} is read-only, expected an array to work in place on"
    return f"{name} is {array.ndim}-D {array.dtype}, expected a contiguous 1-D {dtype} array"


def _uint32(name: str, values: NDArray[np.integer]) -> NDArray[np.uint32]:
    """A copy that FrameBatch takes. Raises ValueError for what does not fit."""
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(f"{name} is {array.ndim}-D {array.dtype}, expected a 1-D array of integers")
    if array.size and not 0 <= int(array.min()) <= int(array.max()) < 1 << 32:
        raise ValueError(f"{name} is {array.min()} to {array.max()}, expected 0 to {(1 << 32) - 1}")
    return array.astype(np.uint32)
