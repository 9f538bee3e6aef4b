"""When a scenario does what: its steps as acts in order of time. Pure: chance is drawn from the seed."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from netns_lab.scenarios.model import Step


@dataclass(frozen=True, slots=True)
class Act:
    """A request to the controller, `at_s` after the run began; `ends_s` is when it is undone by itself."""

    at_s: float
    step: int
    request: str
    text: str
    arguments: dict[str, Any] = field(default_factory=dict)
    ends_s: float | None = None


def acts_of(step: Step) -> list[tuple[float, float]]:
    """When the acts of a step begin and end; one that is not undone ends when it begins."""
    times = [step.at_s + number * (step.every_s or 0) for number in range(step.count or 1)]
    return [(at_s, at_s + (step.for_s or 0)) for at_s in times]


def expand(steps: Iterable[Step], seed: int) -> list[Act]:
    """Every act of the steps, in order of time. A step of expectations alone has none."""
    chance = random.Random(seed)
    acts = [
        act
        for index, step in enumerate(steps)
        for at_s, ends_s in acts_of(step)
        if (act := _act(index, step, at_s, ends_s, chance))
    ]
    return sorted(acts, key=lambda act: act.at_s)


def _act(index: int, step: Step, at_s: float, ends_s: float, chance: random.Random) -> Act | None:
    if step.fail:
        link = chance.choice(step.fail.link)
        arguments = {
            "kind": "link",
            "name": link,
            "mode": step.fail.mode,
            "for_s": step.for_s,
            "options": {"from_node": step.fail.from_node},
        }
        text = f"link {link} fails ({step.fail.mode})"
        return Act(at_s, index, "fail", text, arguments, ends_s if step.for_s else None)
    if step.heal:
        return Act(
            at_s, index, "heal", f"link {step.heal.link} heals", {"kind": "link", "name": step.heal.link}
        )
    return None
