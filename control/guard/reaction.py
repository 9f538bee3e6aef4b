"""What moves traffic off an interface at once: the nexthop groups without its next hops.

It needs to know nothing but what the kernel holds now, so it works for whoever installed the routes, and
while that one is away. Whoever it is makes the same change when it hears of the loss, which is harmless.
"""

from collections.abc import Collection, Iterable

from control.routes.model import (
    FAMILIES,
    DeleteNexthop,
    KernelNexthop,
    Operation,
    RewriteGroup,
)


def without_interface(
    nexthops: Iterable[KernelNexthop], ifindex: int, families: Collection[str] = FAMILIES
) -> list[Operation]:
    """The operations that take every next hop of these families on a device out of its groups, then away.

    A group left without members the kernel deletes with the last of them, and its routes with it: as it does
    when the device loses carrier (net/ipv4/nexthop.c). It alone knows whether one is left: whoever installed
    the group may be giving it other members meanwhile. None where there is nothing to move.
    """
    objects = list(nexthops)
    lost = {
        nexthop.id
        for nexthop in objects
        if nexthop.next_hop
        and nexthop.next_hop.ifindex == ifindex
        and nexthop.next_hop.family_name in families
    }
    operations: list[Operation] = []
    for group in objects:
        if lost.isdisjoint(group.members):
            continue
        if remaining := tuple(member for member in group.members if member not in lost):
            operations.append(RewriteGroup(group.id, remaining))
    return [*operations, *map(DeleteNexthop, sorted(lost))]
