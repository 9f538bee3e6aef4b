"""The forwarding table of one namespace as it is wanted, as it is installed, and the operations in between.

Linux (net/ipv4/nexthop.c) removes the next hops of a device that loses carrier or is taken down, takes them
out of their groups, drops a group with its last member and routes with their group, and announces none of it.
The installed view follows the same rule when `link_down` is called.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Self

from control.routes.grouping import NO_NEXT_HOPS, Group, Grouping
from control.routes.messages import ROUTE_METRIC, UNREACHABLE_METRIC
from control.routes.model import (
    FAMILIES,
    DeleteGroup,
    DeleteNexthop,
    DeleteRoute,
    DeleteUnreachable,
    Installed,
    NextHop,
    NextHops,
    Operation,
    Prefix,
    PutGroup,
    PutNexthop,
    PutRoute,
    PutUnreachable,
    RewriteGroup,
)

NEXTHOP_IDS = range(1_000, 1_000_000)
GROUP_IDS = range(1_000_000, 1 << 31)
"""Disjoint, and no id is given twice: whoever was told of a group cannot hit another one."""


class Fib:
    """Wanted minus installed. Every method that returns operations takes them for carried out.

    A group holds those of its wanted next hops whose links are up; a prefix none of whose links is up has no
    route. Where an operation was refused the view is no longer true: `resync` it with a dump.
    """

    def __init__(self, down: Iterable[tuple[int, str]] = ()) -> None:
        self._grouping = Grouping(next_id=GROUP_IDS.start)
        self._next_nexthop_id = NEXTHOP_IDS.start
        self._nexthop_ids: dict[NextHop, int] = {}  # for good: a path that returns has its old place
        self._present: set[NextHop] = set()  # in the kernel
        self._idle: set[NextHop] = set()  # of those, perhaps in no group
        self._unreachable: set[Prefix] = set()
        self._down = set(down)
        self._doubtful: set[Group] = set()  # not known to be as wanted
        self._strays: list[Operation] = []  # remove what was found and has no place here

    @classmethod
    def from_kernel(cls, installed: Installed, down: Iterable[tuple[int, str]] = ()) -> Self:
        """The view of what another process installed; `down`: link and family of ways that are lost."""
        fib = cls(down)
        fib._adopt(installed)
        return fib

    @property
    def wanted(self) -> dict[Prefix, NextHops]:
        """What was last asked for."""
        return {prefix: group.wanted for prefix, group in self._grouping.group_of.items()}

    @property
    def groups(self) -> dict[int, NextHops]:
        """The installed groups and their members, by id."""
        return {group.id: group.members for group in self._grouping.groups.values() if group.members}

    def is_usable(self, next_hop: NextHop) -> bool:
        """Whether the link of a next hop is up, in its family."""
        return (next_hop.ifindex, next_hop.family_name) not in self._down

    def group_id(self, prefix: Prefix) -> int | None:
        """The group the installed route of a prefix points at; None without one."""
        group = self._grouping.group_of.get(prefix)
        return group.id if group and group.members else None

    def reconcile(self, wanted: Mapping[Prefix, NextHops]) -> list[Operation]:
        """Make `wanted` all there is."""
        unwanted = {prefix: NO_NEXT_HOPS for prefix in self._grouping.group_of if prefix not in wanted}
        operations = self.update({**unwanted, **wanted})
        strays, self._strays = self._strays, []
        return operations + [
            stray for stray in strays if not (isinstance(stray, DeleteRoute) and self.group_id(stray.prefix))
        ]

    def originate(self, prefixes: Iterable[Prefix]) -> list[Operation]:
        """Make `prefixes` all that is unreachable where nothing longer or learned is known."""
        wanted = set(prefixes)
        operations: list[Operation] = [PutUnreachable(p) for p in sorted(wanted - self._unreachable)]
        operations += [DeleteUnreachable(p) for p in sorted(self._unreachable - wanted)]
        self._unreachable = wanted
        return operations

    def update(self, changed: Mapping[Prefix, NextHops]) -> list[Operation]:
        """Give each prefix in `changed` its next hops, none to withdraw it, and put back what links allow.

        At every step each prefix that stays goes by its old or its new next hops: a route enters a group once
        it has its new members and leaves one before it is rewritten; where both cannot be, through a shelter.
        """
        groups, moves = self._grouping.regroup(changed, sorted(self._doubtful, key=lambda group: group.id))
        self._doubtful = set()
        plan = _Plan()
        after = {group: self._usable(group) for group in groups}
        rewritten = {
            group for group in groups if group.members != after[group] and group.members and after[group]
        }
        appearing = {group for group in groups if after[group] and not group.members}
        for group in groups:
            if group in rewritten:
                plan.rewrites.append(RewriteGroup(group.id, self._put_members(plan, after[group])))
            elif group in appearing:
                plan.new_groups.append(PutGroup(group.id, self._put_members(plan, after[group])))
                plan.early_routes += [PutRoute(prefix, group.id) for prefix in group.prefixes]
            elif group.members and not after[group]:
                plan.group_deletions.append(DeleteGroup(group.id))
        for prefixes, source, target in moves:
            if target is None or not after[target]:
                if source is not None and source.members:
                    plan.route_deletions += map(DeleteRoute, prefixes)
            elif target in rewritten:
                if source in rewritten:
                    shelter = self._grouping.new_id()
                    plan.new_groups.append(PutGroup(shelter, self._put_members(plan, after[target])))
                    plan.early_routes += [PutRoute(prefix, shelter) for prefix in prefixes]
                    plan.group_deletions.append(DeleteGroup(shelter))
                plan.late_routes += [PutRoute(prefix, target.id) for prefix in prefixes]
            elif target not in appearing:
                plan.early_routes += [PutRoute(prefix, target.id) for prefix in prefixes]
        for group in groups:
            self._idle |= group.members - after[group]
            group.members = after[group]
        self._delete_idle(plan)
        return plan.operations()

    def link_down(self, ifindex: int, families: Collection[str] = FAMILIES) -> list[Operation]:
        """Take a link that lost carrier, or the way in one family, out of all groups, until `link_up`.

        The kernel does that with each next hop that is deleted, in one step, as it does on carrier loss:
        prefixes that had no other way have no route until then. Other links that are lost are left too.
        """
        self.lose(ifindex, families)
        lost = {next_hop for next_hop in self._present if not self.is_usable(next_hop)}
        for group in self._grouping.groups.values():
            group.members -= lost
        self._present -= lost
        self._idle -= lost
        return [DeleteNexthop(self._nexthop_ids[next_hop]) for next_hop in sorted(lost)]

    def lose(self, ifindex: int, families: Collection[str] = FAMILIES) -> None:
        """Put nothing on a link any more; what is on it stays until `link_down`."""
        self._down |= {(ifindex, family) for family in families}

    def link_up(self, ifindex: int, families: Collection[str] = FAMILIES) -> None:
        """Allow a link's next hops again: the next `update`, an empty one too, puts back what is wanted."""
        back = {(ifindex, family) for family in families} & self._down
        self._down -= back
        self._doubtful |= {
            group
            for group in self._grouping.groups.values()
            if any((next_hop.ifindex, next_hop.family_name) in back for next_hop in group.wanted)
        }

    def resync(self, installed: Installed) -> list[Operation]:
        """Replace the installed view by a dump; the operations that make it as wanted."""
        wanted, unreachable = self.wanted, self._unreachable
        self._adopt(installed)
        return self.reconcile(wanted) + self.originate(unreachable)

    def _usable(self, group: Group) -> NextHops:
        """What the group is to have in the kernel: nothing if no prefix is in it."""
        if not group.prefixes:
            return NO_NEXT_HOPS
        return frozenset(filter(self.is_usable, group.wanted))

    def _put_members(self, plan: "_Plan", members: NextHops) -> tuple[int, ...]:
        """The ids of next hops, those put in the kernel first that it does not have."""
        for next_hop in sorted(members - self._present):
            self._present.add(next_hop)
            if next_hop not in self._nexthop_ids:
                self._nexthop_ids[next_hop] = self._next_nexthop_id
                self._next_nexthop_id += 1
            plan.nexthops.append(PutNexthop(self._nexthop_ids[next_hop], next_hop))
        return tuple(sorted(self._nexthop_ids[next_hop] for next_hop in members))

    def _delete_idle(self, plan: "_Plan") -> None:
        unused = self._idle.difference(*(group.members for group in self._grouping.groups.values()))
        self._idle = set()
        self._present -= unused
        plan.nexthop_deletions += [DeleteNexthop(self._nexthop_ids[next_hop]) for next_hop in sorted(unused)]

    def _adopt(self, installed: Installed) -> None:
        """Take over what has the form that this class gives it; the rest is stray."""
        objects = {nexthop.id: nexthop for nexthop in installed.nexthops}
        self._next_nexthop_id = max([self._next_nexthop_id, *(id + 1 for id in objects if id in NEXTHOP_IDS)])
        next_group_id = max([self._grouping.new_id(), *(id + 1 for id in objects if id in GROUP_IDS)])
        hops = {
            id: nexthop.next_hop for id, nexthop in objects.items() if id in NEXTHOP_IDS and nexthop.next_hop
        }
        first_ids = {next_hop: id for id, next_hop in reversed(hops.items())}
        hops = {id: next_hop for next_hop, id in first_ids.items()}
        groups = {}
        for id, nexthop in objects.items():
            if id in GROUP_IDS and nexthop.members and hops.keys() >= set(nexthop.members):
                members = frozenset(hops[member] for member in nexthop.members)
                groups[id] = Group(id, members, members)
        self._unreachable = set()
        self._strays = []
        for route in installed.routes:
            if route.unreachable and route.metric == UNREACHABLE_METRIC:
                self._unreachable.add(route.prefix)
            elif route.nexthop in groups and route.metric == ROUTE_METRIC:
                groups[route.nexthop].prefixes[route.prefix] = None
            elif route.metric == ROUTE_METRIC:
                self._strays.append(DeleteRoute(route.prefix))
        self._strays += [DeleteGroup(id) for id in objects if objects[id].members and id not in groups]
        self._strays += [DeleteNexthop(id) for id in objects if not objects[id].members and id not in hops]
        self._nexthop_ids = {
            hop: id for hop, id in self._nexthop_ids.items() if id not in objects
        } | first_ids
        self._present = set(first_ids)
        self._idle = set(first_ids)
        self._grouping = Grouping(groups.values(), next_group_id)
        self._doubtful = set(groups.values())


class _Plan:
    """Operations by stage, in the order that loses no packet."""

    def __init__(self) -> None:
        self.nexthops: list[Operation] = []
        self.new_groups: list[Operation] = []
        self.early_routes: list[Operation] = []
        self.rewrites: list[Operation] = []
        self.late_routes: list[Operation] = []
        self.route_deletions: list[Operation] = []
        self.group_deletions: list[Operation] = []
        self.nexthop_deletions: list[Operation] = []

    def operations(self) -> list[Operation]:
        return [operation for stage in vars(self).values() for operation in stage]
