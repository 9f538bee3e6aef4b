"""What happened in a lab, in order, on the monotonic clock that engine, probes and controller share.

The file `events.jsonl` of the lab's directory holds every event as one JSON object a line: controllers come
and go, the file stays. It is only ever appended to, because readers follow it.
"""

import contextlib
import json
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from operator import itemgetter
from pathlib import Path
from typing import Any

from netns_lab.clock import local_time, wall_time

CAPACITY = 10_000
WRITING_DELAY_S = 0.02
POLL_INTERVAL_S = 0.1
log = logging.getLogger("events")


class EventKind(StrEnum):
    """The kinds of event, as `detail` fields differ by kind."""

    FAULT = "fault"
    HEAL = "heal"
    IMPAIRED = "impaired"
    TRACE_STARTED = "trace-started"
    TRACE_ENDED = "trace-ended"
    PN_PENDING = "pn-pending"
    INTERFACE_DOWN = "interface-down"
    INTERFACE_UP = "interface-up"
    BFD_UP = "bfd-up"
    BFD_DOWN = "bfd-down"
    SESSION_UP = "session-up"
    SESSION_DOWN = "session-down"
    SESSION_WARNING = "session-warning"
    ROUTES_MOVED = "routes-moved"
    ROUTES_REFUSED = "routes-refused"
    SPEAKER_STARTED = "speaker-started"
    SPEAKER_DIED = "speaker-died"
    SPEAKER_RECOVERED = "speaker-recovered"
    SERVICE_STARTED = "service-started"
    SERVICE_ENDED = "service-ended"
    SERVICE_FAILED = "service-failed"
    PROCESS_STARTED = "process-started"
    PROCESS_GONE = "process-gone"
    LAB_CHANGED = "lab-changed"
    ANNOUNCED = "announced"


KIND_COLUMNS = max(map(len, EventKind))


@dataclass(frozen=True, slots=True)
class LabEvent:
    """One event: monotonic time, the same as wall clock, the node or link it happened to, a sentence."""

    t_ns: int
    time: str
    kind: EventKind
    subject: str
    text: str
    detail: dict[str, Any] = field(default_factory=dict)


def read_events(path: Path, follow: bool = False) -> Iterator[dict[str, Any]]:
    """The events of a lab's file as JSON types, in the order written.

    `follow` waits for more while there is a lab. A line that a killed controller left half written is
    skipped.
    """
    with path.open() as file:
        line = ""
        while True:
            line += file.readline()
            if line.endswith("\n"):
                with contextlib.suppress(ValueError):
                    yield json.loads(line)
                line = ""
            elif follow and os.fstat(file.fileno()).st_nlink > 0:
                time.sleep(POLL_INTERVAL_S)
            else:
                return


def event_line(event: dict[str, Any]) -> str:
    """An event for people."""
    return f"{local_time(event['time'])}  {event['kind']:{KIND_COLUMNS}}  {event['text']}"


class EventLog:
    """Appends to a lab's file and remembers the last events, those of earlier controllers among them.

    `later` is given what writes them: who tells of a loss has more urgent things to do. By default it is
    done at once.
    """

    def __init__(
        self,
        path: Path,
        now_ns: Callable[[], int],
        later: Callable[[Callable[[], None]], object] = lambda write: write(),
    ) -> None:
        self._now_ns = now_ns
        self._later = later
        self._unwritten: list[dict[str, Any]] = []
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._events: deque[dict[str, Any]] = deque()
        self._at: dict[int, list[dict[str, Any]]] = {}
        for event in read_events(path):
            self._remember(event)
        if (size := os.fstat(self._file).st_size) and os.pread(self._file, 1, size - 1) != b"\n":
            os.write(self._file, b"\n")

    def add(
        self, kind: EventKind, subject: str, text: str, t_ns: int | None = None, **detail: object
    ) -> None:
        """Takes an event in; t_ns is now unless it is known to have been earlier."""
        t_ns = self._now_ns() if t_ns is None else t_ns
        event = asdict(LabEvent(t_ns, wall_time(t_ns), kind, subject, text, detail))
        self._remember(event)
        self._unwritten.append(event)
        if len(self._unwritten) == 1:
            self._later(self.write)

    def write(self) -> None:
        """Writes down what is not in the file yet, in order of time: a fault before what came of it."""
        events, self._unwritten = sorted(self._unwritten, key=itemgetter("t_ns")), []
        if not events:
            return
        try:  # one write: lines stay whole
            os.write(self._file, b"".join(json.dumps(event).encode() + b"\n" for event in events))
        except OSError as error:  # a full file system must not keep routes from moving
            log.warning("%d events are not in the file: %s", len(events), error)
        for event in events:
            log.info("%s %s: %s", event["kind"], event["subject"], event["text"])

    def _remember(self, event: dict[str, Any]) -> None:
        self._events.append(event)
        self._at.setdefault(event["t_ns"], []).append(event)
        if len(self._events) > CAPACITY:
            t_ns = self._events.popleft()["t_ns"]
            self._at[t_ns].pop(0)
            if not self._at[t_ns]:
                del self._at[t_ns]

    def since(self, t_ns: int) -> list[dict[str, Any]]:
        """Everything at or after a time, as JSON types, ordered by time."""
        return sorted(
            (event for event in self._events if event["t_ns"] >= t_ns), key=lambda event: event["t_ns"]
        )

    def knows(self, kind: EventKind, t_ns: int, text: str | None = None) -> bool:
        """Whether an event of this kind and time, with this text if one is given, was written down before."""
        return any(
            event["kind"] == kind and text in (None, event["text"]) for event in self._at.get(t_ns, ())
        )

    def last(self, count: int) -> list[dict[str, Any]]:
        """The newest events, at most `count`, ordered by time."""
        return self.since(0)[-count:]
