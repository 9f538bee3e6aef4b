"""Which hosts should still reach which while parts of a lab have failed: a graph computation, no lab needed.

The graph has a node for each router that speaks BGP and an edge for each working link with a session on it.
A destination's router is known wherever a path of working edges leads to it that enters no AS twice (RFC 4271
section 9.1.2: AS loops); of several, the one through fewest ASes goes on. Policies and what a router may not
pass on are not in the graph: where they keep hosts apart, prediction and observation differ, which is a
finding.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from netns_lab.plan import FAMILIES, Family, LabPlan, NodePlan

AsPath = tuple[int, ...]


class Pair(NamedTuple):
    """One direction between two hosts in one family."""

    source: str
    destination: str
    family: Family

    def __str__(self) -> str:
        return f"{self.source} to {self.destination} ({self.family})"


class Failed(NamedTuple):
    """What does not work."""

    links: frozenset[str] = frozenset()
    nodes: frozenset[str] = frozenset()


NOTHING = Failed()


class Attachment(NamedTuple):
    """A host's address on a link to a router."""

    link: str
    router: str


def host_pairs(plan: LabPlan) -> frozenset[Pair]:
    """Every pair of hosts that the lab is to join: both have an address on a link to a router."""
    return frozenset(
        Pair(source, destination, family)
        for family in FAMILIES
        for source in _homes(plan, family)
        for destination in _homes(plan, family)
        if source != destination
    )


def reachable(plan: LabPlan, failed: Failed = NOTHING) -> frozenset[Pair]:
    """The pairs of `host_pairs` whose packets arrive while this has failed."""
    found = set()
    for family in FAMILIES:
        edges = _edges(plan, family, failed)
        homes = _homes(plan, family)
        ways_out = {node: _working(_attachments(plan, node), failed) for node in homes}
        known: dict[str, Mapping[str, AsPath]] = {}
        for destination, home in homes.items():
            if destination in failed.nodes or not _working([home], failed):
                continue
            if home.router not in known:
                known[home.router] = _paths(plan, home.router, edges)
            for source in homes.keys() - {destination} - failed.nodes:
                if any(way.router in known[home.router] for way in ways_out[source]):
                    found.add(Pair(source, destination, family))
    return frozenset(found)


def partitioned(plan: LabPlan, failed: Failed) -> frozenset[Pair]:
    """The pairs that the failure takes every way from: what they lose is no outage."""
    return reachable(plan) - reachable(plan, failed)


def _paths(plan: LabPlan, router: str, edges: Mapping[str, Iterable[str]]) -> Mapping[str, AsPath]:
    """By router that has a path to `router`: the ASes it leads through, as BGP's AS_PATH tells them."""
    as_number = {node.name: node.asn or 0 for node in plan.nodes}
    best: dict[str, AsPath] = {router: ()}
    changed = {router}
    while changed:
        told, changed = changed, set()
        for node in sorted(told):
            for neighbor in edges.get(node, ()):
                path = best[node]
                if as_number[neighbor] != as_number[node]:
                    path = (as_number[node], *path)
                if as_number[neighbor] in path:
                    continue
                if neighbor not in best or (len(path), path) < (len(best[neighbor]), best[neighbor]):
                    best[neighbor] = path
                    changed.add(neighbor)
    return best


def _edges(plan: LabPlan, family: Family, failed: Failed) -> Mapping[str, set[str]]:
    """The routers that each router has a working link and a session with."""
    edges: defaultdict[str, set[str]] = defaultdict(set)
    sessions = plan.sessions_by_link()
    for link in plan.links:
        one, other = (end.node for end in link.ends)
        if link.name in failed.links or {one, other} & failed.nodes:
            continue
        if any(session.family == family for session in sessions.get(link.name, [])):
            edges[one].add(other)
            edges[other].add(one)
    return edges


def _homes(plan: LabPlan, family: Family) -> dict[str, Attachment]:
    """By host: where its address of that family is."""
    homes = {}
    for node in plan.nodes:
        address = plan.host_address(node.name, FAMILIES[family])
        for interface in node.interfaces if node.kind == "host" and address else ():
            carried = {each.partition("/")[0] for each in interface.addresses}
            for attachment in _attachments(plan, node.name):
                if attachment.link == interface.link and address in carried:
                    homes[node.name] = attachment
    return homes


def _attachments(plan: LabPlan, host: str) -> Iterator[Attachment]:
    """Every link of a host to a router that speaks BGP."""
    routers: dict[str, NodePlan] = {node.name: node for node in plan.nodes if node.asn is not None}
    for link in plan.links:
        for end, other in (link.ends, link.ends[::-1]):
            if end.node == host and other.node in routers:
                yield Attachment(link.name, other.node)


def _working(attachments: Iterable[Attachment], failed: Failed) -> list[Attachment]:
    return [at for at in attachments if at.link not in failed.links and at.router not in failed.nodes]
