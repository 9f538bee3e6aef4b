"""What happened in a lab, in order, on the monotonic clock that engine, probes and controller share."""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

CAPACITY = 10_000
log = logging.getLogger("events")


class EventKind(StrEnum):
    """The kinds of event, as `detail` fields differ by kind."""

    FAULT = "fault"
    HEAL = "heal"
    HEAL_FAILED = "heal-failed"
    INTERFACE_DOWN = "interface-down"
    INTERFACE_UP = "interface-up"
    SESSION_UP = "session-up"
    SESSION_DOWN = "session-down"
    ROUTES_MOVED = "routes-moved"
    ROUTES_REFUSED = "routes-refused"
    SPEAKER_STARTED = "speaker-started"
    SPEAKER_DIED = "speaker-died"
    ENGINE_GONE = "engine-gone"


@dataclass(frozen=True, slots=True)
class LabEvent:
    """One event: monotonic time, the node or link it happened to, a sentence."""

    t_ns: int
    kind: EventKind
    subject: str
    text: str
    detail: dict[str, Any] = field(default_factory=dict)


class EventLog:
    """The last events; older ones are only in the controller's log file."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._events: deque[LabEvent] = deque(maxlen=CAPACITY)

    def add(
        self, kind: EventKind, subject: str, text: str, t_ns: int | None = None, **detail: object
    ) -> None:
        """Writes an event down; t_ns is now unless it is known to have been earlier."""
        event = LabEvent(self._now_ns() if t_ns is None else t_ns, kind, subject, text, detail)
        self._events.append(event)
        log.info("%s %s: %s", event.kind, event.subject, event.text)

    def since(self, t_ns: int) -> list[dict[str, Any]]:
        """Everything at or after a time, as JSON types, ordered by time."""
        return sorted(
            (asdict(event) for event in self._events if event.t_ns >= t_ns), key=lambda event: event["t_ns"]
        )
