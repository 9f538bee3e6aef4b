"""Between whom probes go: two sites of a lab, and flows between their hosts, both ways, both families."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from typing import NamedTuple

from dataplane.probes.flows import Flow
from netns_lab.directory import LabError
from netns_lab.plan import FAMILIES, IpVersion, LabPlan, NodePlan

PROBE_PORT = 9000
REFERENCE_PORT = 9002
FIRST_SOURCE_PORT = 20000
REFERENCE = "reference"
"""In the place of a direction: a flow that leaves no namespace, so that no fault touches it."""


@dataclass(frozen=True, slots=True)
class Site:
    """A router and the hosts behind it."""

    router: NodePlan
    hosts: tuple[NodePlan, ...]


class Way(NamedTuple):
    """One direction between the sites, in one family."""

    direction: str
    version: IpVersion

    def __str__(self) -> str:
        return f"{self.direction} (IPv{self.version})"


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
            raise LabError(
                f"--between: found {name}, expected a router with hosts behind it: {', '.join(sites)}"
            )
    if one == other:
        raise LabError(f"--between: found {one} twice, expected two routers with hosts behind them")
    return sites[one], sites[other]


def make_flows(plan: LabPlan, sites: tuple[Site, Site], each_way: int, first: int = 0) -> list[Flow]:
    """Flows between all pairs of hosts, `each_way` in each direction, half of them in each family.

    Directions and families take turns. Ids are from `first` on, and each id has a port of its own. LabError
    where the hosts have no family in common.
    """
    versions = [
        version for version in FAMILIES.values() if all(_hosts(plan, site, version) for site in sites)
    ]
    if not versions:
        raise LabError(f"lab {plan.name}: the hosts of {_names(sites)} have no addresses of one family")
    each = -(-each_way // len(versions))
    ways = [
        list(_flows(plan, near, far, version, each))
        for version in versions
        for near, far in (sites, sites[::-1])
    ]
    turns = chain.from_iterable(zip(*ways, strict=True))
    return [replace(flow, id=id, source_port=FIRST_SOURCE_PORT + id) for id, flow in enumerate(turns, first)]


def in_turns(flows: Sequence[Flow]) -> list[Flow]:
    """The same flows, those of each way spread evenly over the turns."""
    by_way: dict[Way, list[Flow]] = {}
    for flow in flows:
        by_way.setdefault(way_of(flow), []).append(flow)
    return [flow for turn in zip_longest(*by_way.values()) for flow in turn if flow is not None]


def way_of(flow: Flow) -> Way:
    """The way that a flow goes."""
    return Way(flow.direction, flow.family)


def reference_flow(plan: LabPlan, site: Site, id: int) -> Flow:
    """From a host of the site to itself: what it suffers is the machine's doing."""
    host = site.hosts[0]
    version: IpVersion = 4 if _hosts(plan, site, 4) else 6
    flow = flow_between(plan, host, host, version, (FIRST_SOURCE_PORT - 1, REFERENCE_PORT))
    return replace(flow, id=id, direction=REFERENCE)


def flow_between(
    plan: LabPlan, source: NodePlan, destination: NodePlan, version: IpVersion, ports: tuple[int, int]
) -> Flow:
    """A flow from node to node, with id 0, from the first port to the second; its direction is their names.

    LabError where one has no address of that family.
    """
    return Flow(
        id=0,
        direction=f"{source.name}->{destination.name}",
        family=version,
        source_namespace=source.namespace,
        source_address=_address_of(plan, source, version),
        destination_namespace=destination.namespace,
        destination_address=_address_of(plan, destination, version),
        source_port=ports[0],
        destination_port=ports[1],
    )


def _address_of(plan: LabPlan, node: NodePlan, version: IpVersion) -> str:
    if (address := plan.host_address(node.name, version)) is None:
        raise LabError(f"{node.name} has no IPv{version} address for probes")
    return address


def _hosts(plan: LabPlan, site: Site, version: IpVersion) -> list[NodePlan]:
    return [host for host in site.hosts if plan.host_address(host.name, version)]


def _flows(plan: LabPlan, near: Site, far: Site, version: IpVersion, count: int) -> Iterator[Flow]:
    pairs = [
        (source, destination)
        for source in _hosts(plan, near, version)
        for destination in _hosts(plan, far, version)
    ]
    for number in range(count):
        source, destination = pairs[number % len(pairs)]
        flow = flow_between(plan, source, destination, version, (FIRST_SOURCE_PORT, PROBE_PORT))
        yield replace(flow, direction=f"{near.router.name}->{far.router.name}")


def _names(sites: tuple[Site, Site]) -> str:
    return " and ".join(site.router.name for site in sites)
