"""Prefixes, next hops, the operations on a kernel's routing tables, and what those hold."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

Prefix: TypeAlias = str
"""address/length as inet_ntop writes the address, with no bits beyond the length."""


FAMILIES = ("ipv4", "ipv6")
"""Of next hops, by the names that plans and the guard use."""


class NextHop(NamedTuple):
    """A neighbor's address on a device; `gateway` as inet_ntop writes it."""

    gateway: str
    ifindex: int

    @property
    def family(self) -> socket.AddressFamily:
        """The address family of the gateway."""
        return family_of(self.gateway)

    @property
    def family_name(self) -> str:
        """The same, as one of FAMILIES."""
        return "ipv6" if ":" in self.gateway else "ipv4"


NextHops: TypeAlias = frozenset[NextHop]
"""The set of next hops that share a prefix's traffic; empty: no route."""


def family_of(text: str) -> socket.AddressFamily:
    """The family of an address or prefix."""
    return socket.AF_INET6 if ":" in text else socket.AF_INET


@dataclass(frozen=True, slots=True)
class PutNexthop:
    """Create or replace a nexthop object."""

    id: int
    next_hop: NextHop


@dataclass(frozen=True, slots=True)
class PutGroup:
    """Create a group of nexthop objects, or replace its members in one step."""

    id: int
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RewriteGroup:
    """Replace the members of a group in one step; refused where there is none.

    The kernel may have dropped it, its routes too, and creating it anew would hide that they are gone.
    """

    id: int
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PutRoute:
    """Point a prefix at a group, instead of where it points now, if anywhere."""

    prefix: Prefix
    group: int


@dataclass(frozen=True, slots=True)
class PutUnreachable:
    """Answer what no longer prefix takes with ICMP unreachable."""

    prefix: Prefix


@dataclass(frozen=True, slots=True)
class DeleteRoute:
    """Remove what PutRoute made."""

    prefix: Prefix


@dataclass(frozen=True, slots=True)
class DeleteUnreachable:
    """Remove what PutUnreachable made."""

    prefix: Prefix


@dataclass(frozen=True, slots=True)
class DeleteGroup:
    """Remove a group; the kernel removes the routes that still point at it."""

    id: int


@dataclass(frozen=True, slots=True)
class DeleteNexthop:
    """Remove a nexthop object; the kernel takes it out of its groups, and drops those it empties."""

    id: int


Delete: TypeAlias = DeleteRoute | DeleteUnreachable | DeleteGroup | DeleteNexthop
Operation: TypeAlias = PutNexthop | PutGroup | RewriteGroup | PutRoute | PutUnreachable | Delete


class Refused(NamedTuple):
    """An operation the kernel did not carry out, and its words."""

    operation: Operation
    reason: str

    def __str__(self) -> str:
        return f"{self.operation}: {self.reason}"


class KernelNexthop(NamedTuple):
    """A nexthop object: one next hop, a group of `members`, or neither (a blackhole)."""

    id: int
    protocol: int
    next_hop: NextHop | None = None
    members: tuple[int, ...] = ()


class KernelRoute(NamedTuple):
    """A route; `nexthop` is the id of its nexthop object or group, if it uses one."""

    prefix: Prefix
    protocol: int
    metric: int
    nexthop: int | None = None
    unreachable: bool = False


class Installed(NamedTuple):
    """The objects of one namespace that routing by BGP made."""

    nexthops: list[KernelNexthop]
    routes: list[KernelRoute]

    def groups(self) -> dict[int, NextHops]:
        """The next hops of each group, by its id."""
        hops = {nexthop.id: nexthop.next_hop for nexthop in self.nexthops if nexthop.next_hop}
        return {
            nexthop.id: frozenset(hops[id] for id in nexthop.members if id in hops)
            for nexthop in self.nexthops
            if nexthop.members
        }


class Kernel(Protocol):
    """The tables of one namespace. Nothing that Linux does to them by itself is ever announced."""

    def execute(self, operations: Iterable[Operation]) -> list[Refused]:
        """Carry out all operations in order; those refused, but for deleting what is gone already."""

    def dump(self) -> Installed:
        """What is there now."""

    def nexthops(self) -> list[KernelNexthop]:
        """The nexthop objects and groups of it: few, however many the routes."""
