"""What a changed topology asks of a running lab: the changes, in words, and the plans on the way there.

Pure: two plans in. A link is made anew where its wire differs. A node is made anew, and its links with it,
where it is another BGP speaker (another ASN or router id), or has fewer sysctls, other files or other
commands to begin with. Everything else changes in place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from ipaddress import ip_interface
from typing import TYPE_CHECKING, Literal, TypeVar

from netns_lab.impairments import impairment_text
from netns_lab.names import directions
from netns_lab.plan import (
    DefaultRoute,
    InterfacePlan,
    InteriorRoute,
    LabPlan,
    LinkPlan,
    MacsecPlan,
    NodePlan,
    SessionPlan,
)
from netns_lab.planning import plan_lab
from netns_lab.units import duration_text

if TYPE_CHECKING:
    from netns_lab.models import Topology

R = TypeVar("R", DefaultRoute, InteriorRoute)
Action = Literal["added", "removed", "made anew", "changed"]
# What is too long to tell, or secret.
_ONLY_NAMED = ("default_routes", "exec", "services", "files")
# What follows from other changes, which are told already, or has no effect on a node that is there.
_UNTOLD = ("interfaces", "forwarding", "router_id", "mtu", "interior")


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that changes; `details` say how, in words."""

    kind: Literal["node", "link"]
    name: str
    action: Action
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        how = f": {', '.join(self.details)}" if self.details else ""
        return f"{self.kind} {self.name} {self.action}{how}"

    def as_json(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Difference:
    """From one plan of a lab to another."""

    running: LabPlan
    wanted: LabPlan
    changes: tuple[Change, ...]

    def named(self, kind: Literal["node", "link"], *actions: Action) -> set[str]:
        """The names of the nodes or links to which this happens."""
        return {change.name for change in self.changes if change.kind == kind and change.action in actions}

    def stages(self) -> list[LabPlan]:
        """The plans to go through: what is in the way goes first, then all comes, and the rest goes last."""
        remade = self.named("node", "made anew")
        comes = self.named("link", "added", "made anew")
        goes = self.named("link", "removed")
        in_the_way = {name for name in goes if self._is_in_the_way(self.running.link(name), comes)}
        without = _without(self.running, remade, self.named("link", "made anew") | in_the_way)
        rest = [link for link in without.links if link.name in goes]
        old_nodes = [node for node in without.nodes if node.name in self.named("node", "removed")]
        both = _with(self.wanted, self.running, old_nodes, rest) if comes else self.wanted
        stages = [self.running]
        for plan in (without, both, self.wanted):
            if plan != stages[-1]:
                stages.append(plan)
        return stages[1:]

    def _is_in_the_way(self, link: LinkPlan, comes: Collection[str]) -> bool:
        """Whether a new link wants an interface or a subnet of this one on the same node."""
        new_ends = [end for new in self.wanted.links if new.name in comes for end in new.ends]
        return any(
            old.node == new.node and (old.name == new.name or _overlap(old.addresses, new.addresses))
            for old in link.ends
            for new in new_ends
        )


def plan_change(topology: Topology, running: LabPlan, random_bytes: Callable[[int], bytes]) -> Difference:
    """What a topology, loaded for a running lab, makes of it. `random_bytes` and errors as for `plan_lab`."""
    return compare(running, plan_lab(topology, random_bytes, running))


def compare(running: LabPlan, wanted: LabPlan) -> Difference:
    """Every change, nodes first, removals first, each in the order of its topology."""
    nodes = {node.name: node for node in running.nodes}
    links = {link.name: link for link in running.links}
    left_nodes, left_links = {node.name for node in wanted.nodes}, {link.name for link in wanted.links}
    changes = [Change("node", name, "removed") for name in nodes if name not in left_nodes]
    changes += [change for node in wanted.nodes if (change := _node_change(nodes.get(node.name), node))]
    remade = {change.name for change in changes if change.action == "made anew"}
    changes += [Change("link", name, "removed") for name in links if name not in left_links]
    before, after = running.sessions_by_link(), wanted.sessions_by_link()
    for link in wanted.links:
        sessions = before.get(link.name, []), after.get(link.name, [])
        if change := _link_change(links.get(link.name), link, sessions, remade):
            changes.append(change)
    return Difference(running, wanted, tuple(changes))


def _node_change(running: NodePlan | None, wanted: NodePlan) -> Change | None:
    if running is None:
        return Change("node", wanted.name, "added")
    details = tuple(_node_words(running, wanted))
    speaks = running.asn is not None and wanted.asn is not None
    remade = (
        (speaks and (running.asn, running.router_id) != (wanted.asn, wanted.router_id))
        or not running.sysctls.keys() <= wanted.sysctls.keys()
        or running.files != wanted.files
        or running.exec != wanted.exec
        or running.daemon != wanted.daemon
    )
    if remade:
        return Change("node", wanted.name, "made anew", details)
    return Change("node", wanted.name, "changed", details) if details else None


def _link_change(
    running: LinkPlan | None,
    wanted: LinkPlan,
    sessions: tuple[Sequence[SessionPlan], Sequence[SessionPlan]],
    remade_nodes: Collection[str],
) -> Change | None:
    """`sessions` are those over the link, before and after."""
    if running is None:
        return Change("link", wanted.name, "added")
    details = [*_wire_words(running, wanted), *_session_words(*sessions), *_bfd_words(running, wanted)]
    if running.cost != wanted.cost:
        details.append(f"cost {running.cost} -> {wanted.cost}")
    for way, before, after in zip(
        directions([end.node for end in wanted.ends]), running.impairments, wanted.impairments, strict=True
    ):
        if before != after:
            details.append(f"re-impaired {way}: {impairment_text(before)} -> {impairment_text(after)}")
    nodes = [end.node for end in wanted.ends if end.node in remade_nodes]
    details += [f"with node {node}" for node in nodes]
    if nodes or running.wire != wanted.wire:
        return Change("link", wanted.name, "made anew", tuple(details))
    return Change("link", wanted.name, "changed", tuple(details)) if details else None


def _wire_words(running: LinkPlan, wanted: LinkPlan) -> Iterable[str]:
    if running.type != wanted.type:
        yield f"type {running.type} -> {wanted.type}"
    elif running.macsec and wanted.macsec:
        yield from _macsec_words(running.macsec, wanted.macsec)
    if running.mtu != wanted.mtu:
        yield f"mtu {running.mtu} -> {wanted.mtu}"
    if running.ends[0].port != wanted.ends[0].port:
        yield f"port {running.ends[0].port} -> {wanted.ends[0].port}"
    before, after = ([f"{end.node}:{end.name}" for end in link.ends] for link in (running, wanted))
    if before != after:
        yield f"endpoints {' '.join(before)} -> {' '.join(after)}"
    for old, new in zip(running.ends, wanted.ends, strict=True):
        if old.addresses != new.addresses:
            yield f"addresses of {new.node} {' '.join(old.addresses)} -> {' '.join(new.addresses)}"


def _macsec_words(running: MacsecPlan, wanted: MacsecPlan) -> Iterable[str]:
    before, after = asdict(running.settings), asdict(wanted.settings)
    for name in after:
        if before[name] != after[name]:
            yield f"{name.replace('_', ' ')} {_setting(before[name])} -> {_setting(after[name])}"
    if running.given_key != wanted.given_key:
        yield "SAK"


def _setting(value: object) -> str:
    """As a topology file has it."""
    if isinstance(value, tuple):
        return " ".join(f"{ethertype:#06x}" for ethertype in value) or "none"
    return "none" if value is None else str(value).lower()


def _session_words(running: Iterable[SessionPlan], wanted: Iterable[SessionPlan]) -> Iterable[str]:
    before, after = ({session.family: session for session in sessions} for sessions in (running, wanted))
    yield from (f"no {family} BGP session" for family in before if family not in after)
    yield from (f"a {family} BGP session" for family in after if family not in before)
    common = [(before[family], after[family]) for family in after if family in before]
    if any(old.password != new.password for old, new in common):
        yield "BGP password"
    hold_times = [[[end.hold_time_s for end in session.ends] for session in pair] for pair in common]
    if any(old != new for old, new in hold_times):
        yield "BGP hold time"
    # Both families have the same settings.
    for old, new in common[:1]:
        for node in (end.node for end in new.ends):
            (mine, _), (mine_now, peer) = old.seen_from(node), new.seen_from(node)
            settings, settings_now = asdict(mine.settings), asdict(mine_now.settings)
            for name in settings_now:
                if settings.get(name) != settings_now[name]:
                    yield f"{node}'s {name.removesuffix('_s').replace('_', ' ')} for {peer.node}"


def _bfd_words(running: LinkPlan, wanted: LinkPlan) -> Iterable[str]:
    before, after = (
        [[(end.node, end.interval_us, end.multiplier) for end in session.ends] for session in link.bfd[:1]]
        for link in (running, wanted)
    )
    if before != after:
        yield f"BFD {_bfd_text(running)} -> {_bfd_text(wanted)}"


def _bfd_text(link: LinkPlan) -> str:
    texts = [f"{duration_text(end.interval_us)} x {end.multiplier}" for bfd in link.bfd for end in bfd.ends]
    return "/".join(dict.fromkeys(texts)) or "off"


def _node_words(running: NodePlan, wanted: NodePlan) -> Iterable[str]:
    before, after = asdict(running), asdict(wanted)
    for field in after:
        if before[field] == after[field] or field in _UNTOLD:
            continue
        name = {"originate": "announces", "sysctls": "sysctl"}.get(field, field).replace("_", " ")
        if field in _ONLY_NAMED:
            yield name
        elif isinstance(after[field], tuple | dict):
            old, new = _items(before[field]), _items(after[field])
            yield from (f"{name} +{item}" for item in new if item not in old)
            yield from (f"{name} -{item}" for item in old if item not in new)
        else:
            yield f"{name} {before[field] or 'none'} -> {after[field] or 'none'}"


def _items(value: tuple[str, ...] | Mapping[str, str]) -> list[str]:
    return [f"{key}={value[key]}" for key in value] if isinstance(value, Mapping) else list(value)


def _without(plan: LabPlan, nodes: Collection[str], links: Collection[str]) -> LabPlan:
    """The plan less some nodes and links, and less what the others had of them."""
    kept = tuple(
        link
        for link in plan.links
        if link.name not in links and not any(end.node in nodes for end in link.ends)
    )
    names = {link.name for link in kept}
    return replace(
        plan,
        nodes=tuple(_with_interfaces_of(node, names) for node in plan.nodes if node.name not in nodes),
        links=kept,
        hosts={name: addresses for name, addresses in plan.hosts.items() if name not in nodes},
        sessions=_over(plan.sessions, names),
    )


def _over(sessions: Iterable[SessionPlan], links: Collection[str]) -> tuple[SessionPlan, ...]:
    """The sessions that are over one of the links, and over no other link."""
    cut = (
        replace(session, links=tuple(link for link in session.links if link in links)) for session in sessions
    )
    return tuple(session for session in cut if session.links)


def _with_interfaces_of(node: NodePlan, links: Collection[str]) -> NodePlan:
    interfaces = tuple(interface for interface in node.interfaces if interface.link in links)
    names = {interface.name for interface in interfaces}
    return replace(
        node,
        interfaces=interfaces,
        default_routes=_routes_over(node.default_routes, names),
        interior=_routes_over(node.interior, names),
    )


def _routes_over(routes: Iterable[R], interfaces: Collection[str]) -> tuple[R, ...]:
    cut = (
        replace(route, next_hops=tuple(hop for hop in route.next_hops if hop.interface in interfaces))
        for route in routes
    )
    return tuple(route for route in cut if route.next_hops)


def _with(plan: LabPlan, running: LabPlan, nodes: Iterable[NodePlan], links: Sequence[LinkPlan]) -> LabPlan:
    """The plan and some nodes and links more, which the lab has already."""
    interfaces: dict[str, tuple[InterfacePlan, ...]] = {}
    for end in (end for link in links for end in link.ends):
        interfaces[end.node] = (*interfaces.get(end.node, ()), end)
    ours = [
        replace(node, interfaces=(*node.interfaces, *interfaces.get(node.name, ()))) for node in plan.nodes
    ]
    theirs = {node.name: running.hosts[node.name] for node in nodes}
    known = {frozenset(end.address for end in session.ends) for session in plan.sessions}
    old = [
        session
        for session in _over(running.sessions, {link.name for link in links})
        if frozenset(end.address for end in session.ends) not in known
    ]
    return replace(
        plan,
        nodes=(*ours, *nodes),
        links=(*plan.links, *links),
        hosts={**plan.hosts, **theirs},
        sessions=(*plan.sessions, *old),
    )


def _overlap(ours: Iterable[str], theirs: Iterable[str]) -> bool:
    networks = [ip_interface(address).network for address in theirs]
    return any(
        network.version == mine.version and network.overlaps(mine)
        for mine in (ip_interface(address).network for address in ours)
        for network in networks
    )
