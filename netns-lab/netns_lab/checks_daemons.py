"""What BIRD and FRR cannot do of what a topology may ask of a router."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from netns_lab.models import Link, Node
from netns_lab.models_bgp import Bgp, NoBfd
from netns_lab.reading import Finding
from netns_lab.session_planning import timers_of

FRR_BFD_INTERVALS_US = range(10_000, 60_000_001, 1000)
"""FRR's bfdd counts milliseconds."""


def check_daemons(nodes: Mapping[str, Node], links: Mapping[int, Link]) -> Iterator[Finding]:
    """(path, message) of everything that a router's daemon cannot do; the path leads to the value."""
    for name, node in nodes.items():
        if node.bgp and node.bgp.daemon == "frr":
            for path, message in (*_bfd(node.bgp), *_limits(node.bgp)):
                yield ("nodes", name, "bgp", *path), message
    for index, link in links.items():
        ends = [bgp for name in link.ends if name in nodes and (bgp := nodes[name].bgp)]
        if len(ends) == len(link.ends) and link.peer:
            for message in _interior(*ends):
                yield ("links", index), message


def _bfd(bgp: Bgp) -> Iterator[Finding]:
    if isinstance(bgp.bfd, NoBfd):
        return
    interval_us = timers_of(bgp).bfd_interval_us
    if interval_us not in FRR_BFD_INTERVALS_US:
        yield (
            ("bfd", "interval"),
            f"found {interval_us / 1000:g}ms, expected whole milliseconds from 10 for FRR",
        )
    if bgp.bfd.multiplier == 1:
        yield ("bfd", "multiplier"), "found 1, expected 2 to 255 for FRR"


def _limits(bgp: Bgp) -> Iterator[Finding]:
    for peer, neighbor in bgp.neighbors.items():
        if neighbor.maximum_prefixes and neighbor.maximum_prefixes.action == "discard":
            place = ("neighbors", peer, "maximum_prefixes", "action")
            yield place, "found 'discard', expected warn or shutdown for FRR"


def _interior(one: Bgp, other: Bgp) -> Iterator[str]:
    # Its static routes carry no cost, and in Debian's version do not follow BFD.
    if one.asn == other.asn and "frr" in (one.daemon, other.daemon):
        yield "found `daemon: frr` between routers of one AS, expected bird or exabgp there"
