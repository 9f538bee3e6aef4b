"""Requests for faults: read against a lab's plan, or refused with one sentence. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from dataplane.links.faults import MAXIMUM_FAULT_S
from dataplane.links.specification import MAXIMUM_FRAME_OCTETS, Impairment
from netns_lab.directory import LabError
from netns_lab.faults.model import (
    MODES,
    MOST_FRAMES_PER_S,
    OPTIONS,
    PERIOD_S,
    WORDS,
    Fault,
    FaultKind,
    FaultOptions,
    wire_fault,
)
from netns_lab.names import unknown
from netns_lab.output import choices

if TYPE_CHECKING:
    from netns_lab.plan import LabPlan

NS_PER_S = 1_000_000_000
RANGES = {
    "count": (1, 131_072),
    "frames_per_s": (1, MOST_FRAMES_PER_S),
    "bit": (0, 8 * MAXIMUM_FRAME_OCTETS - 1),
}
"""Of options that are numbers; a flood has no more prefixes than that."""
Reach = tuple[tuple[str, ...], tuple[str, ...]]
"""Links and nodes."""


def read_fault(
    plan: LabPlan,
    now_ns: int,
    kind: str,
    name: str,
    mode: str,
    for_s: float | None,
    options: Mapping[str, Any],
) -> Fault:
    """A fault as a request asks for it, from now_ns on. Raises LabError where it cannot be like that."""
    links, nodes = reach(plan, kind, name)
    modes = MODES[FaultKind(kind)]
    if mode not in modes:
        raise LabError(f"found mode {mode!r}, expected {', '.join(modes)}")
    said = _read_options(mode, options)
    _check(kind, name, mode, for_s)
    if mode == "flap" and said.count is not None and for_s is None:
        for_s = said.count * (said.period_s or PERIOD_S)
    if for_s is not None and not 0 < for_s < MAXIMUM_FAULT_S:
        raise LabError(
            f"{kind} {name}: found {for_s:g} s, expected a time above 0 and up to {MAXIMUM_FAULT_S:.0f} s"
        )
    until_ns = None if for_s is None else now_ns + round(for_s * NS_PER_S)
    fault = Fault(kind, name, mode, said, now_ns, until_ns, links, nodes)
    if said.from_node is not None and kind == FaultKind.LINK:
        ends = [end.node for end in plan.link(name).ends]
        if said.from_node not in ends:
            raise LabError(f"link {name}: no end at {said.from_node}; it joins {' and '.join(ends)}")
    try:
        wire_fault(fault, for_s)
    except ValueError as error:
        raise LabError(f"{kind} {name}: {error}") from None
    return fault


def reach(plan: LabPlan, kind: str, name: str) -> Reach:
    """The links and nodes that a fault of this thing reaches. LabError where there is no such thing."""
    match kind:
        case FaultKind.LINK:
            _known(kind, name, [link.name for link in plan.links])
            return (name,), ()
        case FaultKind.NODE:
            _known(kind, name, [node.name for node in plan.nodes])
            return _links_of(plan, {name}), (name,)
        case FaultKind.GROUP:
            _known(kind, name, list(plan.groups))
            group = plan.groups[name]
            return _links_of(plan, {*group.nodes}, {*group.links}), group.nodes
        case FaultKind.BGP:
            return _sessions_of(plan, name)
        case FaultKind.CONTROLLER:
            _known(kind, name, [FaultKind.CONTROLLER])
            return (), ()
    raise LabError(f"found {kind!r}, expected {choices(FaultKind)}")


def is_there(plan: LabPlan, fault: Fault) -> bool:
    """Whether a plan still has all that a fault reaches."""
    links, nodes = {link.name for link in plan.links}, {node.name for node in plan.nodes}
    try:
        reach(plan, fault.kind, fault.name)
    except LabError:
        return False
    return links.issuperset(fault.links) and nodes.issuperset(fault.nodes)


def _check(kind: str, name: str, mode: str, for_s: float | None) -> None:
    if kind == FaultKind.BGP and ":" in name and mode != "reset":
        raise LabError(f"bgp {name}: mode {mode} is of a whole router, expected {name.partition(':')[0]}")
    if mode == "killed" and for_s is not None:
        raise LabError("--for goes with every mode but killed: the guard starts the next controller at once")


def _known(kind: str, name: str, names: list[str]) -> None:
    if not names:
        raise LabError(f"no {kind} {name}; the topology has no {kind}s")
    if name not in names:
        raise LabError(unknown(kind, name, names))


def _sessions_of(plan: LabPlan, name: str) -> Reach:
    """Of NODE or NODE:PEER: the links of these sessions, the node and then its peers."""
    node, _, peer = name.partition(":")
    _known("node", node, [it.name for it in plan.nodes])
    if not plan.node(node).runs_exabgp:
        raise LabError(f"bgp {name}: {node} runs no ExaBGP, which such a fault is done to")
    peers = dict.fromkeys(session.seen_from(node)[1].node for session in plan.sessions_of(node))
    if peer:
        _known("peer", peer, list(peers))
        peers = {peer: None}
    sessions = (it for it in plan.sessions_of(node) if it.seen_from(node)[1].node in peers)
    links = {link for session in sessions for link in session.links}
    return tuple(link.name for link in plan.links if link.name in links), (node, *peers)


def _links_of(plan: LabPlan, nodes: Set[str], others: Set[str] = frozenset()) -> tuple[str, ...]:
    """The links that lead to these nodes, and others, in the plan's order."""
    return tuple(
        link.name for link in plan.links if link.name in others or any(end.node in nodes for end in link.ends)
    )


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
    for key, (least, most) in RANGES.items():
        if key in given and not least <= given[key] <= most:
            raise LabError(f"{WORDS[key]}: found {given[key]}, expected {least} to {most}")
    return FaultOptions(**given)
