"""The addresses of a lab: given ones as they are, the rest planned, the same in every run.

A link between two routers or two hosts gets a /31 (RFC 3021) of 169.254.0.0/16 and a /127 (RFC 6164) of
fd00:169::/32; a host link a /24 and a /64 out of its router's first announced prefix of each family, the
router at 1 and the host at 2. An end left open beside a given one takes the lowest free address of the same
subnets. Loopbacks are 10.255.0.N/32 and fd00:255::N/128 in node order. What a running lab has it keeps, as
long as the planner could have chosen it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_interface,
)
from itertools import chain
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from netns_lab.models import Link, Node, Topology
    from netns_lab.plan import LabPlan

AnyAddress = IPv4Address | IPv6Address
AnyInterface = IPv4Interface | IPv6Interface
AnyNetwork = IPv4Network | IPv6Network

LINK_POOLS: tuple[tuple[AnyNetwork, int], ...] = (
    (IPv4Network("169.254.0.0/16"), 31),
    (IPv6Network("fd00:169::/32"), 127),
)
# RFC 3927 section 2.1 sets the first and the last 256 addresses aside.
RESERVED = (IPv4Network("169.254.0.0/24"), IPv4Network("169.254.255.0/24"))
LOOPBACK_POOLS = (IPv4Network("10.255.0.0/16"), IPv6Network("fd00:255::/112"))
LAN_LENGTH = {4: 24, 6: 64}


class AddressError(ValueError):
    """A link or node that cannot be addressed; `path` is its place in the topology."""

    def __init__(self, path: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


@dataclass
class AddressPlan:
    """Interface addresses by (position of the link, node), loopbacks and router ids by node."""

    links: dict[tuple[int, str], list[AnyInterface]] = field(default_factory=dict)
    loopbacks: dict[str, list[AnyInterface]] = field(default_factory=dict)
    router_ids: dict[str, str] = field(default_factory=dict)


def plan_addresses(topology: Topology, running: LabPlan | None = None) -> AddressPlan:
    """Every address of the lab, for one that runs as near to what it has as can be.

    Raises `AddressError` where a prefix is missing, too small or used up.
    """
    return _Planner(topology, running).plan()


def common_subnet(
    ours: Sequence[AnyInterface], theirs: Sequence[AnyInterface], version: int
) -> tuple[str, str] | None:
    """The first two addresses of a family, without prefix lengths, that share a subnet."""
    for one in ours:
        for other in theirs:
            if one.version == other.version == version and one.network == other.network:
                return str(one.ip), str(other.ip)
    return None


class Reach:
    """The addresses that the whole lab can reach: those inside an announced prefix."""

    def __init__(self, announced: Iterable[AnyNetwork]) -> None:
        self.prefixes = {(prefix.version, prefix.prefixlen, int(prefix[0])) for prefix in announced}
        self.lengths = {(version, length) for version, length, _ in self.prefixes}

    def __contains__(self, interface: AnyInterface) -> bool:
        for version, length in self.lengths:
            if version == interface.version:
                host_bits = interface.max_prefixlen - length
                if (version, length, int(interface.ip) >> host_bits << host_bits) in self.prefixes:
                    return True
        return False

    def best(self, addresses: Sequence[AnyInterface]) -> tuple[str, ...]:
        """Per family, IPv4 first, the first address that is reachable, else the first of all."""
        best = []
        for version in (4, 6):
            own = [interface for interface in addresses if interface.version == version]
            best += [str(interface.ip) for interface in ([i for i in own if i in self] or own)[:1]]
        return tuple(best)


class _Taken:
    """Address ranges in use, as disjoint sorted [start, end] of one family."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []

    def add(self, start: int, end: int) -> None:
        first, last = bisect_left(self.ends, start), bisect_right(self.starts, end)
        if first < last:
            start, end = min(start, self.starts[first]), max(end, self.ends[last - 1])
        self.starts[first:last] = [start]
        self.ends[first:last] = [end]

    def end_over(self, start: int, end: int) -> int | None:
        """The end of the first range that touches [start, end]."""
        at = bisect_left(self.ends, start)
        return self.ends[at] if at < len(self.ends) and self.starts[at] <= end else None


@dataclass(frozen=True, slots=True)
class _Running:
    """What a running lab has: addresses by link and node, router ids by node."""

    addresses: dict[tuple[str, str], list[AnyInterface]]
    router_ids: dict[str, str]

    @classmethod
    def of(cls, plan: LabPlan | None) -> Self:
        if plan is None:
            return cls({}, {})
        ends = [end for link in plan.links for end in link.ends]
        return cls(
            {(end.link, end.node): [ip_interface(text) for text in end.addresses] for end in ends},
            {node.name: node.router_id for node in plan.nodes},
        )


class _Planner:
    def __init__(self, topology: Topology, running: LabPlan | None) -> None:
        self.topology = topology
        self.running = _Running.of(running)
        self.result = AddressPlan()
        self.used: set[AnyAddress] = set()
        self.taken = {4: _Taken(), 6: _Taken()}
        self.cursor: dict[tuple[AnyNetwork, int], int] = {}  # by pool and length
        self.more_specific: dict[AnyNetwork, _Taken] = {}
        announced = {prefix for node in topology.nodes.values() if node.bgp for prefix in node.bgp.announce}
        self.announced = sorted(announced, key=lambda prefix: (prefix.version, int(prefix[0])))

    def plan(self) -> AddressPlan:
        self._keep_given()
        self._plan_loopbacks()
        kept = [self._keep_link(index, link) for index, link in enumerate(self.topology.links)]
        for index, link in enumerate(self.topology.links):
            given = [link.addresses.get(node) for node in link.ends]
            if link.endpoints[1].raw:  # who is beyond it has addresses that nobody here knows
                ends = [given[0] or [], []]
            elif given == [None, None]:
                ends = kept[index] or self._plan_link(index, link)
            else:
                ends = [
                    mine if mine is not None else self._beside(other or [], index, node)
                    for node, mine, other in zip(link.ends, given, given[::-1], strict=True)
                ]
            for node, addresses in zip(link.ends, ends, strict=True):
                self.result.links[index, node] = addresses
        return self.result

    def _keep_given(self) -> None:
        for network in RESERVED:
            self._take(network)
        for link in self.topology.links:
            for addresses in link.addresses.values():
                for interface in addresses:
                    self.used.add(interface.ip)
                    self._take(interface.network)
        for node in self.topology.nodes.values():
            for interface in node.loopback or []:
                self.used.add(interface.ip)
                self._take(interface.network)

    def _take(self, network: AnyNetwork) -> None:
        self.taken[network.version].add(int(network[0]), int(network[-1]))

    def _plan_loopbacks(self) -> None:
        """Loopbacks, and the router ids (RFC 6286: unique, not 0) that are the same 32 bits."""
        kept = {name: planned for name in self.topology.nodes if (planned := self._keep_loopback(name))}
        number = 0
        for name, node in self.topology.nodes.items():
            number += 1
            ipv4 = _given_ipv4(node)
            planned = kept.get(name, [])
            if not ipv4 and not planned:
                number = self._free_number(number, name)
                planned = self._loopback(number)
            self.result.loopbacks[name] = planned if node.loopback is None else node.loopback
            self.result.router_ids[name] = str((ipv4 or planned[0]).ip)

    def _keep_loopback(self, name: str) -> list[AnyInterface]:
        """The running node's, where it was planned or could have been and nobody else was given it."""
        router_id = self.running.router_ids.get(name)
        if router_id is None or _given_ipv4(self.topology.nodes[name]):
            return []
        number = int(IPv4Address(router_id)) - int(LOOPBACK_POOLS[0][0])
        if not 0 < number < LOOPBACK_POOLS[0].num_addresses or self._is_used(number):
            return []
        return self._loopback(number)

    def _loopback(self, number: int) -> list[AnyInterface]:
        planned = [_interface(pool[number], pool.max_prefixlen) for pool in LOOPBACK_POOLS]
        for interface in planned:
            self.used.add(interface.ip)
            self._take(interface.network)
        return planned

    def _free_number(self, number: int, name: str) -> int:
        while self._is_used(number):
            number += 1
            if number == LOOPBACK_POOLS[0].num_addresses:
                raise AddressError(("nodes", name), f"no loopback address is left in {LOOPBACK_POOLS[0]}")
        return number

    def _is_used(self, number: int) -> bool:
        return any(pool[number] in self.used for pool in LOOPBACK_POOLS)

    def _keep_link(self, index: int, link: Link) -> list[list[AnyInterface]] | None:
        """The running link's addresses, where they are what could be planned for it now."""
        known = [self.running.addresses.get((link.name, node), []) for node in link.nodes]
        if link.addresses or link.endpoints[1].raw or not all(known):
            return None
        subnets = [interface.network for interface in known[0]]
        pools = self._pools(index, link)
        fits = len(subnets) == len(pools) and all(
            subnet.version == pool.version
            and subnet.prefixlen == length
            and int(pool[0]) <= int(subnet[0]) <= int(pool[-1])
            and not self._ends_over(pool, int(subnet[0]), int(subnet[-1]))
            for subnet, (pool, length) in zip(subnets, pools, strict=True)
        )
        if not fits or self._ends_in(link, subnets) != known:
            return None
        for subnet in subnets:
            self._take(subnet)
        return known

    def _plan_link(self, index: int, link: Link) -> list[list[AnyInterface]]:
        subnets = [self._next_subnet(pool, length, index) for pool, length in self._pools(index, link)]
        return self._ends_in(link, subnets)

    def _pools(self, index: int, link: Link) -> list[tuple[AnyNetwork, int]]:
        """Where the subnets of a link come from, and how long their prefixes are."""
        router = self._router_of_host_link(link)
        if not router:
            return list(LINK_POOLS)
        bgp = self.topology.nodes[router].bgp
        by_family = {prefix.version: prefix for prefix in reversed(bgp.announce if bgp else [])}
        if not by_family:
            message = (
                f"{router} announces no prefix to plan addresses from, expected `announce` or `addresses`"
            )
            raise AddressError(("links", index), message)
        for version, prefix in sorted(by_family.items()):
            if prefix.prefixlen > LAN_LENGTH[version]:
                message = (
                    f"{prefix} of {router} is too small to plan a /{LAN_LENGTH[version]} from, "
                    "expected `addresses`"
                )
                raise AddressError(("links", index), message)
        return [(by_family[version], LAN_LENGTH[version]) for version in sorted(by_family)]

    def _ends_in(self, link: Link, subnets: Sequence[AnyNetwork]) -> list[list[AnyInterface]]:
        """The addresses of both ends in the subnets of their link."""
        router = self._router_of_host_link(link)
        places = [1 if node == router else 2 for node in link.ends] if router else [0, 1]
        return [[_interface(subnet[place], subnet.prefixlen) for subnet in subnets] for place in places]

    def _router_of_host_link(self, link: Link) -> str | None:
        routers = [node for node in link.nodes if self.topology.nodes[node].is_router]
        return routers[0] if len(routers) == 1 else None

    def _next_subnet(self, pool: AnyNetwork, length: int, index: int) -> AnyNetwork:
        """The next subnet of `pool` that touches nothing in use and nobody's more specific prefix."""
        size = 1 << (pool.max_prefixlen - length)
        start = self.cursor.get((pool, length), int(pool[0]))
        while start <= int(pool[-1]):
            ends = self._ends_over(pool, start, start + size - 1)
            if not ends:
                self.cursor[pool, length] = start + size
                subnet = IPv4Network((start, length)) if pool.version == 4 else IPv6Network((start, length))
                self._take(subnet)
                return subnet
            start = (max(ends) // size + 1) * size
        message = f"no free /{length} is left in {pool} for this link, expected `addresses`"
        raise AddressError(("links", index), message)

    def _ends_over(self, pool: AnyNetwork, start: int, end: int) -> list[int]:
        """Where the ranges end that keep [start, end] of a pool from being planned."""
        ranges = self.taken[pool.version], self._inside(pool)
        return [last for taken in ranges if (last := taken.end_over(start, end)) is not None]

    def _inside(self, pool: AnyNetwork) -> _Taken:
        """More specific prefixes that someone announces: the lab would look for the host there."""
        if pool not in self.more_specific:
            inside = self.more_specific[pool] = _Taken()
            key = (pool.version, int(pool[0]))
            first = bisect_left(self.announced, key, key=lambda prefix: (prefix.version, int(prefix[0])))
            for prefix in self.announced[first:]:
                if prefix.version != pool.version or int(prefix[0]) > int(pool[-1]):
                    break
                if prefix.prefixlen > pool.prefixlen:
                    inside.add(int(prefix[0]), int(prefix[-1]))
        return self.more_specific[pool]

    def _beside(self, given: list[AnyInterface], index: int, node: str) -> list[AnyInterface]:
        """One free address in each subnet of the other end."""
        known = self.running.addresses.get((self.topology.links[index].name, node), [])
        addresses: list[AnyInterface] = []
        for network in dict.fromkeys(interface.network for interface in given):
            last = network.num_addresses - (2 if network.version == 4 and network.num_addresses > 2 else 1)
            numbers = range(0 if network.num_addresses <= 2 else 1, min(last, len(self.used) + 2) + 1)
            first = [interface.ip for interface in known if interface.network == network]
            choices = chain(first, (network[at] for at in numbers))
            free = next((address for address in choices if address not in self.used), None)
            if free is None:
                raise AddressError(
                    ("links", index), f"no free address is left in {network} for the other end"
                )
            self.used.add(free)
            addresses.append(_interface(free, network.prefixlen))
        return addresses


def _given_ipv4(node: Node) -> AnyInterface | None:
    return next((interface for interface in node.loopback or [] if interface.version == 4), None)


def _interface(address: AnyAddress, length: int) -> AnyInterface:
    kind = IPv4Interface if address.version == 4 else IPv6Interface
    return kind((int(address), length))
