"""The models of a scenario file: steps, what they do to a lab, and what is expected then."""

from __future__ import annotations

import random
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from dataplane.macsec.counters import SLOTS
from netns_lab import fields
from netns_lab.event_log import EventKind
from netns_lab.faults.model import MODES, OPTIONS, FaultKind
from netns_lab.fields import one_of, text, whole
from netns_lab.models import Impairment
from netns_lab.output import nearest
from netns_lab.strict_model import Model
from netns_lab.units import DURATION_PATTERN, duration_s

ALL_MODES = tuple(dict.fromkeys(mode for modes in MODES.values() for mode in modes))
ACTS = ("fail", "heal", "announce", "withdraw")
"""What a step may do; one of them."""


def _duration(value: object) -> float:
    try:
        return duration_s(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("expected a duration such as 500ms or 3s") from None


def _bound(value: object) -> object:
    """A number alone is what must be measured exactly."""
    number = type(value) in (int, float)
    return {"min": value, "max": value} if number else value


def _number(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    raise ValueError("expected a number, not below 0")


def _one_or_several(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _counter(value: object) -> str:
    if isinstance(value, str) and value in SLOTS:
        return value
    hint = nearest(str(value), SLOTS)
    raise ValueError(f"expected the name of a MACsec counter as `inspect macsec` has them{hint}")


_DURATION = BeforeValidator(_duration), text("duration, such as 500ms or 3s", DURATION_PATTERN)
Duration = Annotated[float, *_DURATION]
MaybeDuration = Annotated[float | None, *_DURATION]
Number = Annotated[float, BeforeValidator(_number), WithJsonSchema({"type": "number", "minimum": 0})]
Counter = Annotated[str, BeforeValidator(_counter), WithJsonSchema({"enum": list(SLOTS)})]
Event = Annotated[str, one_of(*map(str, EventKind))]


class Bound(Model):
    """How small and how large a number may be."""

    min: Number | None = None
    max: Number | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("expected min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("expected a min that is not above max")
        return self

    def holds(self, value: float) -> bool:
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)

    def __str__(self) -> str:
        if self.min is not None and self.min == self.max:
            return f"{self.min:g}"
        said = ((self.min, "at least"), (self.max, "at most"))
        return " and ".join(f"{words} {limit:g}" for limit, words in said if limit is not None)


_BOUND_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "number", "minimum": 0, "description": "exactly this"},
        {
            "type": "object",
            "properties": {key: {"type": "number", "minimum": 0} for key in ("min", "max")},
            "additionalProperties": False,
            "minProperties": 1,
        },
    ]
}
Bounds = Annotated[Bound, BeforeValidator(_bound), WithJsonSchema(_BOUND_SCHEMA)]
MaybeBounds = Annotated[Bound | None, BeforeValidator(_bound), WithJsonSchema(_BOUND_SCHEMA)]
Names = Annotated[
    list[str],
    BeforeValidator(_one_or_several),
    WithJsonSchema({"type": ["string", "array"], "items": {"type": "string"}, "minItems": 1}),
]


class Path(Model):
    """The links that carry probe packets when all has settled: all of `uses`, none of `avoids`."""

    uses: list[str] = Field(default=[])
    avoids: list[str] = Field(default=[])


class Events(Model):
    """Kinds of event that must be among those of a window, and kinds that must not."""

    some: list[Event] = Field(default=[])
    none: list[Event] = Field(default=[])


class Expectations(Model):
    """What is expected of a window of time; `Observation` says how each is measured."""

    outage_ms: MaybeBounds = None
    outage_median_ms: MaybeBounds = None
    outage_p99_ms: MaybeBounds = None
    lost: MaybeBounds = None
    duplicates: MaybeBounds = None
    dark: MaybeBounds = None
    partitioned: MaybeBounds = None
    latency_median_ms: MaybeBounds = None
    latency_p99_ms: MaybeBounds = None
    sessions: MaybeBounds = None
    prefixes: dict[str, Bounds] = Field(default={})
    counters: dict[Counter, Bounds] = Field(default={})
    path: Path | None = None
    plaintext: Annotated[str | None, one_of("none")] = None
    events: Events | None = None


class Target(Model):
    """What a fault happens to, by its kind. Of several names one is drawn, by the scenario's seed."""

    link: Names = Field(default=[])
    node: Names = Field(default=[])
    group: Names = Field(default=[])
    bgp: Names = Field(default=[])

    @property
    def names(self) -> dict[str, list[str]]:
        """By kind, those that are named; a file that is right names one kind."""
        return {kind: names for kind in Target.model_fields if (names := getattr(self, kind))}

    def chosen(self, chance: random.Random) -> tuple[str, str]:
        """Kind and name of one of them."""
        ((kind, names),) = self.names.items()
        return kind, chance.choice(names)


class Fail(Target):
    """A fault: what fails, how, and what `quadlink fail` takes besides for that mode."""

    controller: Annotated[str | None, one_of(*MODES[FaultKind.CONTROLLER])] = None
    """How the controller fails; it has no name."""
    mode: Annotated[str | None, one_of(*ALL_MODES)] = None
    from_node: str | None = Field(None, alias="from")
    period_s: MaybeDuration = Field(None, alias="period")
    count: Annotated[int | None, whole(1, 1_000_000, "times")] = None
    frames_per_s: Annotated[int | None, whole(1, 1_000_000, "frames a second and wire")] = Field(
        None, alias="rate"
    )
    bit: Annotated[int | None, whole(0, 1_000_000, "which bit of a frame")] = None
    impairment: Impairment | None = Field(None, alias="impair")

    @property
    def names(self) -> dict[str, list[str]]:
        kind = str(FaultKind.CONTROLLER)
        return super().names | ({kind: [kind]} if self.controller else {})

    @property
    def options(self) -> dict[str, Any]:
        """What is said besides kind, name and mode, as the controller is told it."""
        said = {name: getattr(self, name) for name in OPTIONS}
        impairment = said["impairment"]
        return said | {"impairment": impairment.changes() if impairment else None}


class Announce(Model):
    """Prefixes of a router besides its topology's; with `split` all of that length in them."""

    node: str
    prefixes: list[fields.Prefix] = Field(min_length=1)
    split: Annotated[int | None, whole(0, 128, "length of the prefixes inside")] = None


class Step(Model):
    """What is done at a time, and what is expected from then until the next step, or the end."""

    at_s: Duration = Field(alias="at")
    for_s: MaybeDuration = Field(None, alias="for")
    every_s: MaybeDuration = Field(None, alias="every")
    count: Annotated[int | None, whole(2, 1000, "times")] = None
    fail: Fail | None = None
    heal: Target | None = None
    announce: Announce | None = None
    withdraw: Announce | None = None
    expect: Expectations | None = None

    @property
    def times_s(self) -> list[float]:
        """When it does what it does."""
        return [self.at_s + number * (self.every_s or 0.0) for number in range(self.count or 1)]


class Traffic(Model):
    """Probe packets between the hosts of both sites: a second and flow, and flows each way."""

    rate: Annotated[int, whole(1, 10_000, "packets a second and flow")] = 200
    flows: Annotated[int, whole(1, 1024, "flows each way, half of them IPv4")] = 32


class ScenarioFile(Model):
    """The outer shape of a scenario file; steps are read one by one."""

    name: Annotated[str, fields.matching(fields.NAME, "1 to 32 letters, digits, - and _")]
    topology: str
    seed: Annotated[int, whole(0, 2**63 - 1, "what chance begins with")] = 0
    traffic: Traffic = Traffic()
    duration_s: MaybeDuration = Field(None, alias="duration")
    steps: list[Any] = Field(min_length=1)
    expect: Expectations = Expectations()
