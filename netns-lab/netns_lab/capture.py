"""A capture from its beginning to its end, in the process that reads what the engine shows."""

import math
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from dataplane.captures.memory import (
    MAXIMUM_CAPTURE_OCTETS,
    RING_UNIT_OCTETS,
    CaptureSide,
    CaptureWire,
)
from dataplane.captures.packet_filter import FilterError, PacketFilter
from dataplane.captures.places import Places
from dataplane.captures.reader import CapturedFrame, CaptureReader
from dataplane.client import EngineClient
from dataplane.interface import LinkState
from netns_lab.boundary import INTERRUPTIONS
from netns_lab.capture_keys import exported_keys, write_wireshark_keys
from netns_lab.capture_sinks import NS_PER_S, Kept, LineSink, PcapngSink, Seen, Sink
from netns_lab.directory import LabDirectory, LabError
from netns_lab.names import directions
from netns_lab.output import Format, Output, choices
from netns_lab.running_links import asked_engine, named_links

STDOUT = "-"
POLL_INTERVAL_S = 0.02
MANY_FRAMES = 100
"""So many at once, and the next ones are not waited for."""
LEAST_BUFFER_OCTETS = 64_000
NICENESS = 19
"""Where this process and the engine's workers want the same core, it is theirs."""


class Ending(StrEnum):
    """Why a capture ended, as a user is told."""

    ENOUGH = "it was enough"
    LINKS_GONE = "none of its links is there any more"
    ENGINE_GONE = "the engine ended"


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    """What is asked for; None is no limit. buffer_octets are for all wires together. Raises LabError."""

    links: tuple[str, ...]
    side: CaptureSide
    direction: str | None
    expression: str | None
    snap_octets: int
    buffer_octets: int
    frames: int | None
    for_s: float | None
    path: str | None
    """Of the pcapng file, STDOUT for a pipe; None for lines of text or JSON."""
    with_keys: bool


@dataclass(frozen=True, slots=True)
class Opened:
    """A capture that runs: who runs it, what it shows, where that is."""

    engine: EngineClient
    reader: CaptureReader
    places: Places


def capture_links(directory: LabDirectory, request: CaptureRequest, output: Output) -> bool:
    """Captures until it is enough and prints what became of the frames; False where the engine ended."""
    _check(request, output)
    with ExitStack() as stack:
        compiled = stack.enter_context(_filter(request)) if request.expression is not None else None
        enough = stack.enter_context(told_to_end())
        opened = stack.enter_context(_opened(directory, request))
        file = stack.enter_context(_file(request.path)) if request.path is not None else None
        seen = [Seen(interface.name) for interface in opened.places.interfaces]
        try:
            sink = _sink(request, opened.places, file, output)
            ending = Capturing(opened, request, compiled, sink, seen).run(enough)
        except BrokenPipeError:
            # Whoever read has seen enough. At its end Python would find that out again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ending = Ending.ENOUGH
    _report(request, seen, ending, output)
    return ending is not Ending.ENGINE_GONE


def chosen_wires(states: Sequence[LinkState], direction: str | None) -> list[CaptureWire]:
    """Both directions of each link, or the one that is called like its nodes, `a-b`."""
    wires: list[CaptureWire] = []
    for state in states:
        named = dict(zip(directions([end.node for end in state.ends]), state.wires, strict=True))
        if direction is None:
            wires += named.values()
        elif direction in named:
            wires.append(named[direction])
        else:
            expected = choices(named)
            raise LabError(f"--direction: found {direction!r}, expected {expected} for link {state.name}")
    return wires


@contextmanager
def told_to_end() -> Iterator[Callable[[], bool]]:
    """Whether a signal said that it is enough. A second one ends the process as it always does."""
    before = {number: signal.getsignal(number) for number in INTERRUPTIONS}
    told: list[int] = []

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def tell(number: int, frame: object) -> None:
        told.append(number)
        restore()

    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, tell)
    try:
        yield lambda: bool(told)
    finally:
        restore()


class Capturing:
    """Moves frames from the engine to a sink."""

    def __init__(
        self,
        opened: Opened,
        request: CaptureRequest,
        compiled: PacketFilter | None,
        sink: Sink,
        seen: Sequence[Seen],
    ) -> None:
        """`seen` is counted, by interface."""
        self._opened, self._compiled, self._sink, self._seen = opened, compiled, sink, seen
        self._left, self._for_s = request.frames, request.for_s

    def run(self, enough: Callable[[], bool]) -> Ending:
        """Until it is enough, by the caller or by the request, or nothing can come any more."""
        begin_ns = time.monotonic_ns()
        os.nice(NICENESS)
        ending = self._follow(enough, begin_ns)
        if ending is Ending.ENOUGH:
            self._opened.engine.stop_capture(self._opened.reader.memory.id)
        self._take(self._opened.reader.read(last=True))
        self._count_dropped()
        self._sink.finish(self._seen, begin_ns, time.monotonic_ns())
        return ending

    def _follow(self, enough: Callable[[], bool], begin_ns: int) -> Ending:
        until_s = math.inf if self._for_s is None else begin_ns / NS_PER_S + self._for_s
        engine, reader = self._opened.engine, self._opened.reader
        frames: Sequence[CapturedFrame] = ()
        while not enough() and self._left != 0 and (left_s := until_s - time.monotonic()) > 0:
            pause_s = 0.0 if len(frames) >= MANY_FRAMES else min(POLL_INTERVAL_S, left_s)
            if select.select([engine], [], [], pause_s)[0]:
                return Ending.ENGINE_GONE  # it says nothing unasked: what can be read is the end
            if reader.ended:
                return Ending.LINKS_GONE
            frames = reader.read()
            self._take(frames)
        return Ending.ENOUGH

    def _take(self, frames: Sequence[CapturedFrame]) -> None:
        places, compiled = self._opened.places, self._compiled
        kept: list[Kept] = []
        for frame in frames:
            if self._left == 0:
                break
            seen = self._seen[number := places.interface(frame)]
            story = places.story(frame)
            if compiled is not None and not compiled.matches(frame.data, frame.length):
                seen.filtered += 1
                continue
            seen.frames += 1
            kept.append((frame, number, story))
            if self._left is not None:
                self._left -= 1
        if kept:
            self._sink.write(kept)

    def _count_dropped(self) -> None:
        for number, seen in enumerate(self._seen):
            places = self._opened.places.places_of(number)
            seen.dropped = sum(self._opened.reader.dropped(wire, point) for wire, point in places)


def _check(request: CaptureRequest, output: Output) -> None:
    if request.path == STDOUT and output.format is Format.JSON:
        raise LabError("-w - takes stdout for the capture, which --format json needs, too")
    if request.path == STDOUT and sys.stdout.isatty():
        raise LabError("-w -: a capture is not for a terminal; pipe it into `tshark -r -`, or leave -w out")
    if request.with_keys and request.path in (None, STDOUT):
        raise LabError("--with-keys: expected -w FILE, beside which the keys are written")
    if not LEAST_BUFFER_OCTETS <= request.buffer_octets <= MAXIMUM_CAPTURE_OCTETS:
        raise LabError(f"--buffer: found {request.buffer_octets} octets, expected 64kB to 1GB")


def _filter(request: CaptureRequest) -> PacketFilter:
    try:
        return PacketFilter(request.expression or "", request.snap_octets)
    except FilterError as error:
        raise LabError(f"--filter: {error}") from None


@contextmanager
def _file(path: str) -> Iterator[BinaryIO]:
    if path == STDOUT:
        yield sys.stdout.buffer
        return
    try:
        with Path(path).open("wb") as file:
            yield file
    except OSError as error:
        error.filename = path  # what a write raises, as on a full disk, does not say it
        raise


def _sink(request: CaptureRequest, places: Places, file: BinaryIO | None, output: Output) -> Sink:
    wall_offset_ns = time.time_ns() - time.monotonic_ns()
    if file is None:
        return LineSink(output, places.interfaces, wall_offset_ns)
    return PcapngSink(file, places.interfaces, request.snap_octets, request.expression, wall_offset_ns)


@contextmanager
def _opened(directory: LabDirectory, request: CaptureRequest) -> Iterator[Opened]:
    """Begins a capture, which ends with the connection to the engine."""
    with asked_engine(directory) as engine:
        states = named_links(engine, request.links)
        wires = chosen_wires(states, request.direction)
        if request.with_keys:
            write_wireshark_keys(Path(f"{request.path}.keys"), exported_keys(engine, states))
        ring_octets = request.buffer_octets // len(wires) // RING_UNIT_OCTETS * RING_UNIT_OCTETS
        points = request.side.points
        memory = engine.start_capture(wires, points, request.snap_octets, ring_octets)
        yield Opened(engine, CaptureReader(memory), Places(states, wires, points))


def _report(request: CaptureRequest, seen: Sequence[Seen], ending: Ending, output: Output) -> None:
    frames, filtered, dropped = (
        sum(getattr(each, field) for each in seen) for field in ("frames", "filtered", "dropped")
    )
    text = f"frames captured: {frames}, dropped: {dropped}"
    if request.expression is not None:
        text += f", kept out by the filter: {filtered}"
    if ending is not Ending.ENOUGH:
        output.warn(ending)
    if request.path in (None, STDOUT):
        output.warn(text)
        return
    document = {
        "file": request.path,
        "frames": frames,
        "filtered": filtered,
        "dropped": dropped,
        "interfaces": list(map(asdict, seen)),
    }
    output.document(document, f"{request.path}: {text}")
