"""Which nexthop group each prefix belongs to: one group per distinct set of next hops.

A group is a name that outlives its set. When the set of a whole group changes, the group changes under its
prefixes; when its prefixes part, the largest part keeps it; when two groups come to the same set, the one
with fewer prefixes gives them to the other.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from control.routes.model import NextHops, Prefix

NO_NEXT_HOPS: NextHops = frozenset()


@dataclass(slots=True, eq=False)
class Group:
    """`wanted` by who decides; `members`, those in the kernel: none, and the kernel has no such group."""

    id: int
    wanted: NextHops
    members: NextHops = NO_NEXT_HOPS
    prefixes: dict[Prefix, None] = field(default_factory=dict)  # an ordered set


class Move(NamedTuple):
    """Prefixes that went from one group to another; no source: they are new, no target: they are gone."""

    prefixes: list[Prefix]
    source: Group | None
    target: Group | None


Parts: TypeAlias = dict[Group | None, dict[NextHops, list[Prefix]]]
"""What parts from each group towards which set; of groups listed empty, nothing."""


class Grouping:
    """Groups by id, and the group of each prefix."""

    def __init__(self, groups: Iterable[Group] = (), next_id: int = 1) -> None:
        self.groups = {group.id: group for group in groups}
        self.group_of = {prefix: group for group in self.groups.values() for prefix in group.prefixes}
        self._by_set = {group.wanted: group for group in self.groups.values()}
        self._next_id = next_id

    def new_id(self) -> int:
        """An id never given before."""
        self._next_id += 1
        return self._next_id - 1

    def regroup(
        self, changed: Mapping[Prefix, NextHops], doubtful: Iterable[Group] = ()
    ) -> tuple[list[Group], list[Move]]:
        """Give each prefix its new set; the groups that had a part in it, left empty or not, and the moves.

        Costs as much as changed, unless two groups become one.

        `doubtful` groups are looked at too: whether any prefix is left in them, and no other has their set.
        """
        parts: Parts = {group: {} for group in doubtful}
        for prefix, wanted in changed.items():
            group = self.group_of.get(prefix)
            if wanted != (group.wanted if group else NO_NEXT_HOPS):
                parts.setdefault(group, {}).setdefault(wanted, []).append(prefix)
        holders = self._choose_holders(parts)
        self._part_remainders(parts, holders)
        for wanted in [wanted for leaving in parts.values() for wanted in leaving if wanted]:
            if wanted not in holders:
                holders[wanted] = Group(self.new_id(), wanted)
        moves = [
            Move(prefixes, group, holders.get(wanted))
            for group, leaving in parts.items()
            for wanted, prefixes in leaving.items()
            if holders.get(wanted) is not group or group is None
        ]
        self._apply(parts, holders, moves)
        groups = [group for group in dict.fromkeys([*parts, *holders.values()]) if group is not None]
        return groups, moves

    def _choose_holders(self, parts: Parts) -> dict[NextHops, Group]:
        """The group that is to have each set: among those whose largest part wants it, the one with most."""
        claims: dict[NextHops, list[tuple[int, int, Group]]] = {}
        for group, leaving in parts.items():
            if group is None:
                continue
            staying = len(group.prefixes) - sum(map(len, leaving.values()))
            largest, count = group.wanted, staying
            for wanted, prefixes in leaving.items():
                if wanted and len(prefixes) > count:
                    largest, count = wanted, len(prefixes)
            if count:
                claims.setdefault(largest, []).append((count, -group.id, group))
        for wanted in {*claims, *(wanted for leaving in parts.values() for wanted in leaving)}:
            group = self._by_set.get(wanted)
            if group is not None and group not in parts:
                claims.setdefault(wanted, []).append((len(group.prefixes), -group.id, group))
        return {wanted: max(claimants)[2] for wanted, claimants in claims.items()}

    def _part_remainders(self, parts: Parts, holders: Mapping[NextHops, Group]) -> None:
        """Where a group does not keep its set, those of its prefixes that still want it part from it too."""
        for wanted in holders:
            group = self._by_set.get(wanted)
            if group is not None:
                parts.setdefault(group, {})
        for group, leaving in parts.items():
            if group is not None and holders.get(group.wanted) is not group:
                parting = {prefix for prefixes in leaving.values() for prefix in prefixes}
                remainder = [prefix for prefix in group.prefixes if prefix not in parting]
                if remainder:
                    leaving[group.wanted] = remainder

    def _apply(self, parts: Parts, holders: Mapping[NextHops, Group], moves: Iterable[Move]) -> None:
        for group in parts:
            if group is not None and self._by_set.get(group.wanted) is group:
                del self._by_set[group.wanted]
        for prefixes, source, target in moves:
            if source is not None:
                for prefix in prefixes:
                    del source.prefixes[prefix], self.group_of[prefix]
            if target is not None:
                target.prefixes.update(dict.fromkeys(prefixes))
                self.group_of.update(dict.fromkeys(prefixes, target))
        for wanted, group in holders.items():
            group.wanted = wanted
            self._by_set[wanted] = group
            self.groups[group.id] = group
        for group in parts:
            if group is not None and not group.prefixes:
                del self.groups[group.id]
