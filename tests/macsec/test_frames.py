"""FrameBatch: layout, copies and bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.frames import HEADROOM, TAILROOM, FrameBatch


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_frames_come_back_as_they_went_in(frames: list[bytes]) -> None:
    batch = FrameBatch.from_frames(frames)
    assert len(batch) == len(frames)
    assert batch.frames() == frames
    assert not batch.verdict.any()


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=20), st.integers(0, 64), st.integers(0, 64))
def test_every_frame_has_its_own_room(frames: list[bytes], headroom: int, tailroom: int) -> None:
    batch = FrameBatch.from_frames(frames, headroom, tailroom)
    end_of_previous = 0
    for offset, length in zip(batch.offset.tolist(), batch.length.tolist(), strict=True):
        assert offset - headroom >= end_of_previous
        end_of_previous = offset + length + tailroom
    assert end_of_previous <= batch.arena.size


def test_empty_slots_hold_the_octets_asked_for() -> None:
    batch = FrameBatch.empty(3, 1500)
    assert batch.frames() == [b"", b"", b""]
    batch.length[:] = 1500
    batch.check()
    assert (batch.offset[1:] - batch.offset[:-1] >= HEADROOM + 1500 + TAILROOM).all()


def test_a_batch_of_none() -> None:
    assert FrameBatch.empty(0, 1500).frames() == []


def test_a_copy_has_its_own_memory() -> None:
    batch = FrameBatch.from_frames([b"before"])
    copy = batch.copy()
    batch.arena[:] = 0
    batch.offset[:] = batch.length[:] = 0
    batch.verdict[:] = 7
    assert copy.frames() == [b"before"]
    assert copy.verdict.tolist() == [0]


def _arrays() -> dict[str, np.ndarray]:
    return {
        "arena": np.zeros(100, np.uint8),
        "offset": np.array([0, 50], np.uint32),
        "length": np.array([50, 50], np.uint32),
        "verdict": np.zeros(2, np.uint8),
    }


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("arena", np.zeros(100, np.uint16), "arena is 1-D uint16, expected a contiguous 1-D uint8"),
        ("arena", np.zeros((10, 10), np.uint8), "arena is 2-D"),
        ("arena", np.zeros(200, np.uint8)[::2], "expected a contiguous"),
        ("arena", np.frombuffer(bytes(100), np.uint8), "arena is read-only"),
        ("arena", np.zeros(99, np.uint8), "frame 1 ends beyond the arena of 99 octets"),
        ("offset", np.array([0, 50], np.int64), "offset is 1-D int64"),
        ("offset", np.array([0, 2**32 - 1], np.uint32), "frame 1 ends beyond"),
        ("length", np.array([2**32 - 1, 50], np.uint32), "frame 0 ends beyond"),
        ("length", np.array([50], np.uint32), "have 2, 1 and 2 entries"),
        ("verdict", np.zeros(3, np.uint8), "have 2, 2 and 3 entries"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(name: str, array: np.ndarray, message: str) -> None:
    FrameBatch(**_arrays())
    with pytest.raises(ValueError, match=message):
        FrameBatch(**{**_arrays(), name: array})


def test_a_batch_beyond_its_offsets_is_refused() -> None:
    with pytest.raises(ValueError, match="less than 4 GiB"):
        FrameBatch.empty(1 << 20, 1 << 12)
