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
    assert not ((batch.arena.ctypes.data + batch.offset.astype(int) - HEADROOM) % 64).any()


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


def test_rows_of_an_array_come_back_as_they_went_in() -> None:
    rows = np.arange(3 * 70, dtype=np.uint8).reshape(3, 70)
    batch = FrameBatch.from_array(rows[:, ::-1])
    assert batch.frames() == [row[::-1].tobytes() for row in rows]
    batch.arena[:] = 0
    assert rows[2, 69] == 209
    assert FrameBatch.from_array(np.zeros((0, 70), np.uint8)).frames() == []
    assert FrameBatch.from_array(rows[:1]).frames() == [rows[0].tobytes()]
    with pytest.raises(ValueError, match="frames are 1-D uint8, expected a 2-D uint8 array"):
        FrameBatch.from_array(rows.reshape(-1))
    with pytest.raises(ValueError, match="frames are 2-D float64"):
        FrameBatch.from_array(np.zeros((2, 2)))  # type: ignore[arg-type]


def test_frames_of_one_length_are_rows_in_the_same_memory() -> None:
    batch = FrameBatch.from_frames([b"one", b"two", b"six"])
    rows = batch.array()
    rows[1] = list(b"TWO")
    assert batch.frames() == [b"one", b"TWO", b"six"]
    batch.offset += 1
    batch.length -= 1
    assert [row.tobytes() for row in batch.array()] == [b"ne", b"WO", b"ix"]
    batch.offset[1] += 1
    with pytest.raises(ValueError, match="frames differ in length or distance"):
        batch.array()
    with pytest.raises(ValueError, match="frames differ in length or distance"):
        FrameBatch.from_frames([b"one", b"three"]).array()
    assert len(FrameBatch.from_frames([]).array()) == 0


@given(st.lists(st.integers(0, 300), max_size=20), st.integers(0, 64), st.integers(0, 64))
def test_lengths_make_frames_of_zeros_with_room(lengths: list[int], headroom: int, tailroom: int) -> None:
    batch = FrameBatch.of_lengths(np.array(lengths, np.int64), headroom, tailroom)
    assert batch.frames() == [bytes(length) for length in lengths]
    begins, ends = batch.offset.astype(int) - headroom, batch.offset.astype(int) + lengths + tailroom
    assert (begins >= [0, *ends][: len(lengths)]).all()
    assert batch.arena.size >= max(ends, default=0)


def test_frames_in_the_callers_memory_are_worked_on_there() -> None:
    arena = np.arange(100, dtype=np.uint8)
    offset, length = np.array([10, 40]), [20, 30]
    batch = FrameBatch.over(arena, offset, np.array(length))
    assert batch.frames() == [bytes(range(10, 30)), bytes(range(40, 70))]
    assert FrameBatch.over(arena, np.array([]), np.array([])).frames() == []
    batch.arena[10] = batch.offset[0] = 0
    assert (arena[10], offset[0]) == (0, 10)


def test_a_part_of_a_batch_shares_its_memory() -> None:
    batch = FrameBatch.from_frames([b"one", b"two", b"three"])
    part = batch[1:]
    assert part.frames() == [b"two", b"three"]
    part.verdict[:] = 7
    part.length[0] = 1
    assert batch.verdict.tolist() == [0, 7, 7]
    assert batch.frames() == [b"one", b"t", b"three"]
    with pytest.raises(ValueError, match="expected a contiguous"):
        batch[::2]


@pytest.mark.parametrize(
    ("offset", "length", "message"),
    [
        (np.array([0.5]), np.array([1]), "offset is 1-D float64, expected a 1-D array of integers"),
        (np.array([[1]]), np.array([1]), "offset is 2-D"),
        (np.array([-1]), np.array([1]), "offset is -1 to -1, expected 0 to 4294967295"),
        (np.array([0]), np.array([1 << 32]), "length is 4294967296 to 4294967296"),
        (np.array([90]), np.array([11]), "frame 0 ends beyond the arena of 100 octets"),
        (np.array([0, 1]), np.array([1]), "have 2, 1 and 2 entries"),
    ],
)
def test_places_that_do_not_fit_are_refused(offset: np.ndarray, length: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FrameBatch.over(np.zeros(100, np.uint8), offset, length)


def test_a_batch_beyond_its_offsets_is_refused() -> None:
    with pytest.raises(ValueError, match="less than 4 GiB"):
        FrameBatch.empty(1 << 20, 1 << 12)


def test_a_long_frame_takes_no_room_for_the_short_ones_beside_it() -> None:
    frames = [bytes(1_000_000), *([bytes(60)] * 5000)]
    batch = FrameBatch.from_frames(frames)
    assert batch.arena.size < 2_000_000
    assert batch.frames() == frames
