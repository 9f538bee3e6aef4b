"""What the `bgp` of routers and the links between them must agree on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from netns_lab.models import Link, Node
from netns_lab.models_bgp import Bgp, Neighbor, NoBfd, Term
from netns_lab.reading import Finding, Place


def check_bgp(nodes: Mapping[str, Node], links: Mapping[int, Link]) -> Iterator[Finding]:
    """(path, message) of every disagreement; the path leads to the value that is wrong."""
    yield from _origins(nodes)
    yield from _restarts(nodes)
    yield from _links(nodes, links)
    yield from _neighbors(nodes, links)


def _origins(nodes: Mapping[str, Node]) -> Iterator[Finding]:
    """One origin per prefix: hosts get their subnets out of it, so a second origin would draw their traffic
    to a router that cannot reach them. A longer prefix inside another's is ordinary and stays allowed."""
    origins: dict[object, str] = {}
    for name, node in nodes.items():
        for at, prefix in enumerate(node.bgp.announce if node.bgp else []):
            if origins.setdefault(prefix, name) != name:
                message = (
                    f"found {str(prefix)!r}, which {origins[prefix]} announces already, expected one origin"
                )
                yield ("nodes", name, "bgp", "announce", at), message


def _restarts(nodes: Mapping[str, Node]) -> Iterator[Finding]:
    """A neighbor that restarts loses its BFD, too, and what BFD takes away graceful restart wants kept."""
    for name, node in nodes.items():
        if node.bgp and node.bgp.graceful_restart_s and not isinstance(node.bgp.bfd, NoBfd):
            message = "found it with BFD, which ends what a restart is to keep, expected `bfd: false` with it"
            yield ("nodes", name, "bgp", "graceful_restart"), message


def _links(nodes: Mapping[str, Node], links: Mapping[int, Link]) -> Iterator[Finding]:
    for index, link in links.items():
        if not (speakers := _speakers(nodes, link)):
            continue
        one, other = speakers
        names = " and ".join(link.nodes)
        if one.asn == other.asn and not _loopback_families(nodes, link):
            message = f"{names} have the same ASN {one.asn} and no loopbacks of one family for a session"
            yield ("links", index), message
        passwords = {bgp.password.get_secret_value() for bgp in (one, other) if bgp.password}
        if len(passwords) > 1:
            yield ("links", index), f"{names} have different BGP passwords, expected the same or only one"


def idle_costs(nodes: Mapping[str, Node], links: Mapping[int, Link]) -> Iterator[Finding]:
    """A cost where no route inside an AS goes: nobody would count it."""
    for index, link in links.items():
        if "cost" not in link.model_fields_set:
            continue
        asns = [
            bgp.asn if bgp else None for bgp in (nodes[it].bgp if it in nodes else None for it in link.ends)
        ]
        if asns[0] is None or asns[0] != asns[1]:
            found = " and ".join(f"AS {asn}" if asn else "a node without `bgp`" for asn in asns)
            message = f"found {link.cost} between {found}, expected it only between routers of one AS"
            yield ("links", index, "cost"), message


def _speakers(nodes: Mapping[str, Node], link: Link) -> tuple[Bgp, Bgp] | None:
    """Both ends of a link that peer over it."""
    one, other = (nodes[name].bgp if name in nodes else None for name in link.ends)
    return (one, other) if one and other and link.peer and one is not other else None


def _loopback_families(nodes: Mapping[str, Node], link: Link) -> set[int]:
    """The families in which both ends have a loopback; one that is not given is planned in both."""
    families: set[int] = {4, 6}
    for given in (nodes[name].loopback for name in link.ends):
        if given is not None:
            families &= {address.version for address in given}
    return families


def _neighbors(nodes: Mapping[str, Node], links: Mapping[int, Link]) -> Iterator[Finding]:
    """`neighbors` names routers that the node has sessions with, and asks of these what they can do."""
    joined: dict[str, dict[str, list[str]]] = {}
    for link in links.values():
        for here, there in (link.ends, link.ends[::-1]) if _speakers(nodes, link) else ():
            joined.setdefault(here, {}).setdefault(there, []).append(link.name)
    for name, node in nodes.items():
        for peer, neighbor in node.bgp.neighbors.items() if node.bgp else ():
            place: Place = ("nodes", name, "bgp", "neighbors", peer)
            other = nodes[peer].bgp if peer in nodes else None
            if other is None:
                yield place, f"found {peer!r}, expected a node with `bgp`"
            elif peer not in joined.get(name, {}):
                known = ", ".join(joined.get(name, {})) or "none"
                yield place, f"found {peer!r}, expected a node on a link of {name} that peers: {known}"
            else:
                assert node.bgp is not None
                for path, message in _neighbor(node.bgp, other, neighbor, joined[name][peer]):
                    yield (*place, *path), message


def _neighbor(bgp: Bgp, other: Bgp, neighbor: Neighbor, links: list[str]) -> Iterator[Finding]:
    internal = bgp.asn == other.asn
    for option in ("next_hop_self", "route_reflector_client"):
        if getattr(neighbor, option) and not internal:
            yield (option,), f"found true, expected it only for a neighbor in AS {bgp.asn}"
    for way, terms in (("import", neighbor.import_terms), ("export", neighbor.export_terms)):
        for at, term in enumerate(terms):
            for path, message in _term(term, way, links, internal=internal):
                yield (way, at, *path), message


def _term(term: Term, way: str, links: list[str], *, internal: bool) -> Iterator[Finding]:
    if internal and term.links:
        yield ("links",), "found it for a neighbor in the same AS, whose sessions are over no one link"
    if not internal:
        for at, link in enumerate(term.links):
            if link not in links:
                known = ", ".join(name for name in links if name) or "none of them has a name"
                yield ("links", at), f"found {link!r}, expected a link to this neighbor: {known}"
    if internal and term.prepend is not None:
        yield ("prepend",), "found it for a neighbor in the same AS, where paths do not grow"
    if way == "export" and not internal and term.local_preference is not None:
        yield ("local_preference",), "found it for a neighbor in another AS, which is not told it"
