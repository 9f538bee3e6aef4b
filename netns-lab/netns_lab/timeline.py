"""The way from a fault to the new path, as the lab's events tell it: pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from netns_lab.event_log import EventKind


class Milestone(NamedTuple):
    """A step on the way from the fault to the new path, at monotonic time t_ns."""

    t_ns: int
    step: str
    text: str

    @property
    def sentence(self) -> str:
        return f"{self.step}: {self.text}"


def milestones(events: Iterable[Mapping[str, Any]]) -> Iterator[Milestone]:
    """The events that lead from the fault to the new path, each with what it is on that way.

    A router detects a fault by its interface or, where that stays up, by the first session it loses.
    """
    detected: set[str] = set()
    for event in events:
        node = event["subject"].partition(":")[0]
        match event["kind"]:
            case EventKind.FAULT:
                step = "fault"
            case EventKind.INTERFACE_DOWN | EventKind.SESSION_DOWN if node not in detected:
                step = "detected"
                detected.add(node)
            case EventKind.SESSION_DOWN:
                step = "session down"
            case EventKind.ROUTES_MOVED:
                step = "routes moved"
            case _:
                continue
        yield Milestone(event["t_ns"], step, event["text"])
