"""What the parts of a topology must agree on: interfaces, names, addresses.

Each check gives (path, message) pairs; the path leads to the value that is wrong. They see only nodes and
links that are right by themselves, so `links` is by position in the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Interface, IPv6Interface
from itertools import permutations

from netns_lab.checks_bgp import check_bgp
from netns_lab.checks_daemons import check_daemons
from netns_lab.checks_macsec import check_macsec
from netns_lab.models import Endpoint, Link, Node
from netns_lab.names import directions
from netns_lab.plan import ETHERNET
from netns_lab.reading import Finding, Place

Links = Mapping[int, Link]
Nodes = Mapping[str, Node]
AnyInterface = IPv4Interface | IPv6Interface


def check_topology(nodes: Nodes, links: Links) -> Iterator[Finding]:
    """Every disagreement between parts of the topology."""
    yield from _raw_ends(nodes, links)
    yield from _link_names(links)
    yield from _interfaces(links)
    yield from _plain_links(links)
    yield from check_macsec(links)
    yield from _address_owners(links)
    yield from _directions(links)
    yield from _unique_addresses(nodes, links)
    yield from _common_subnets(links)
    yield from _overlapping_subnets(links)
    yield from check_bgp(nodes, links)
    yield from check_daemons(nodes, links)


def _link_names(links: Links) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for index, link in links.items():
        if link.name and first.setdefault(link.name, index) != index:
            yield (
                ("links", index, "name"),
                f"found {link.name!r}, which links[{first[link.name]}] has already",
            )


def _raw_ends(nodes: Nodes, links: Links) -> Iterator[Finding]:
    if ETHERNET in nodes:
        message = f"found {ETHERNET!r}, which stands for the devices of the machine in `endpoints`"
        yield ("nodes", ETHERNET), message
    for index, link in links.items():
        if link.endpoints[0].raw:
            message = (
                f"found '{ETHERNET}:{link.endpoints[0].interface}' first, expected the end of a node first"
            )
            yield ("links", index, "endpoints", 0), message


def _interfaces(links: Links) -> Iterator[Finding]:
    first: dict[Endpoint, int] = {}
    for index, link in links.items():
        one, other = link.endpoints
        if one.node == other.node:
            yield ("links", index, "endpoints"), f"found {one.node!r} at both ends, expected two nodes"
        for at, end in enumerate(link.endpoints):
            if not end.interface:
                continue
            if end in first:
                message = f"found '{end.node}:{end.interface}', which links[{first[end]}] uses already"
                yield ("links", index, "endpoints", at), message
            first.setdefault(end, index)


def _plain_links(links: Links) -> Iterator[Finding]:
    for index, link in links.items():
        if link.type == "plain" and "macsec" in link.model_fields_set:
            yield ("links", index, "macsec"), "found on a plain link, expected type macsec"


def _address_owners(links: Links) -> Iterator[Finding]:
    for index, link in links.items():
        for node in link.addresses:
            if node not in link.nodes:
                message = f"found {node!r}, expected a node of this link: {' or '.join(link.nodes)}"
                yield ("links", index, "addresses", node), message


def _directions(links: Links) -> Iterator[Finding]:
    for index, link in links.items():
        ways = directions(link.ends)
        for name in link.impair.directions:
            if name not in ways:
                message = f"found {name!r}, expected a direction of this link: {' or '.join(ways)}"
                yield ("links", index, "impair", name), message


def _given(links: Links) -> Iterator[tuple[Place, str, AnyInterface]]:
    """(path, node, address) of every address given on a link."""
    for index, link in links.items():
        for node, addresses in link.addresses.items():
            for at, interface in enumerate(addresses):
                yield ("links", index, "addresses", node, at), node, interface


def _unique_addresses(nodes: Nodes, links: Links) -> Iterator[Finding]:
    owners: dict[object, str] = {}
    loopbacks = (
        (("nodes", name, "loopback", at), name, interface)
        for name, node in nodes.items()
        for at, interface in enumerate(node.loopback or [])
    )
    for path, node, interface in (*loopbacks, *_given(links)):
        if interface.ip in owners:
            yield path, f"found {str(interface)!r}, which {owners[interface.ip]} has already"
        owners.setdefault(interface.ip, node)


def _common_subnets(links: Links) -> Iterator[Finding]:
    for index, link in links.items():
        for node, peer in permutations(link.nodes, 2):
            if peer not in link.addresses:
                continue
            subnets = [interface.network for interface in link.addresses[peer]]
            for at, interface in enumerate(link.addresses.get(node, [])):
                if interface.network not in subnets:
                    expected = " or ".join(dict.fromkeys(map(str, subnets))) or "no address"
                    message = (
                        f"found {str(interface)!r}, expected a subnet of {peer} on this link: {expected}"
                    )
                    yield ("links", index, "addresses", node, at), message


def _overlapping_subnets(links: Links) -> Iterator[Finding]:
    """A node reaches a subnet through one link; a subnet given at one end holds for the other end too.

    In order of their starts, a subnet that overlaps any earlier one overlaps the one that reaches furthest.
    """
    by_node: dict[str, list[tuple[tuple[int, int, int], Place, AnyInterface]]] = {}
    for path, _, interface in _given(links):
        order = interface.version, int(interface.network[0]), -int(interface.network[-1])
        for node in links[int(path[1])].nodes:
            by_node.setdefault(node, []).append((order, path, interface))
    for node, entries in by_node.items():
        entries.sort(key=lambda entry: (entry[0], entry[1][1]))
        furthest: tuple[Place, AnyInterface] | None = None
        for _, path, interface in entries:
            if furthest and furthest[1].version == interface.version:
                (other_path, other), network = furthest, interface.network
                if path[1] != other_path[1] and other.network.overlaps(network):
                    message = (
                        f"found {str(interface)!r}, which overlaps {other.network} of links[{other_path[1]}]"
                    )
                    yield path, f"{message} on the same node {node}"
                if int(network[-1]) <= int(other.network[-1]):
                    continue
            furthest = path, interface
