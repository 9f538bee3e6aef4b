"""What can fail and how: kinds, modes, options, what a fault reaches, which exclude each other. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from dataplane.links.faults import MAXIMUM_FAULT_S, FaultSpecification
from dataplane.links.specification import FaultMode, Impairment
from netns_lab.directory import LabError
from netns_lab.names import unknown
from netns_lab.output import choices

if TYPE_CHECKING:
    from netns_lab.plan import LabPlan


class FaultKind(StrEnum):
    """What a fault happens to."""

    LINK = "link"


WIRE_MODES = ("carrier", "silent", "one-way", "flap", "brownout")
"""What the engine does to links by itself, and ends by itself in time."""
MODES: dict[FaultKind, tuple[str, ...]] = {FaultKind.LINK: WIRE_MODES}
"""How each can fail; the first is meant where none is named."""
EXCLUSIVE = ("carrier", "silent", "one-way", "flap")
"""Of these the same thing has one at a time: what another would do could not be told."""
PERIOD_S = 1.0


@dataclass(frozen=True, slots=True)
class FaultOptions:
    """What is said of a fault beside its mode; None where nothing is.

    one-way, brownout: `from_node`, whose frames are meant. flap: every `period_s`, `count` times. brownout:
    `impairment`, fields of `Impairment`.
    """

    from_node: str | None = None
    impairment: Mapping[str, Any] | None = None
    period_s: float | None = None
    count: int | None = None


OPTIONS: dict[str, tuple[str, ...]] = {
    "from_node": ("one-way", "brownout"),
    "impairment": ("brownout",),
    "period_s": ("flap",),
    "count": ("flap",),
}
"""Which modes each option goes with."""
WORDS = {"from_node": "--from", "impairment": "KEY=VALUE", "period_s": "--period", "count": "--count"}
"""What each is called on the command line."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that is active, the links and nodes it reaches; times are monotonic."""

    kind: str
    name: str
    mode: str
    options: FaultOptions
    since_ns: int
    until_ns: int | None = None
    links: tuple[str, ...] = ()
    nodes: tuple[str, ...] = field(default=())

    @property
    def id(self) -> str:
        """What the engine and the file call it. Only ours have blanks: links have none in their names."""
        return f"{self.kind} {self.name} {self.mode}"

    @property
    def subject(self) -> str:
        """What people call the thing."""
        return self.name if self.kind == FaultKind.LINK else f"{self.kind} {self.name}"


def read_fault(
    plan: LabPlan,
    now_ns: int,
    kind: str,
    name: str,
    mode: str,
    for_s: float | None,
    options: Mapping[str, Any],
) -> Fault:
    """A fault as a request asks for it. Raises LabError with one sentence where it cannot be like that."""
    if kind not in list(FaultKind):
        raise LabError(f"found {kind!r}, expected {choices(FaultKind)}")
    modes = MODES[FaultKind(kind)]
    if mode not in modes:
        raise LabError(f"found mode {mode!r}, expected {', '.join(modes)}")
    said = _read_options(mode, options)
    links, nodes = reach(plan, kind, name)
    if mode == "flap" and said.count is not None:
        for_s = said.count * (said.period_s or PERIOD_S) if for_s is None else for_s
    if for_s is not None and not 0 < for_s < MAXIMUM_FAULT_S:
        raise LabError(f"{kind} {name}: found {for_s} s, expected a time up to {MAXIMUM_FAULT_S:.0f} s")
    until_ns = None if for_s is None else now_ns + round(for_s * 1e9)
    fault = Fault(kind, name, mode, said, now_ns, until_ns, links, nodes)
    try:
        wire_fault(fault, for_s)
    except ValueError as error:
        raise LabError(f"{kind} {name}: {error}") from None
    return fault


def _read_options(mode: str, options: Mapping[str, Any]) -> FaultOptions:
    known = [it.name for it in fields(FaultOptions)]
    given = {key: value for key, value in options.items() if value is not None}
    for key in given:
        if key not in known:
            raise LabError(f"found option {key!r}, expected {choices(known)}")
        if mode not in OPTIONS[key]:
            raise LabError(f"{WORDS[key]} goes with --mode {choices(OPTIONS[key])}, not with {mode}")
    if mode == "brownout":
        if not given.get("impairment"):
            raise LabError("found no impairment for mode brownout, expected such as loss=5% delay=20ms")
        try:
            Impairment(**given["impairment"])
        except (TypeError, ValueError) as error:
            raise LabError(f"brownout: {error}") from None
    if given.get("count", 1) < 1:
        raise LabError(f"--count: found {given['count']}, expected at least 1")
    return FaultOptions(**given)


def reach(plan: LabPlan, kind: str, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The links and nodes that a fault of this thing reaches. LabError where there is no such thing."""
    names = [link.name for link in plan.links]
    if name not in names:
        raise LabError(unknown("link", name, names))
    return (name,), ()


def wire_fault(fault: Fault, for_s: float | None) -> FaultSpecification | None:
    """What the engine is to do to the fault's links; None where nothing. Raises ValueError."""
    options = fault.options
    return FaultSpecification(
        FaultMode(fault.mode),
        options.from_node,
        for_s,
        (options.period_s or PERIOD_S) if fault.mode == "flap" else None,
        dict(options.impairment or {}),
    )


def refusal(fault: Fault, active: Iterable[Fault]) -> str | None:
    """Why a fault cannot begin beside those that are active; None where it can."""
    for other in active:
        if (other.kind, other.name) != (fault.kind, fault.name):
            continue
        if other.mode == fault.mode or (other.mode in EXCLUSIVE and fault.mode in EXCLUSIVE):
            return f"{fault.kind} {fault.name}: already failed ({other.mode}); heal it first"
    return None


def fault_document(fault: Fault) -> dict[str, Any]:
    """A fault as JSON types."""
    return asdict(fault)
