"""`quadlink inspect routes`: the routes of a lab's routers, by their kernels' own word, and as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Any

from netns_lab.api import ControllerClient
from netns_lab.directory import LabDirectory, LabError
from netns_lab.installed_routes import InstalledRoute, installed_routes, not_installed
from netns_lab.names import unknown
from netns_lab.routing_daemons.kernel_routes import PROTOCOLS, learned_routes

if TYPE_CHECKING:
    from netns_lab.plan import LabPlan, NodePlan

SUMMARY_COLUMNS = ("node", "routes", "prefixes", "nhid", "paths", "next hops")
COLUMNS = ("node", "prefix", "nhid", "paths", "next hops")
PREFIXES_SHOWN = 3
LOOKS = 3
"""What BGP is changing just now is not wrong: only what differs so often is."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which routes are meant: of one node, and those that contain the prefix or are in it; None: all."""

    node: str | None = None
    within: IPv4Network | IPv6Network | None = None

    def nodes(self, plan: LabPlan) -> list[NodePlan]:
        """LabError where there is no such node."""
        if self.node is not None and self.node not in (names := [node.name for node in plan.nodes]):
            raise LabError(unknown("node", self.node, names))
        return [node for node in plan.nodes if self.node in (None, node.name)]

    def __contains__(self, route: InstalledRoute) -> bool:
        if self.within is None:
            return True
        prefix = ip_network(route.prefix)
        return prefix.version == self.within.version and self.within.overlaps(prefix)


EVERY = Chosen()


def read_within(text: str) -> IPv4Network | IPv6Network:
    """A prefix, or an address. Raises LabError."""
    try:
        return ip_network(text)
    except ValueError as error:
        raise LabError(f"inspect routes: found {text!r}, expected a prefix or an address: {error}") from None


def routes_of(node: NodePlan) -> list[InstalledRoute]:
    """What BGP or the plan of its AS brought; nothing where the node's namespace was deleted."""
    with suppress(FileNotFoundError):
        if node.runs_exabgp:
            return installed_routes(node.namespace)
        if node.asn is not None and node.daemon in PROTOCOLS:
            return learned_routes(node.namespace, node.daemon)
    return []


def route_document(directory: LabDirectory, chosen: Chosen = EVERY) -> dict[str, Any]:
    """The document of `inspect routes`. Raises ControllerGone, and LabError where there is no such node."""
    from netns_lab.state import load_plan  # the models are not needed to show other topics

    plan = load_plan(directory)
    nodes = chosen.nodes(plan)
    with ControllerClient(directory) as controller:
        document: dict[str, Any] = controller.call("summary")
        for _ in range(LOOKS):
            routes = {node.name: routes_of(node) for node in nodes}
            if not (wrong := not_installed(controller, routes)):
                break
    inside = {(node.name, route.prefix) for node in nodes for route in node.interior}
    document["routes"] = [
        {
            "node": name,
            "prefix": route.prefix,
            "interior": (name, route.prefix) in inside,
            "nhid": route.nhid,
            "next_hops": [
                {"gateway": gateway, "interface": interface} for gateway, interface in route.next_hops
            ],
        }
        for name, found in routes.items()
        for route in found
        if route in chosen
    ]
    document["problems"] += wrong
    return document


def summary_rows(document: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
    """Those of a router that have the same nexthop group in one row."""
    groups: dict[tuple[Any, ...], list[str]] = {}
    for node, prefix, *group in route_rows(document):
        groups.setdefault((node, *group), []).append(prefix)
    return [(node, len(prefixes), _first(prefixes), *group) for (node, *group), prefixes in groups.items()]


def _first(prefixes: Sequence[str]) -> str:
    more = ["..."] if len(prefixes) > PREFIXES_SHOWN else []
    return " ".join([*prefixes[:PREFIXES_SHOWN], *more])


def route_rows(document: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
    """Every route in a row of its own."""
    return [
        (
            route["node"],
            route["prefix"],
            route["nhid"],
            len(route["next_hops"]),
            " ".join(f"{hop['gateway']}%{hop['interface']}" for hop in route["next_hops"]),
        )
        for route in document["routes"]
    ]
