"""The way from a fault to the new path, as the lab's events tell it: pure."""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from netns_lab.event_log import EventKind


class Step(StrEnum):
    """What a milestone is on the way, in the order in which they mostly come."""

    FAULT = "fault"
    DETECTED = "detected"
    MOVED = "group replaced"
    NEW_PATH = "first packet on the new path"
    LAST_LOSS = "last loss"
    RESTORED = "restored"
    SESSION_DOWN = "session down"
    REWRITTEN = "routes rewritten"
    HEALED = "healed"


class Milestone(NamedTuple):
    """A step on the way from the fault to the new path, at monotonic time t_ns.

    `where` is a node, a direction of the probes, or what the fault is called.
    """

    t_ns: int
    step: Step
    where: str
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
                step = Step.FAULT
            case EventKind.HEAL:
                step = Step.HEALED
            case EventKind.INTERFACE_DOWN:
                step = Step.DETECTED
                detected.add(node)
            case EventKind.SESSION_DOWN if node not in detected:
                step = Step.DETECTED
                detected.add(node)
            case EventKind.SESSION_DOWN:
                step = Step.SESSION_DOWN
            case EventKind.ROUTES_MOVED:
                step = Step.MOVED if "interface" in event["detail"] else Step.REWRITTEN
            case _:
                continue
        yield Milestone(event["t_ns"], step, node, event["text"])
