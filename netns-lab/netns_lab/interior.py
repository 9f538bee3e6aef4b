"""What an interior gateway protocol would find: least-cost routes between the routers of one AS (pure).

The routes belong to the plan and do not follow failures: a route is lost with the last of its first hops,
and no longer way takes its place. Ways of equal cost are all used.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from netns_lab.plan import InteriorRoute, NextHop


@dataclass(frozen=True, slots=True)
class Adjacency:
    """One direction of a link between two routers of an AS, in one family: `next_hop` is `peer`'s address on
    the link and `node`'s interface to it."""

    node: str
    peer: str
    cost: int
    next_hop: NextHop


def interior_routes(
    adjacencies: Iterable[Adjacency], addresses: Mapping[str, Sequence[str]]
) -> dict[str, tuple[InteriorRoute, ...]]:
    """The routes of each router to every address of the others that it can reach, by router.

    `addresses` are of one family, without prefix length, by the router that has them or that they lie behind.
    """
    neighbors: dict[str, list[Adjacency]] = {}
    for adjacency in adjacencies:
        neighbors.setdefault(adjacency.node, []).append(adjacency)
    routes: dict[str, tuple[InteriorRoute, ...]] = {}
    for source in neighbors:
        costs, first_hops = _shortest_paths(source, neighbors)
        routes[source] = tuple(
            InteriorRoute(
                f"{address}/{128 if ':' in address else 32}",
                tuple(hop.next_hop for hop in neighbors[source] if hop in first_hops[router]),
                costs[router],
            )
            for router in addresses
            if router in costs and router != source
            for address in addresses[router]
        )
    return routes


def _shortest_paths(
    source: str, neighbors: Mapping[str, Sequence[Adjacency]]
) -> tuple[dict[str, int], dict[str, set[Adjacency]]]:
    """Dijkstra's algorithm: by router the least cost, and every first hop of a way that costs no more.

    No cost is 0, so all ways of least cost to a router are known when its turn comes.
    """
    costs = {source: 0}
    first_hops: dict[str, set[Adjacency]] = {source: set()}
    waiting, done = [(0, source)], set[str]()
    while waiting:
        cost, node = heapq.heappop(waiting)
        if node in done:
            continue
        done.add(node)
        for adjacency in neighbors.get(node, ()):
            peer, through = adjacency.peer, cost + adjacency.cost
            hops = {adjacency} if node == source else first_hops[node]
            if peer not in costs or through < costs[peer]:
                costs[peer], first_hops[peer] = through, set(hops)
                heapq.heappush(waiting, (through, peer))
            elif through == costs[peer]:
                first_hops[peer] |= hops
    return costs, first_hops
