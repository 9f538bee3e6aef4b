"""What the kernels of a lab's routers hold of the routes that BGP or the plan of an AS brought.

Read by the process that asks and not by the controller, which moves traffic: 100,000 routes take seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

from control.routes.kernel import NetlinkKernel
from dataplane.link_state import dump_links
from dataplane.netlink import NetlinkSocket

if TYPE_CHECKING:
    from netns_lab.api import ControllerClient

PREFIXES_AT_A_TIME = 2000
"""Of which the controller is asked: its loop is held for about a millisecond."""
Hops = tuple[tuple[str, str], ...]
"""(gateway, interface) of each next hop, by interface."""


@dataclass(frozen=True, slots=True)
class InstalledRoute:
    """A route in the kernel, and the id of its nexthop group."""

    prefix: str
    nhid: int
    next_hops: Hops


def in_order(next_hops: Iterable[tuple[str, str]]) -> Hops:
    """Next hops by interface, then gateway."""
    return tuple(sorted(next_hops, key=itemgetter(1, 0)))


def installed_routes(namespace: str) -> list[InstalledRoute]:
    """Every route that a router of ours has put there, in order of prefix. OSError without the namespace."""
    with NetlinkSocket(namespace) as netlink:
        names = {link.ifindex: link.name for link in dump_links(netlink)}
    with closing(NetlinkKernel(namespace)) as kernel:
        tables = kernel.dump()
    named = {
        id: in_order((hop.gateway, names.get(hop.ifindex, "?")) for hop in hops)
        for id, hops in tables.groups().items()
    }
    return [
        InstalledRoute(route.prefix, route.nexthop, named.get(route.nexthop, ()))
        for route in sorted(tables.routes, key=lambda route: route.prefix)
        if route.nexthop is not None
    ]


def not_installed(controller: ControllerClient, routes: Mapping[str, Iterable[InstalledRoute]]) -> list[str]:
    """A sentence for each router whose kernel has not the routes that BGP chose; `routes` by node."""
    found = []
    for name, installed in routes.items():
        if wrong := _differing(controller, name, installed):
            more = f", and to {len(wrong) - 1} more neither" if len(wrong) > 1 else ""
            found.append(f"{name}: the kernel's route to {min(wrong)} is not what BGP chose{more}")
    return found


def _differing(controller: ControllerClient, node: str, installed: Iterable[InstalledRoute]) -> list[str]:
    """The prefixes whose route is not what BGP chose. Those that come or go meanwhile may be missed."""
    found = {route.prefix: route.next_hops for route in installed}
    wrong: list[str] = []
    first, more = 0, True
    while more:
        part = controller.call("expected-routes", node=node, first=first, count=PREFIXES_AT_A_TIME)
        for group in part["groups"]:
            expected = in_order((gateway, interface) for gateway, interface in group["next_hops"])
            wrong += [prefix for prefix in group["prefixes"] if found.get(prefix, ()) != expected]
        first, more = first + PREFIXES_AT_A_TIME, part["more"]
    return wrong
