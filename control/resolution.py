"""Where next hops of BGP lie (RFC 4271 sections 5.1.3 and 9.1.2.1): on a link, or behind interior routes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from control.bgp.decision import Path
from control.routes.grouping import NO_NEXT_HOPS
from control.routes.model import NextHop, NextHops


@dataclass(frozen=True, slots=True)
class Interior:
    """A route inside this AS; `cost` is the sum of the costs of the links it takes."""

    next_hops: NextHops
    cost: int


class Resolution:
    """Resolves next hops through `interior`, routes by prefix, of which the longest match counts.

    `ifindexes` has the interface to each neighbor in another AS, whose own address is on the link there. An
    interior route counts while one of its next hops is `usable`: after that has changed, `refresh`.
    """

    def __init__(
        self,
        interior: Mapping[str, Interior],
        ifindexes: Mapping[str, int],
        usable: Callable[[NextHop], bool],
    ) -> None:
        self._interior = {ip_network(prefix): route for prefix, route in interior.items()}
        self._ifindexes = ifindexes
        self._usable = usable
        self._matches: dict[str, Interior | None] = {}
        self._resolvable = self._usable_routes()

    def cost(self, path: Path) -> int | None:
        """The interior cost to the path's next hop; None where it cannot be resolved."""
        if self._is_on_link(path):
            return 0
        route = self._match(path.next_hop)
        return route.cost if route is not None and route in self._resolvable else None

    def next_hops(self, path: Path) -> NextHops:
        """The next hops on links that lead to the path's."""
        if self._is_on_link(path):
            return frozenset({NextHop(path.next_hop, self._ifindexes[path.neighbor])})
        route = self._match(path.next_hop)
        return NO_NEXT_HOPS if route is None else route.next_hops

    def refresh(self) -> bool:
        """Look again what is usable; whether that changes the cost of any next hop."""
        before, self._resolvable = self._resolvable, self._usable_routes()
        return before != self._resolvable

    def _usable_routes(self) -> set[Interior]:
        return {route for route in self._interior.values() if any(map(self._usable, route.next_hops))}

    def _is_on_link(self, path: Path) -> bool:
        """A neighbor in another AS is next hop itself, or by its link-local address (RFC 2545 section 3)."""
        return path.neighbor in self._ifindexes and (
            path.next_hop == path.neighbor or path.next_hop.startswith("fe80:")
        )

    def _match(self, address: str) -> Interior | None:
        if address not in self._matches:
            value = ip_address(address)
            matching = [network for network in self._interior if value in network]
            longest = max(matching, key=lambda network: network.prefixlen, default=None)
            self._matches[address] = None if longest is None else self._interior[longest]
        return self._matches[address]
