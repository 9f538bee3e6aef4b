"""BIRD's configuration of one router, as text: what ExaBGP and quadlink's own decisions would do there.

Announced prefixes are unreachable routes of one static protocol, and the ways inside the AS that the plan
knows are routes of another. What BGP or these bring is in the kernel, equal paths as one route.
"""

from collections.abc import Iterator, Sequence

from control.bgp.policy import LimitAction, MaximumPrefixes, PrefixRange, Term
from netns_lab.plan import (
    FAMILIES,
    BfdEnd,
    Family,
    InteriorRoute,
    LabPlan,
    NodePlan,
    SessionEnd,
    SessionPlan,
    family_of,
)
from netns_lab.routing_daemons.common import MULTIPATH_LIMIT, bfd_ends, session_name

ACTIONS = {LimitAction.WARN: "warn", LimitAction.DISCARD: "block", LimitAction.SHUTDOWN: "disable"}
IMPORTED = ("if (65535, 0) ~ bgp_community then bgp_local_pref = 0;", "accept;")
"""What becomes of a path that import policy accepts: RFC 8326, then it is one."""
EXPORTED = ("accept;",)


def bird_configuration(plan: LabPlan, node: NodePlan) -> str:
    """The configuration file, which holds the passwords of sessions."""
    bfd = bfd_ends(plan, node)
    sections = [_general(node), *(_tables(node, family, bfd) for family in FAMILIES)]
    if bfd:
        sections.append(_bfd_section(bfd))
    sections += [_session(node, session, bfd) for session in plan.sessions_of(node.name)]
    return "\n".join(sections)


def _general(node: NodePlan) -> str:
    return (
        "log stderr all;\n"
        f"router id {node.router_id};\n"
        "timeformat protocol iso long us;\n"
        "protocol device { scan time 1; }\n"
        "protocol direct { ipv4; ipv6; }\n"
    )


def _tables(node: NodePlan, family: Family, bfd: Sequence[BfdEnd]) -> str:
    """The static protocols of a family, and the one that writes to the kernel."""
    announced = [f"route {prefix} unreachable;" for prefix in node.originate if family_of(prefix) == family]
    interior = [_interior_route(route, bfd) for route in node.interior if family_of(route.prefix) == family]
    return "".join(
        (
            _block(f"protocol static announced_{family}", f"{family};", *announced),
            _block(f"protocol static interior_{family}", f"{family};", *interior),
            _block(
                f"protocol kernel kernel_{family}",
                f"merge paths limit {MULTIPATH_LIMIT};",
                f"{family} {{ import none; export where source ~ [ RTS_BGP, RTS_STATIC ]; }};",
            ),
        )
    )


def _interior_route(route: InteriorRoute, bfd: Sequence[BfdEnd]) -> str:
    # With BFD a silent link takes its part of the route away, and what is resolved by it.
    fast = {end.interface for end in bfd}
    hops = [f"via {hop.address}{' bfd' if hop.interface in fast else ''}" for hop in route.next_hops]
    return f"route {route.prefix} {' '.join(hops)} {{ igp_metric = {route.cost}; }};"


def _bfd_section(ends: Sequence[BfdEnd]) -> str:
    interfaces = {end.interface: end for end in ends}
    return _block(
        "protocol bfd",
        *(
            f'interface "{name}" {{ interval {end.interval_us} us; multiplier {end.multiplier}; }};'
            for name, end in interfaces.items()
        ),
    )


def _session(node: NodePlan, session: SessionPlan, bfd: Sequence[BfdEnd]) -> str:
    local, peer = session.seen_from(node.name)
    settings = local.settings
    lines = [
        f"local {local.address} as {local.asn};",
        f"neighbor {peer.address} as {peer.asn};",
        f'password "{session.password.reveal()}";',
        f"hold time {local.hold_time_s};",
        # Again and soon: a healed path is to be used in seconds.
        "connect delay time 1; connect retry time 1; error wait time 1, 2;",
        "long lived graceful restart off;",
    ]
    if settings.graceful_restart_s:
        lines.append(f"graceful restart on; graceful restart time {settings.graceful_restart_s};")
    else:
        lines.append("graceful restart off;")
    if settings.route_reflector_client:
        lines.append("rr client;")
    if local.address in [end.address for end in bfd]:
        lines.append("bfd on;")
    channel = [
        *_import_filter(session, local, peer),
        *_export_filter(session, local),
        *_limit(settings.maximum_prefixes),
    ]
    if settings.next_hop_self:
        channel.append("next hop self ebgp;")
    lines += [f"{session.family} {{", *(f"    {line}" for line in channel), "};"]
    return _block(f"protocol bgp '{session_name(session, node.name)}'", *lines)


def _import_filter(session: SessionPlan, local: SessionEnd, peer: SessionEnd) -> Iterator[str]:
    yield "import filter {"
    for term in local.settings.import_terms:
        yield from _term(term, session.family, peer.asn, IMPORTED)
    yield from (f"    {line}" for line in IMPORTED)
    yield "};"


def _export_filter(session: SessionPlan, local: SessionEnd) -> Iterator[str]:
    yield "export filter {"
    yield f'    if source != RTS_BGP && proto != "announced_{session.family}" then reject;'
    for term in local.settings.export_terms:
        yield from _term(term, session.family, local.asn, EXPORTED)
    yield from (f"    {line}" for line in EXPORTED)
    yield "};"


def _term(term: Term, family: Family, nearest_asn: int, accepted: Sequence[str]) -> Iterator[str]:
    prefixes = [entry for entry in term.prefixes if family_of(entry.network) == family]
    if term.prefixes and not prefixes:
        return  # it is for the other family
    conditions = [f"net ~ [ {', '.join(map(_range, prefixes))} ]"] if prefixes else []
    conditions += [f"{_community(value)} ~ bgp_community" for value in term.communities]
    yield f"    if {' && '.join(conditions) or 'true'} then {{"
    changes = (f"{change};" for change in _changes(term, nearest_asn))
    yield from (f"        {line}" for line in ((*changes, *accepted) if term.accept else ("reject;",)))
    yield "    }"


def _changes(term: Term, nearest_asn: int) -> Iterator[str]:
    if term.local_pref is not None:
        yield f"bgp_local_pref = {term.local_pref}"
    if term.med is not None:
        yield f"bgp_med = {term.med}"
    yield from [f"bgp_path.prepend({nearest_asn})"] * term.prepend
    yield from (f"bgp_community.delete({_community(value)})" for value in term.remove_communities)
    yield from (f"bgp_community.add({_community(value)})" for value in term.add_communities)


def _limit(maximum: MaximumPrefixes | None) -> Iterator[str]:
    if maximum is not None:
        yield "import keep filtered;"  # the limit counts what is kept, and what policy rejects belongs to it
        yield f"receive limit {maximum.count} action {ACTIONS[maximum.action]};"


def _range(entry: PrefixRange) -> str:
    return f"{entry.network}{{{entry.at_least},{entry.at_most}}}"


def _community(value: int) -> str:
    return f"({value >> 16}, {value & 0xFFFF})"


def _block(title: str, *lines: str) -> str:
    return f"{title} {{\n" + "".join(f"    {line}\n" for line in lines) + "}\n"
