"""A kernel's routing tables in memory, with the rules Linux follows silently (see control/routes/fib.py)."""

from collections.abc import Iterable

from control.routes.messages import ROUTE_METRIC, RTPROT_BGP, UNREACHABLE_METRIC
from control.routes.model import (
    DeleteGroup,
    DeleteNexthop,
    DeleteRoute,
    DeleteUnreachable,
    Installed,
    KernelNexthop,
    KernelRoute,
    NextHop,
    NextHops,
    Operation,
    Prefix,
    PutGroup,
    PutNexthop,
    PutRoute,
    PutUnreachable,
    Refused,
    RewriteGroup,
)


class ModelKernel:
    """A `Kernel` to test against; `link_down` and `link_up` are what happens to it."""

    def __init__(self) -> None:
        self.next_hop_of: dict[int, NextHop] = {}
        self.groups: dict[int, tuple[int, ...]] = {}
        self.routes: dict[Prefix, int] = {}
        self.unreachable: set[Prefix] = set()
        self.down: set[int] = set()

    def execute(self, operations: Iterable[Operation]) -> list[Refused]:
        """Carry out all operations in order; those refused, but for deleting what is gone already."""
        outcomes = [(operation, self._execute(operation)) for operation in operations]
        return [Refused(operation, reason) for operation, reason in outcomes if reason]

    def nexthops(self) -> list[KernelNexthop]:
        """The nexthop objects and groups of a dump."""
        return self.dump().nexthops

    def dump(self) -> Installed:
        """What is there now."""
        nexthops = [KernelNexthop(id, RTPROT_BGP, hop) for id, hop in self.next_hop_of.items()]
        groups = [KernelNexthop(id, RTPROT_BGP, members=ids) for id, ids in self.groups.items()]
        routes = [KernelRoute(prefix, RTPROT_BGP, ROUTE_METRIC, id) for prefix, id in self.routes.items()]
        unreachable = [
            KernelRoute(prefix, RTPROT_BGP, UNREACHABLE_METRIC, None, True) for prefix in self.unreachable
        ]
        return Installed(nexthops + groups, routes + unreachable)

    def next_hops(self, prefix: Prefix) -> NextHops:
        """Where packets to a prefix that has a route of its own can go."""
        return frozenset(self.next_hop_of[id] for id in self.groups.get(self.routes.get(prefix, 0), ()))

    def link_down(self, ifindex: int) -> None:
        """Carrier lost, or taken down."""
        self.down.add(ifindex)
        for id in [id for id, next_hop in self.next_hop_of.items() if next_hop.ifindex == ifindex]:
            self._delete_nexthop(id)

    def link_up(self, ifindex: int) -> None:
        """Carrier back: nothing else comes back with it."""
        self.down.discard(ifindex)

    def _execute(self, operation: Operation) -> str:
        """Why the operation is refused, or nothing."""
        match operation:
            case PutNexthop(id, next_hop):
                if next_hop.ifindex in self.down:
                    return "Carrier for nexthop device is down"
                self.next_hop_of[id] = next_hop
            case RewriteGroup(id, _) if id not in self.groups:
                return "Entry to be replaced does not exist"
            case PutGroup(id, members) | RewriteGroup(id, members):
                if not members or not self.next_hop_of.keys() >= set(members):
                    return "Invalid nexthop id"
                self.groups[id] = members
            case PutRoute(prefix, group):
                if group not in self.groups:
                    return "Nexthop id does not exist"
                self.routes[prefix] = group
            case PutUnreachable(prefix):
                self.unreachable.add(prefix)
            case DeleteRoute(prefix):
                self.routes.pop(prefix, None)
            case DeleteUnreachable(prefix):
                self.unreachable.discard(prefix)
            case DeleteGroup(id):
                self._delete_group(id)
            case DeleteNexthop(id):
                self._delete_nexthop(id)
        return ""

    def _delete_nexthop(self, id: int) -> None:
        self.next_hop_of.pop(id, None)
        for group, members in list(self.groups.items()):
            if id in members:
                self.groups[group] = tuple(member for member in members if member != id)
                if not self.groups[group]:
                    self._delete_group(group)

    def _delete_group(self, id: int) -> None:
        self.groups.pop(id, None)
        self.routes = {prefix: group for prefix, group in self.routes.items() if group != id}
