"""Which BGP and BFD sessions a topology has, between which addresses, with which timers and policy.

Two nodes of different ASes have one external session for each of their links and each family; two of one AS
have one internal session for each family, over loopbacks, however many links they have. BFD is on each link.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from control.bgp.policy import LimitAction, MaximumPrefixes, NeighborSettings
from control.bgp.policy import Term as PolicyTerm
from netns_lab.addressing import common_subnet
from netns_lab.models_bgp import Bgp, Neighbor, NoBfd, Term
from netns_lab.plan import (
    ETHERNET,
    FAMILIES,
    LOOPBACK,
    BfdEnd,
    BfdPlan,
    Family,
    LabPlan,
    Secret,
    SessionEnd,
    SessionPlan,
)
from netns_lab.profiles import PROFILES, Profile

if TYPE_CHECKING:
    from netns_lab.addressing import AddressPlan
    from netns_lab.models import Link, Topology

Pair = tuple[str, str]


def timers_of(bgp: Bgp) -> Profile:
    """The timers of a router: those given, and of its profile those that are not."""
    profile = PROFILES[bgp.profile]
    return Profile(
        bgp.hold_time_s or profile.hold_time_s,
        bgp.bfd.interval_us or profile.bfd_interval_us,
        bgp.bfd.multiplier or profile.bfd_multiplier,
    )


def plan_bfd(topology: Topology, index: int, addresses: AddressPlan) -> tuple[BfdPlan, ...]:
    """The BFD sessions of one link: one a family, where both ends route by the link and want BFD."""
    link = topology.links[index]
    speakers = _speakers(topology, link)
    if not speakers or any(isinstance(bgp.bfd, NoBfd) for bgp in speakers):
        return ()
    if not link.peer and not _same_as(speakers):
        return ()
    sessions = []
    for family, pair in _common(addresses, index, link).items():
        one, other = (
            BfdEnd(end.node, end.interface, address, timers.bfd_interval_us, timers.bfd_multiplier)
            for end, address, timers in zip(link.endpoints, pair, map(timers_of, speakers), strict=True)
        )
        sessions.append(BfdPlan(family, (one, other)))
    return tuple(sessions)


def plan_sessions(
    topology: Topology,
    addresses: AddressPlan,
    random_bytes: Callable[[int], bytes],
    running: LabPlan | None,
) -> tuple[SessionPlan, ...]:
    """Every BGP session, in link order; a password that nobody gives is the running lab's, else a new one."""
    passwords = _Passwords(random_bytes, running)
    inside = _links_inside(topology)
    sessions: list[SessionPlan] = []
    for index, link in enumerate(topology.links):
        speakers = _speakers(topology, link) if link.peer else None
        if not speakers:
            continue
        if _same_as(speakers):
            links = tuple(inside.pop(frozenset(link.ends), ()))  # none where an earlier link joins them, too
            pairs, interfaces = _loopbacks(addresses, link.ends), [LOOPBACK, LOOPBACK]
        else:
            links = (link.name,)
            pairs, interfaces = _common(addresses, index, link), [end.interface for end in link.endpoints]
        if not links:
            continue
        password = passwords.of(speakers, link.ends, links)
        settings = [_settings(*it, links) for it in zip(speakers, reversed(link.ends), strict=True)]
        for family, pair in pairs.items():
            one, other = (
                SessionEnd(node, interface, address, bgp.asn, timers_of(bgp).hold_time_s, how)
                for node, interface, address, bgp, how in zip(
                    link.ends, interfaces, pair, speakers, settings, strict=True
                )
            )
            sessions.append(SessionPlan(family, links, (one, other), password))
    return tuple(sessions)


def next_hops_outside(sessions: Iterable[SessionPlan]) -> dict[tuple[str, Family], list[str]]:
    """By router and family: the addresses of other ASes that it tells its own AS as next hops, not itself."""
    outside: dict[tuple[str, Family], list[str]] = {}
    leaves_them: set[str] = set()
    for session in sessions:
        for local, peer in (session.ends, session.ends[::-1]):
            if not session.internal:
                outside.setdefault((local.node, session.family), []).append(peer.address)
            elif not local.settings.next_hop_self:
                leaves_them.add(local.node)
    return {(node, family): found for (node, family), found in outside.items() if node in leaves_them}


def _links_inside(topology: Topology) -> dict[frozenset[str], list[str]]:
    """The links that peer inside an AS, by the two nodes that they join."""
    links: dict[frozenset[str], list[str]] = {}
    for link in topology.links:
        if link.peer and (speakers := _speakers(topology, link)) and _same_as(speakers):
            links.setdefault(frozenset(link.ends), []).append(link.name)
    return links


class _Passwords:
    """One TCP MD5 key for each link of an external session, or each pair of nodes of an internal one."""

    def __init__(self, random_bytes: Callable[[int], bytes], running: LabPlan | None) -> None:
        self._random_bytes = random_bytes
        self._known = {
            _key(
                [end.node for end in session.ends], session.links, internal=session.internal
            ): session.password
            for session in (running.sessions if running else ())
        }

    def of(self, speakers: tuple[Bgp, Bgp], nodes: Pair, links: tuple[str, ...]) -> Secret:
        if given := speakers[0].password or speakers[1].password:
            return Secret(given.get_secret_value())
        known = self._known.get(_key(nodes, links, internal=_same_as(speakers)))
        return known or Secret(base64.b32encode(self._random_bytes(20)).decode())


def _key(nodes: Iterable[str], links: tuple[str, ...], *, internal: bool) -> tuple[object, ...]:
    return frozenset(nodes), () if internal else links


def _speakers(topology: Topology, link: Link) -> tuple[Bgp, Bgp] | None:
    one, other = (topology.nodes[name].bgp if name != ETHERNET else None for name in link.ends)
    return (one, other) if one and other else None


def _same_as(speakers: tuple[Bgp, Bgp]) -> bool:
    return speakers[0].asn == speakers[1].asn


def _common(addresses: AddressPlan, index: int, link: Link) -> dict[Family, Pair]:
    """By family, the addresses of both ends of a link that share a subnet."""
    ours, theirs = (addresses.links[index, node] for node in link.ends)
    pairs = {family: common_subnet(ours, theirs, version) for family, version in FAMILIES.items()}
    return {family: pair for family, pair in pairs.items() if pair}


def _loopbacks(addresses: AddressPlan, nodes: Pair) -> dict[Family, Pair]:
    """By family, the first loopback address of both nodes."""
    pairs: dict[Family, Pair] = {}
    for family, version in FAMILIES.items():
        ours, theirs = (
            [str(address.ip) for address in addresses.loopbacks[node] if address.version == version]
            for node in nodes
        )
        if ours and theirs:
            pairs[family] = ours[0], theirs[0]
    return pairs


def _settings(bgp: Bgp, peer: str, links: tuple[str, ...]) -> NeighborSettings:
    neighbor = bgp.neighbors.get(peer, Neighbor())
    limit = neighbor.maximum_prefixes
    return NeighborSettings(
        import_terms=_terms(neighbor.import_terms, links),
        export_terms=_terms(neighbor.export_terms, links),
        maximum_prefixes=MaximumPrefixes(limit.count, LimitAction(limit.action)) if limit else None,
        next_hop_self=neighbor.next_hop_self,
        route_reflector_client=neighbor.route_reflector_client,
        graceful_restart_s=bgp.graceful_restart_s or 0,
    )


def _terms(terms: Iterable[Term], links: tuple[str, ...]) -> tuple[PolicyTerm, ...]:
    """Those that hold for a session over these links."""
    return tuple(
        PolicyTerm(
            prefixes=tuple(term.prefixes),
            communities=tuple(term.communities),
            accept=term.action != "reject",
            local_pref=term.local_preference,
            med=term.med,
            prepend=term.prepend or 0,
            add_communities=tuple(term.add_communities),
            remove_communities=tuple(term.remove_communities),
        )
        for term in terms
        if not term.links or set(links) & set(term.links)
    )
