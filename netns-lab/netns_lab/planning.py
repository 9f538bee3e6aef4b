"""From a checked topology to the plan of its lab.

Pure: a topology and a source of random octets in, a `LabPlan` out. The same topology gives the same plan in
every run, passwords aside: a secret must not be a function of the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dataplane.links.specification import Impairment, MacsecSpecification
from netns_lab.addressing import Reach, common_subnet, plan_addresses
from netns_lab.interior import Adjacency, interior_routes
from netns_lab.keys import fingerprint
from netns_lab.names import directions
from netns_lab.plan import (
    ETHERNET,
    FAMILIES,
    DefaultRoute,
    EnginePlan,
    FilePlan,
    GroupPlan,
    InterfacePlan,
    InteriorRoute,
    LabPlan,
    LinkPlan,
    MacsecPlan,
    NextHop,
    NodePlan,
    Secret,
    ServicePlan,
    SessionPlan,
    seen_from,
)
from netns_lab.session_planning import next_hops_outside, plan_bfd, plan_sessions

if TYPE_CHECKING:
    from netns_lab.addressing import AddressPlan
    from netns_lab.models import Link, Macsec, Node, Topology

# The position of a link, our end of it, the other end.
Ends = tuple[int, InterfacePlan, InterfacePlan]


def plan_lab(
    topology: Topology, random_bytes: Callable[[int], bytes], running: LabPlan | None = None
) -> LabPlan:
    """Plan a checked topology; `random_bytes(n)` supplies the session passwords it leaves open.

    `running` is the plan of the lab that the topology is to change: what the topology leaves open stays as it
    is there, as far as it can.

    Raises `AddressError` where addresses run out, which loading a file has already ruled out.
    """
    addresses = plan_addresses(topology, running)
    links = tuple(_plan_link(topology, index, addresses) for index in range(len(topology.links)))
    sessions = plan_sessions(topology, addresses, random_bytes, running)
    positions: dict[str, list[int]] = {name: [] for name in topology.nodes}
    for index, link in enumerate(topology.links):
        for name in link.nodes:
            positions[name].append(index)
    announced = Reach(prefix for node in topology.nodes.values() if node.bgp for prefix in node.bgp.announce)
    interior = _interior(topology, addresses, sessions)
    nodes, hosts = [], {}
    for name in topology.nodes:
        ends = [(index, *seen_from(name, links[index].ends)) for index in positions[name]]
        nodes.append(_plan_node(topology, name, addresses, ends, interior.get(name, ())))
        on_links = [address for index in positions[name] for address in addresses.links[index, name]]
        loopbacks = addresses.loopbacks[name]
        # Inside an AS a router is known by its loopback, which every other router there has a route to.
        known = [*loopbacks, *on_links] if name in interior else [*on_links, *loopbacks]
        hosts[name] = announced.best(known)
    engine = EnginePlan(topology.engine.workers, topology.engine.busy_poll)
    return LabPlan(topology.name, tuple(nodes), links, hosts, engine, sessions, _groups(topology))


def _groups(topology: Topology) -> dict[str, GroupPlan]:
    """Every group that a node or a link names, in the order of their names."""
    nodes = {name: node.groups for name, node in topology.nodes.items()}
    links = {link.name: link.groups for link in topology.links}
    names = sorted({group for groups in (*nodes.values(), *links.values()) for group in groups})
    return {
        group: GroupPlan(
            tuple(name for name, groups in nodes.items() if group in groups),
            tuple(name for name, groups in links.items() if group in groups),
        )
        for group in names
    }


def _plan_link(topology: Topology, index: int, addresses: AddressPlan) -> LinkPlan:
    link = topology.links[index]
    mtu = link.mtu or min(topology.nodes[name].mtu for name in link.nodes)
    macsec = MacsecPlan(_settings(link.macsec), fingerprint(link)) if link.type == "macsec" else None
    one, other = (
        InterfacePlan(
            node=end.node,
            name=end.interface,
            link=link.name,
            mac=_mac(topology.name, link.name, which) if not end.raw else "",
            mtu=mtu,
            addresses=tuple(map(str, addresses.links[index, end.node])),
            port=link.port,
        )
        for which, end in enumerate(link.endpoints)
    )
    there, back = (_impairment(link, direction) for direction in directions(link.ends))
    bfd = plan_bfd(topology, index, addresses)
    return LinkPlan(link.name, link.type, mtu, (one, other), macsec, (there, back), bfd, link.cost)


def _settings(macsec: Macsec) -> MacsecSpecification:
    return MacsecSpecification(
        cipher=macsec.cipher,
        encrypt=macsec.encrypt,
        confidentiality_offset=macsec.confidentiality_offset,
        send_sci=macsec.send_sci,
        end_station=macsec.end_station,
        validate=macsec.validate_frames,
        protect=macsec.protect,
        replay_protect=macsec.replay_protect,
        replay_window=macsec.replay_window,
        detect_duplicates=macsec.detect_duplicates,
        clear_tags=macsec.clear_tags,
        bypass=tuple(macsec.bypass),
        cipher_library=macsec.cipher_library,
        next_pn=macsec.next_pn,
        peer_sci=macsec.peer_sci,
    )


def _impairment(link: Link, direction: str) -> Impairment:
    """Of one direction: what is said of it alone, over what is said of both."""
    alone = link.impair.directions.get(direction)
    return Impairment(**{**link.impair.changes(), **(alone.changes() if alone else {})})


def _mac(lab: str, link: str, which: int) -> str:
    """Locally administered and unicast (first octet 02), then 39 bits of lab and link, then the end."""
    *octets, last = hashlib.sha256(f"{lab} {link}".encode()).digest()[:5]
    return bytes((2, *octets, last & 0xFE | which)).hex(":")


def _interior(
    topology: Topology, addresses: AddressPlan, sessions: Sequence[SessionPlan]
) -> dict[str, tuple[InteriorRoute, ...]]:
    """The routes inside each AS, by router: to loopbacks, and to what is a next hop of iBGP besides."""
    speakers = {name: node.bgp for name, node in topology.nodes.items() if node.bgp}
    own_as = [
        (index, link)
        for index, link in enumerate(topology.links)
        if all(end in speakers for end in link.ends) and len({speakers[end].asn for end in link.ends}) == 1
    ]
    outside = next_hops_outside(sessions)
    routes: dict[str, tuple[InteriorRoute, ...]] = {}
    for family, version in FAMILIES.items():
        adjacencies = []
        for index, link in own_as:
            for here, there in (link.endpoints, link.endpoints[::-1]):
                ours, theirs = (addresses.links[index, end.node] for end in (here, there))
                if pair := common_subnet(ours, theirs, version):
                    hop = NextHop(pair[1], here.interface)
                    adjacencies.append(Adjacency(here.node, there.node, link.cost, hop))
        targets = {
            name: [str(address.ip) for address in addresses.loopbacks[name] if address.version == version]
            + outside.get((name, family), [])
            for name in speakers
        }
        for name, found in interior_routes(adjacencies, targets).items():
            routes[name] = (*routes.get(name, ()), *found)
    return routes


def _plan_node(
    topology: Topology,
    name: str,
    addresses: AddressPlan,
    ends: list[Ends],
    interior: tuple[InteriorRoute, ...],
) -> NodePlan:
    loopback = addresses.loopbacks[name]
    node = topology.nodes[name]
    return NodePlan(
        name=name,
        namespace=f"{topology.name}-{name}",
        kind="router" if node.is_router else "host",
        mtu=node.mtu,
        forwarding=node.is_router,
        loopback=tuple(map(str, loopback)),
        interfaces=tuple(local for _, local, _ in ends),
        sysctls=_sysctls(node.is_router) | _of_daemon(node) | node.sysctl,
        env=node.env,
        exec=tuple(node.exec),
        services=tuple(ServicePlan(service.name, service.cmd) for service in node.services),
        files=tuple(FilePlan(path, Secret(content)) for path, content in node.files.items()),
        default_routes=() if node.is_router else _default_routes(topology, addresses, ends),
        asn=node.bgp.asn if node.bgp else None,
        router_id=addresses.router_ids[name],
        originate=tuple(map(str, node.bgp.announce)) if node.bgp else (),
        daemon=node.bgp.daemon if node.bgp else "exabgp",
        interior=interior,
    )


def _sysctls(forwarding: bool) -> dict[str, str]:
    """`all` and `default` both: one holds for what exists, the other for interfaces that come."""
    sysctls = {
        "net.ipv4.ip_forward": str(int(forwarding)),
        "net.ipv4.fib_multipath_hash_policy": "1",
        "net.ipv6.fib_multipath_hash_policy": "1",
        "net.ipv4.nexthop_compat_mode": "0",
    }
    for which in ("all", "default"):
        sysctls[f"net.ipv6.conf.{which}.forwarding"] = str(int(forwarding))
        sysctls[f"net.ipv4.conf.{which}.rp_filter"] = "0"
        sysctls[f"net.ipv6.conf.{which}.accept_dad"] = "0"
        # An interface that a user takes down and up again must come back with its addresses.
        sysctls[f"net.ipv6.conf.{which}.keep_addr_on_down"] = "1"
    return sysctls


def _of_daemon(node: Node) -> dict[str, str]:
    """BIRD and FRR write next hops into routes: the kernel is to leave those that have lost carrier."""
    if not node.bgp or node.bgp.daemon not in ("bird", "frr"):
        return {}
    names = ("net.ipv4.conf", "net.ipv6.conf")
    return {
        f"{name}.{which}.ignore_routes_with_linkdown": "1" for name in names for which in ("all", "default")
    }


def _default_routes(topology: Topology, addresses: AddressPlan, ends: list[Ends]) -> tuple[DefaultRoute, ...]:
    """One ECMP route per family over every router on the host's links."""
    routes = []
    for family, version in FAMILIES.items():
        next_hops = []
        for index, local, peer in ends:
            ours, theirs = addresses.links[index, local.node], addresses.links[index, peer.node]
            router = peer.node != ETHERNET and topology.nodes[peer.node].is_router
            if router and (pair := common_subnet(ours, theirs, version)):
                next_hops.append(NextHop(pair[1], local.name))
        if next_hops:
            routes.append(DefaultRoute(family, tuple(next_hops)))
    return tuple(routes)
