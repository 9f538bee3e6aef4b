"""Where captured frames go: a pcapng file, lines for people, or JSON for programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

from dataplane.captures.memory import CapturePoint
from dataplane.captures.pcapng import (
    INBOUND,
    enhanced_packet,
    interface_description,
    interface_statistics,
    section_header,
)
from dataplane.captures.places import Interface, Story, direction
from dataplane.captures.reader import CapturedFrame
from dataplane.macsec.dissection import headline
from netns_lab.output import Output

NS_PER_S = 1_000_000_000
CLEAR = CapturePoint.SENT | CapturePoint.RECEIVED
Kept = tuple[CapturedFrame, int, Story]
"""A frame, the number of its interface, and what else is known of it."""


@dataclass(slots=True)
class Seen:
    """What was seen at an interface: frames that were kept, that the filter kept out, that found no room."""

    interface: str
    frames: int = 0
    filtered: int = 0
    dropped: int = 0


class Sink(Protocol):
    """What takes frames; all times are monotonic."""

    def write(self, kept: Sequence[Kept]) -> None: ...

    def finish(self, seen: Sequence[Seen], begin_ns: int, end_ns: int) -> None: ...


class PcapngSink:
    """A pcapng file, written as frames come. Times become those of the wall clock by one offset."""

    def __init__(
        self,
        file: BinaryIO,
        interfaces: Sequence[Interface],
        snap_octets: int,
        expression: str | None,
        wall_offset_ns: int,
    ) -> None:
        self._file = file
        self._wall_offset_ns = wall_offset_ns
        blocks = [section_header("quadlink")]
        for interface in interfaces:
            blocks.append(
                interface_description(interface.name, interface.description, snap_octets, expression)
            )
        self._put(blocks)

    def write(self, kept: Sequence[Kept]) -> None:
        """Appends the frames, whole, and their stories as comments."""
        self._put(
            [
                enhanced_packet(
                    number,
                    frame.time_ns + self._wall_offset_ns,
                    frame.data,
                    frame.length,
                    direction(frame),
                    story.text(),
                )
                for frame, number, story in kept
            ]
        )

    def finish(self, seen: Sequence[Seen], begin_ns: int, end_ns: int) -> None:
        """Appends the statistics of each interface."""
        self._put(
            [
                interface_statistics(
                    number,
                    begin_ns + self._wall_offset_ns,
                    end_ns + self._wall_offset_ns,
                    received=each.frames + each.filtered + each.dropped,
                    dropped=each.dropped,
                    accepted=each.frames,
                )
                for number, each in enumerate(seen)
            ]
        )

    def _put(self, blocks: Sequence[bytes]) -> None:
        self._file.write(b"".join(blocks))
        self._file.flush()


class LineSink:
    """A line a frame, as text or as JSON."""

    def __init__(self, output: Output, interfaces: Sequence[Interface], wall_offset_ns: int) -> None:
        self._output, self._wall_offset_ns = output, wall_offset_ns
        self._names = [interface.name for interface in interfaces]
        self._width = max(map(len, self._names))

    def write(self, kept: Sequence[Kept]) -> None:
        """Prints the frames."""
        for frame, number, story in kept:
            inbound = direction(frame) == INBOUND
            summary = _summary(frame.data, frame.length)
            seconds, ns = divmod(frame.time_ns + self._wall_offset_ns, NS_PER_S)
            document = {
                "time_ns": frame.time_ns + self._wall_offset_ns,
                "interface": self._names[number],
                "direction": "inbound" if inbound else "outbound",
                "octets": frame.length,
                **story._asdict(),
                "summary": summary,
            }
            words = [
                f"{datetime.fromtimestamp(seconds):%H:%M:%S}.{ns:09}",
                f"{self._names[number]:<{self._width}} ",
                "in " if inbound else "out",
                f"{frame.length:>5} ",
                summary,
            ]
            if story.pn is not None and frame.point & CLEAR:
                words.append(f"[PN {story.pn}]")
            if story.dropped is not None:
                words.append(f"[dropped: {story.dropped} {story.verdict or ''}".rstrip() + "]")
            self._output.line(document, " ".join(words))

    def finish(self, seen: Sequence[Seen], begin_ns: int, end_ns: int) -> None:
        """Leaves that to who prints the sums."""


def _summary(data: bytes, octets: int) -> str:
    """One line about a frame of so many octets, of which only the first may be kept."""
    zeros, ones = (headline(data.ljust(octets, missing)) for missing in (b"\0", b"\xff"))
    return zeros if zeros == ones else f"headers cut off behind octet {len(data)}"
