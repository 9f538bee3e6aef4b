"""What can fail and how: kinds and modes, and which faults exclude each other. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dataplane.links.faults import FaultSpecification
from dataplane.links.specification import FaultMode


class FaultKind(StrEnum):
    """What a fault happens to."""

    LINK = "link"
    NODE = "node"
    GROUP = "group"
    BGP = "bgp"
    CONTROLLER = "controller"


MAINTENANCE = "maintenance"
WARNING, DRAINING, CUT, RESTORING = "warning", "draining", "cut", "restoring"
"""The phases of a maintenance."""
ATTACKS = ("replay", "flip", "inject")
"""What somebody on the wire does to it."""
LINK_MODES = ("carrier", "silent", "one-way", "flap", "brownout", MAINTENANCE, *ATTACKS)
MODES: dict[FaultKind, tuple[str, ...]] = {
    FaultKind.LINK: LINK_MODES,
    FaultKind.NODE: ("dead", "frozen", MAINTENANCE),
    FaultKind.GROUP: LINK_MODES,
    FaultKind.BGP: ("reset", "speaker-killed", "leak", "flood"),
    FaultKind.CONTROLLER: ("stalled", "killed"),
}
"""How each can fail; the first is meant where none is named."""
WIRE_MODES = {
    **{mode.value: mode for mode in FaultMode},
    "dead": FaultMode.CARRIER,
    "frozen": FaultMode.SILENT,
}
"""What the engine does to the links of a fault, by its mode; it ends that by itself in time."""
EXCLUSIVE = ("carrier", "silent", "one-way", "flap", "dead", "frozen", MAINTENANCE, "stalled", "killed")
"""Of these the same thing has one at a time: what another would do could not be told."""
TEXTS = {
    "carrier": ("both ends lost carrier", "both ends get carrier back"),
    "silent": ("every frame is lost, carrier stays", "frames pass again"),
    "one-way": ("the frames of one end are lost", "they pass again"),
    "flap": ("carrier comes and goes", "carrier stays"),
    "brownout": ("frames are impaired", "what else is set stays"),
    "dead": (
        "links lost carrier, nothing runs or forwards",
        "carrier, daemons and forwarding come back",
    ),
    "frozen": ("every frame from and to it is lost, carrier stays", "frames pass again"),
    "replay": ("frames of this wire are sent again", "it ends"),
    "flip": ("a bit of frames is inverted", "it ends"),
    "inject": ("forged frames are put on the wire", "it ends"),
    MAINTENANCE: (
        "traffic was moved away, then carrier was lost",
        "carrier and sessions come back, then traffic",
    ),
    "reset": ("sessions were ended", "they come up again by themselves"),
    "speaker-killed": ("ExaBGP got SIGKILL", "it is started again"),
    "leak": ("export policy is left out", "what it forbids is withdrawn"),
    "flood": ("far more prefixes are announced than agreed", "they are withdrawn"),
    "stalled": ("the controller is stopped", "it goes on"),
    "killed": ("the controller got SIGKILL", "the guard starts the next one"),
}
"""By mode, what it did and what its end will do."""
PERIOD_S = 1.0
FRAMES_PER_S = 100
MOST_FRAMES_PER_S = 10_000
FLIPPED_BIT = 8 * 60
"""In the secure data of most frames."""


@dataclass(frozen=True, slots=True)
class FaultOptions:
    """What is said of a fault beside its mode; None where nothing is.

    one-way, brownout: `from_node`, whose frames are meant. flap: every `period_s`, `count` times. brownout:
    `impairment`, fields of `Impairment`. flood: `count` prefixes. replay, flip, inject: so many
    `frames_per_s` on each wire, or on that of `from_node`; flip: which `bit`, counted from the destination
    address.
    """

    from_node: str | None = None
    impairment: Mapping[str, Any] | None = None
    period_s: float | None = None
    count: int | None = None
    frames_per_s: int | None = None
    bit: int | None = None


OPTIONS: dict[str, tuple[str, ...]] = {
    "from_node": ("one-way", "brownout", *ATTACKS),
    "impairment": ("brownout",),
    "period_s": ("flap",),
    "count": ("flap", "flood"),
    "frames_per_s": ATTACKS,
    "bit": ("flip",),
}
"""Which modes each option goes with."""
WORDS = {
    "from_node": "--from",
    "impairment": "KEY=VALUE",
    "period_s": "--period",
    "count": "--count",
    "frames_per_s": "--rate",
    "bit": "--bit",
}
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
    nodes: tuple[str, ...] = ()
    phase: str = WARNING
    """How far a maintenance is."""

    @property
    def id(self) -> str:
        """What the engine and the file call it. Only ours have blanks: links have none in their names."""
        return f"{self.kind} {self.name} {self.mode}"

    @property
    def subject(self) -> str:
        """What people call the thing."""
        bare = self.kind in (FaultKind.LINK, FaultKind.CONTROLLER)
        return self.name if bare else f"{self.kind} {self.name}"


def first_mode(kind: str) -> str:
    """How a thing of this kind fails where nobody says it."""
    return MODES[FaultKind(kind)][0]


def wire_fault(fault: Fault, for_s: float | None) -> FaultSpecification | None:
    """What the engine is to do to the fault's links; None where nothing. Raises ValueError."""
    mode = WIRE_MODES.get(fault.mode)
    if mode is None:
        return None
    options = fault.options
    said_s = PERIOD_S if options.period_s is None else options.period_s
    period_s = said_s if mode is FaultMode.FLAP else None
    return FaultSpecification(mode, options.from_node, for_s, period_s, dict(options.impairment or {}))


def dead_nodes(faults: Iterable[Fault]) -> set[str]:
    """The nodes that nothing runs on: each is dead until the last fault that says so has ended."""
    return {node for fault in faults if fault.mode in ("dead", "carrier") for node in fault.nodes}


def refusal(fault: Fault, active: Iterable[Fault]) -> str | None:
    """Why a fault cannot begin beside those that are active; None where it can."""
    others = list(active)
    if fault.kind == FaultKind.BGP and fault.nodes[0] in dead_nodes(others):
        return f"bgp {fault.name}: node {fault.nodes[0]} is dead; heal it first"
    for other in others:
        if (other.kind, other.name) != (fault.kind, fault.name):
            continue
        if other.mode == fault.mode or (other.mode in EXCLUSIVE and fault.mode in EXCLUSIVE):
            return f"{fault.kind} {fault.name}: already failed ({other.mode}); heal it first"
    return None
