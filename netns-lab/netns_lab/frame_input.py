"""The frames that a user means: a capture, hex digits or raw octets, in a file, on stdin or as they stand."""

import sys
from collections.abc import Iterator
from io import BufferedReader
from itertools import islice
from pathlib import Path

from dataplane.captures.files import RecordedFrame, is_capture, read_frames
from netns_lab.directory import LabError
from netns_lab.hex_dump import frames_of_text

STDIN = "-"
MAXIMUM_FRAME_OCTETS = 65535
MAXIMUM_TEXT_OCTETS = 1 << 24
SHOWN_CHARACTERS = 40


def frames_of(word: str) -> Iterator[RecordedFrame]:
    """The frames of FILE, of HEX or, for `-`, of stdin. Raises LabError with one sentence."""
    where = word
    try:
        if word == STDIN:
            where = "stdin"
            yield from _frames_in(sys.stdin.buffer)  # type: ignore[arg-type]
        elif _is_file(word):
            with Path(word).open("rb") as file:
                yield from _frames_in(file)
        else:
            shown = word if len(word) <= SHOWN_CHARACTERS else f"{word[:SHOWN_CHARACTERS]}..."
            where = f"{shown!r} is no file, and as a frame"
            yield from _frames_of_octets(word.encode(errors="replace"))
    except ValueError as error:
        raise LabError(f"{where}: {error}") from None


def first_frames(word: str, count: int) -> tuple[list[RecordedFrame], LabError | None]:
    """The first frames, at most so many, and what is wrong behind them. Raises it where there are none."""
    frames: list[RecordedFrame] = []
    try:
        frames += islice(frames_of(word), count)
    except LabError as error:
        if not frames:
            raise
        return frames, error
    if not frames:
        raise LabError(f"{word}: a capture without a frame")
    return frames, None


def one_frame(word: str, number: int) -> RecordedFrame:
    """The frame of that number, counted from 1. Raises LabError where there are fewer."""
    last = 0
    for last, frame in enumerate(frames_of(word), start=1):
        if last == number:
            return frame
    raise LabError(f"--frame: found {number}, expected 1 to {last}")


def _is_file(word: str) -> bool:
    try:
        return word != "" and Path(word).exists()
    except (OSError, ValueError):  # too long for a name, or of characters that no name has
        return False


def _frames_in(file: BufferedReader) -> Iterator[RecordedFrame]:
    if is_capture(file.peek(4)):
        yield from read_frames(file)
        return
    octets = file.read(MAXIMUM_TEXT_OCTETS + 1)
    if len(octets) > MAXIMUM_TEXT_OCTETS:
        raise ValueError("found neither a capture nor hex digits nor a frame, and much of it")
    yield from _frames_of_octets(octets)


def _frames_of_octets(octets: bytes) -> Iterator[RecordedFrame]:
    """Printable text must be hex digits; anything else is a frame as it stands."""
    text = _printable(octets)
    frames = [octets] if text is None else frames_of_text(text)
    for frame in frames:
        if len(frame) > MAXIMUM_FRAME_OCTETS:
            raise ValueError(f"found a frame of {len(frame)} octets, expected at most {MAXIMUM_FRAME_OCTETS}")
        yield RecordedFrame(frame, len(frame))


def _printable(octets: bytes) -> str | None:
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return None
    return text if all(character.isprintable() or character.isspace() for character in text) else None
