"""Which ways through a lab packets may take, which they took, and flows so that each is taken: pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dataplane.captures.memory import CaptureWire
from dataplane.probes.flows import Flow
from dataplane.probes.records import Records
from netns_lab.plan import InterfacePlan, LabPlan
from netns_lab.probe_flows import Way, way_of

SIGHTING = np.dtype([("t_ns", np.int64), ("flow", np.uint32), ("sequence", np.uint32), ("wire", np.uint16)])
"""A probe packet seen at monotonic time t_ns as it entered a wire; `wire` is its place in a list of wires."""

LEAST_FLOWS = 3
"""A path that fewer flows of a way take is not covered."""
MOST_PATHS = 256

Path = tuple[str, ...]
"""The links between routers that a packet crosses, in order."""
Forwarding = Mapping[tuple[str, str], Sequence[str]]
"""By router and destination address: the interfaces that its kernel sends over."""


class Uncovered(NamedTuple):
    """A path that traffic may take and that fewer than LEAST_FLOWS flows took."""

    way: Way
    path: Path
    flows: int

    def __str__(self) -> str:
        return f"{self.way} over {' '.join(self.path)}: {self.flows} flows"


def possible_paths(
    plan: LabPlan, forwarding: Forwarding, flows: Iterable[Flow]
) -> dict[Way, frozenset[Path]]:
    """By way, every path that the routers' kernels may choose for its flows, MOST_PATHS at most."""
    found: dict[Way, set[Path]] = {}
    ends = {(way_of(flow), flow.source_namespace or "", flow.destination_address) for flow in flows}
    graph = _Graph(plan, forwarding)
    for way, namespace, address in sorted(ends):
        paths = found.setdefault(way, set())
        for path in graph.paths(namespace, address):
            if len(paths) == MOST_PATHS:
                break
            paths.add(path)
    return {way: frozenset(paths) for way, paths in found.items()}


class _Graph:
    """Who is behind which interface, and where each router sends what."""

    def __init__(self, plan: LabPlan, forwarding: Forwarding) -> None:
        self._nodes = {node.namespace: node for node in plan.nodes}
        self._routers = {node.name for node in plan.nodes if node.kind == "router"}
        self._forwarding = forwarding
        self._beyond: dict[tuple[str, str], InterfacePlan] = {}
        self._attached: set[tuple[str, str]] = set()
        for link in plan.links:
            for end, other in (link.ends, link.ends[::-1]):
                self._beyond[end.node, end.name] = other
                self._attached |= {(end.node, address.partition("/")[0]) for address in other.addresses}

    def paths(self, namespace: str, address: str) -> Iterator[Path]:
        """From a host to an address, through no router twice."""
        source = self._nodes[namespace]
        for route in source.default_routes:
            if (route.family == "ipv6") == (":" in address):
                for hop in route.next_hops:
                    yield from self._onward(self._beyond[source.name, hop.interface].node, address, (), ())

    def _onward(self, router: str, address: str, path: Path, passed: tuple[str, ...]) -> Iterator[Path]:
        if (router, address) in self._attached:
            yield path
            return
        for interface in self._forwarding.get((router, address), ()):
            beyond = self._beyond.get((router, interface))
            if beyond is not None and beyond.node in self._routers and beyond.node not in passed:
                yield from self._onward(beyond.node, address, (*path, beyond.link), (*passed, router))


def taken_paths(
    sightings: Records, wires: Sequence[CaptureWire], received: Records, begin_ns: int, end_ns: int
) -> dict[int, Path]:
    """By flow, the path of the last packet that was sent and delivered meanwhile."""
    chosen = received[(received["tx_ns"] >= begin_ns) & (received["rx_ns"] < end_ns)]
    last = dict(zip(chosen["flow"].tolist(), chosen["sequence"].tolist(), strict=True))
    wanted = np.array([flow << 32 | sequence for flow, sequence in last.items()], np.int64)
    identity = sightings["flow"].astype(np.int64) << 32 | sightings["sequence"]
    paths: dict[int, list[str]] = {flow: [] for flow in last}
    for _, flow, _, wire in np.sort(sightings[np.isin(identity, wanted)], order="t_ns").tolist():
        paths[flow].append(wires[wire].link)
    return {flow: tuple(links) for flow, links in paths.items()}


def choose_flows(
    candidates: Iterable[Flow], taken: Mapping[int, Path], each: Mapping[Way, int]
) -> list[Flow]:
    """So many candidates of each way, the paths taking turns; those of no known path come last."""
    by_path: dict[Way, dict[Path | None, list[Flow]]] = {}
    for flow in candidates:
        by_path.setdefault(way_of(flow), {}).setdefault(taken.get(flow.id), []).append(flow)
    chosen: list[Flow] = []
    for way, paths in by_path.items():
        strays = paths.pop(None, [])
        longest = max(map(len, paths.values()), default=0)
        turns = [flows[turn] for turn in range(longest) for flows in paths.values() if turn < len(flows)]
        chosen += [*turns, *strays][: each[way]]
    return chosen


def uncovered(
    flows: Iterable[Flow], taken: Mapping[int, Path], possible: Mapping[Way, frozenset[Path]]
) -> list[Uncovered]:
    """Every possible path that fewer than LEAST_FLOWS flows of its way took."""
    counts = Counter((way_of(flow), taken[flow.id]) for flow in flows if flow.id in taken)
    return [
        Uncovered(way, path, counts[way, path])
        for way, paths in possible.items()
        for path in sorted(paths)
        if counts[way, path] < LEAST_FLOWS
    ]
