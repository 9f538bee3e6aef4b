"""Between whom probes go: two sites of a lab, and flows between their hosts, both ways, both families."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from dataplane.probes.flows import Flow
from netns_lab.directory import LabError
from netns_lab.plan import LabPlan, NodePlan

PROBE_PORT = 9000
FIRST_SOURCE_PORT = 40000
FAMILIES: tuple[Literal[4, 6], ...] = (4, 6)


@dataclass(frozen=True, slots=True)
class Site:
    """A router and the hosts behind it."""

    router: NodePlan
    hosts: tuple[NodePlan, ...]


def sites_of(plan: LabPlan) -> Iterator[Site]:
    """Every router that has hosts, in the plan's order."""
    hosts_of_lab = {node.name: node for node in plan.nodes if node.kind == "host"}
    for router in plan.nodes:
        if router.asn is None:
            continue
        hosts = [
            hosts_of_lab[other.node]
            for link in plan.links
            for end, other in (link.ends, link.ends[::-1])
            if end.node == router.name and other.node in hosts_of_lab
        ]
        if hosts:
            yield Site(router, tuple(hosts))


def find_sites(plan: LabPlan, between: tuple[str, str] | None = None) -> tuple[Site, Site]:
    """The sites of two routers, or the first two there are; LabError where there are not two."""
    sites = {site.router.name: site for site in sites_of(plan)}
    if between is None:
        if len(sites) < 2:
            raise LabError(
                f"lab {plan.name}: traffic needs two routers with hosts behind them, found {len(sites)}"
            )
        one, other = list(sites)[:2]
    else:
        one, other = between
    for name in (one, other):
        if name not in sites:
            raise LabError(f"found {name}, expected a router with hosts behind it: {', '.join(sites)}")
    if one == other:
        raise LabError(f"found {one} twice, expected two routers with hosts behind them")
    return sites[one], sites[other]


def make_flows(plan: LabPlan, sites: tuple[Site, Site], each_way: int) -> list[Flow]:
    """Flows between all pairs of hosts, both ways and both families, `each_way` in each direction."""
    flows: list[Flow] = []
    for near, far in (sites, sites[::-1]):
        direction = f"{near.router.name}->{far.router.name}"
        pairs = [(source, destination) for source in near.hosts for destination in far.hosts]
        for number in range(each_way):
            source, destination = pairs[number // 2 % len(pairs)]
            family = FAMILIES[number % 2]
            flows.append(
                Flow(
                    id=len(flows),
                    direction=direction,
                    family=family,
                    source_namespace=source.namespace,
                    source_address=address_of(plan, source, family),
                    destination_namespace=destination.namespace,
                    destination_address=address_of(plan, destination, family),
                    source_port=FIRST_SOURCE_PORT + len(flows),
                    destination_port=PROBE_PORT,
                )
            )
    return flows


def address_of(plan: LabPlan, node: NodePlan, family: int) -> str:
    """Where a node is reached; LabError where it has no address of that family."""
    wanted = [address for address in plan.hosts[node.name] if (":" in address) == (family == 6)]
    if not wanted:
        raise LabError(f"{node.name} has no IPv{family} address for probes")
    return wanted[0]
