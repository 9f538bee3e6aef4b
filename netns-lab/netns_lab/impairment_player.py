"""Plays a schedule of impairments for one direction of a link: which step is due when. No clock, no I/O.

Deadlines are absolute, so that a step that comes late makes no later one late. In a loop the last step lasts
as long as the one before it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from dataplane.interface import ImpairmentChanges
from netns_lab.impairment_trace import Step


@dataclass(frozen=True, slots=True)
class Due:
    """Steps whose time has come, as one change: the first deadline among them, and how many they are."""

    deadline_ns: int
    steps: int
    changes: ImpairmentChanges


class Player:
    """Walks through the steps from start_ns on, again and again where it loops."""

    def __init__(self, steps: Sequence[Step], start_ns: int, loop: bool = False) -> None:
        """`steps` rise in time. Raises ValueError for a loop of fewer than two."""
        if loop and len(steps) < 2:
            raise ValueError("a loop needs at least two steps, whose distance is how long the last one lasts")
        self._steps = steps
        self._times_ns = [step.at_ns for step in steps]
        self._start_ns = start_ns
        self._period_ns = 2 * steps[-1].at_ns - steps[-2].at_ns if loop else None
        self.played = 0
        """Steps whose time has come, those of earlier rounds too."""

    def next_deadline(self) -> int | None:
        """When the next step is due; None once there is none."""
        rounds, index = divmod(self.played, len(self._steps))
        if self._period_ns is None:
            return None if rounds else self._start_ns + self._times_ns[index]
        return self._start_ns + rounds * self._period_ns + self._times_ns[index]

    def advance(self, now_ns: int) -> Due | None:
        """The steps that became due since the last call; of two that say different the later one counts."""
        deadline_ns = self.next_deadline()
        if deadline_ns is None or now_ns < deadline_ns:
            return None
        rounds, since_ns = 0, now_ns - self._start_ns
        if self._period_ns is not None:
            rounds, since_ns = divmod(since_ns, self._period_ns)
        count = len(self._steps)
        played = rounds * count + bisect_right(self._times_ns, since_ns)
        changes: ImpairmentChanges = {}
        for number in range(max(self.played, played - count), played):
            changes |= self._steps[number % count].changes
        due = Due(deadline_ns, played - self.played, changes)
        self.played = played
        return due
