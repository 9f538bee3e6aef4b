"""When a scenario does what: its steps as acts in order of time. Pure: chance is drawn from the seed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from netns_lab.announcements import expanded
from netns_lab.faults.model import first_mode
from netns_lab.scenarios.model import Announce, Step


@dataclass(frozen=True, slots=True)
class Act:
    """A request to the controller at `at_s`; at `ends_s` what it did ends by itself or by a later act."""

    at_s: float
    step: int
    request: str
    text: str
    arguments: dict[str, Any] = field(default_factory=dict)
    ends_s: float | None = None

    def announced(self, before: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
        """By node, what is announced after it; nothing where it announces and withdraws nothing."""
        if self.request not in ("announce", "withdraw"):
            return {}
        node = self.arguments["node"]
        said = expanded(self.arguments["prefixes"], self.arguments["split"])
        known = before.get(node, frozenset())
        return {node: known | said if self.request == "announce" else known - said}


def expand(steps: Iterable[Step], seed: int) -> list[Act]:
    """Every act of the steps, in order of time. A step of expectations alone has none."""
    chance = random.Random(seed)
    acts = [
        act
        for index, step in enumerate(steps)
        for at_s in step.times_s
        for act in _acts(index, step, at_s, chance)
    ]
    return sorted(acts, key=lambda act: act.at_s)


def agenda(steps: Iterable[Step], acts: Iterable[Act]) -> list[tuple[float, Act | None]]:
    """When what is to be done; None stands for the beginning of a step, which comes before its acts."""
    every = [*((step.at_s, None) for step in steps), *((act.at_s, act) for act in acts)]
    return sorted(every, key=lambda item: (item[0], item[1] is not None))


def _acts(index: int, step: Step, at_s: float, chance: random.Random) -> Iterator[Act]:
    ends_s = None if step.for_s is None else at_s + step.for_s
    if step.fail:
        kind, name = step.fail.chosen(chance)
        mode = step.fail.controller or step.fail.mode or first_mode(kind)
        arguments = {"kind": kind, "name": name, "mode": mode, "for_s": step.for_s}
        text = f"{kind if kind == name else f'{kind} {name}'} fails ({mode})"
        yield Act(at_s, index, "fail", text, arguments | {"options": step.fail.options}, ends_s)
    if step.heal:
        kind, name = step.heal.chosen(chance)
        yield Act(at_s, index, "heal", f"{kind} {name} heals", {"kind": kind, "name": name})
    if step.announce:
        yield _announcement("announce", at_s, index, step.announce, ends_s)
        if ends_s is not None:
            yield _announcement("withdraw", ends_s, index, step.announce, None)
    if step.withdraw:
        yield _announcement("withdraw", at_s, index, step.withdraw, None)


def _announcement(verb: str, at_s: float, index: int, said: Announce, ends_s: float | None) -> Act:
    prefixes = list(map(str, said.prefixes))
    arguments = {"node": said.node, "prefixes": prefixes, "split": said.split}
    return Act(at_s, index, verb, f"{said.node} {verb}s {', '.join(prefixes)}", arguments, ends_s)
