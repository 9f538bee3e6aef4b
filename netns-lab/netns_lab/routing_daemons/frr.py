"""FRR's configuration of one router, as texts: one for each of its daemons.

zebra writes to the kernel, staticd has the announced prefixes as unreachable routes, bfdd is there for links
with BFD. Left out is iBGP: static routes of the interior would carry no cost.
"""

from collections.abc import Iterator, Sequence

from control.bgp.policy import LimitAction, MaximumPrefixes, PrefixRange, Term
from netns_lab.plan import (
    FAMILIES,
    BfdEnd,
    Family,
    LabPlan,
    NodePlan,
    SessionEnd,
    SessionPlan,
    family_of,
)
from netns_lab.routing_daemons.common import MULTIPATH_LIMIT, bfd_ends, session_name

US_PER_MS = 1000
LOG = "log stdout informational"
NO_NEXTHOP_OBJECTS = "no zebra nexthop kernel enable"
"""The kernel takes a next hop out of a group with its carrier; zebra 8 does not notice, nor put it back."""


def frr_configurations(plan: LabPlan, node: NodePlan) -> dict[str, str]:
    """The configuration file of each daemon that the router needs, in the order in which they start.

    That of bgpd holds the passwords of sessions.
    """
    bfd = bfd_ends(plan, node)
    files = {"zebra": [NO_NEXTHOP_OBJECTS], "staticd": [*_static_routes(node)], "bfdd": [*_bfd(bfd)]}
    texts = {name: "\n".join([LOG, *lines, ""]) for name, lines in files.items() if lines}
    return texts | {"bgpd": _bgpd(plan, node, bfd)}


def _bgpd(plan: LabPlan, node: NodePlan, bfd: Sequence[BfdEnd]) -> str:
    sessions = plan.sessions_of(node.name)
    lines = [LOG]
    for session in sessions:
        lines += [*_route_map(session, node.name, "in"), *_route_map(session, node.name, "out")]
    lines += [
        f"router bgp {node.asn}",
        f" bgp router-id {node.router_id}",
        " bgp log-neighbor-changes",
        " bgp deterministic-med",
        " bgp bestpath as-path multipath-relax",
        " no bgp default ipv4-unicast",
        " no bgp ebgp-requires-policy",
        " no bgp network import-check",
        *_graceful_restart(sessions, node.name),
        *(line for session in sessions for line in _neighbor(session, node.name, bfd)),
    ]
    for family in FAMILIES:
        lines += _address_family(node, family, [session for session in sessions if session.family == family])
    return "\n".join([*lines, ""])


def _static_routes(node: NodePlan) -> Iterator[str]:
    for prefix in node.originate:
        yield f"{_ip(family_of(prefix))} route {prefix} reject"


def _graceful_restart(sessions: Sequence[SessionPlan], node: str) -> Iterator[str]:
    """It has one time for all neighbors, as a node of a topology has."""
    times_s = {session.seen_from(node)[0].settings.graceful_restart_s for session in sessions} - {0}
    yield from (f" bgp graceful-restart restart-time {time_s}" for time_s in times_s)


def _bfd(ends: Sequence[BfdEnd]) -> Iterator[str]:
    if ends:
        yield "bfd"
    for end in {end.interface: end for end in ends}.values():
        interval_ms = end.interval_us // US_PER_MS
        yield from (
            f" profile {end.interface}",
            f"  detect-multiplier {end.multiplier}",
            f"  receive-interval {interval_ms}",
            f"  transmit-interval {interval_ms}",
            " exit",
        )
    if ends:
        yield "exit"


def _neighbor(session: SessionPlan, node: str, bfd: Sequence[BfdEnd]) -> Iterator[str]:
    local, peer = session.seen_from(node)
    neighbor = f" neighbor {peer.address}"
    yield f"{neighbor} remote-as {peer.asn}"
    yield f"{neighbor} update-source {local.address}"
    yield f"{neighbor} password {session.password.reveal()}"
    yield f"{neighbor} timers {max(1, local.hold_time_s // 3)} {local.hold_time_s}"
    yield f"{neighbor} timers connect 1"
    yield f"{neighbor} advertisement-interval 0"
    restarts = "graceful-restart" if local.settings.graceful_restart_s else "graceful-restart-disable"
    yield f"{neighbor} {restarts}"
    if local.address in [end.address for end in bfd]:
        yield f"{neighbor} bfd profile {local.interface}"


def _address_family(node: NodePlan, family: Family, sessions: Sequence[SessionPlan]) -> Iterator[str]:
    yield f" address-family {family} unicast"
    yield from (f"  network {prefix}" for prefix in node.originate if family_of(prefix) == family)
    yield f"  maximum-paths {MULTIPATH_LIMIT}"
    for session in sessions:
        local, peer = session.seen_from(node.name)
        neighbor = f"  neighbor {peer.address}"
        yield f"{neighbor} activate"
        for way in ("in", "out"):
            if _terms(local, way):
                yield f"{neighbor} route-map {session_name(session, node.name)}.{way} {way}"
        yield from (f"{neighbor} {line}" for line in _limit(local.settings.maximum_prefixes))
    yield " exit-address-family"


def _limit(maximum: MaximumPrefixes | None) -> Iterator[str]:
    if maximum is not None:
        warning = " warning-only" if maximum.action is LimitAction.WARN else ""
        yield "soft-reconfiguration inbound"
        yield f"maximum-prefix {maximum.count}{warning} force"


def _terms(local: SessionEnd, way: str) -> tuple[Term, ...]:
    return local.settings.import_terms if way == "in" else local.settings.export_terms


def _route_map(session: SessionPlan, node: str, way: str) -> Iterator[str]:
    """An entry for each term, and one that accepts what none of them is for."""
    local, peer = session.seen_from(node)
    terms = _terms(local, way)
    if not terms:
        return
    name = f"{session_name(session, node)}.{way}"
    ip = _ip(session.family)
    nearest_asn = peer.asn if way == "in" else local.asn
    for number, term in enumerate(terms, 1):
        prefixes = [entry for entry in term.prefixes if family_of(entry.network) == session.family]
        if term.prefixes and not prefixes:
            continue  # it is for the other family
        entry = f"{name}.{number}"
        yield from (f"{ip} prefix-list {entry} permit {_range(permitted)}" for permitted in prefixes)
        if term.communities:
            yield f"bgp community-list standard {entry} permit {_communities(term.communities)}"
        for value in term.remove_communities:  # one line each: several in one would have to be there together
            yield f"bgp community-list standard {entry}.removed permit {_communities([value])}"
        yield f"route-map {name} {'permit' if term.accept else 'deny'} {number}"
        if prefixes:
            yield f" match {ip} address prefix-list {entry}"
        if term.communities:
            yield f" match community {entry}"
        yield from (f" set {change}" for change in _changes(term, entry, nearest_asn))
        yield "exit"
    yield from (f"route-map {name} permit {len(terms) + 1}", "exit")


def _changes(term: Term, entry: str, nearest_asn: int) -> Iterator[str]:
    if term.local_pref is not None:
        yield f"local-preference {term.local_pref}"
    if term.med is not None:
        yield f"metric {term.med}"
    if term.prepend:
        yield f"as-path prepend {' '.join([str(nearest_asn)] * term.prepend)}"
    if term.remove_communities:
        yield f"comm-list {entry}.removed delete"
    if term.add_communities:
        yield f"community {_communities(term.add_communities)} additive"


def _range(entry: PrefixRange) -> str:
    length = int(entry.network.partition("/")[2])
    at_least = f" ge {entry.at_least}" if entry.at_least > length else ""
    at_most = f" le {entry.at_most}" if entry.at_most > length else ""
    return f"{entry.network}{at_least}{at_most}"


def _communities(values: Sequence[int]) -> str:
    return " ".join(f"{value >> 16}:{value & 0xFFFF}" for value in values)


def _ip(family: Family) -> str:
    return "ip" if family == "ipv4" else "ipv6"
