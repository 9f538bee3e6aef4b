"""What moves traffic off an interface at once: its next hops are deleted.

The kernel takes them out of every group in one step, whatever the groups hold by then, and a group without
members goes with its routes: as when the device loses carrier (net/ipv4/nexthop.c). So it needs to know
nothing but the next hops there are, works for whoever installed the routes, and while that one is away or
rewrites the same groups. Whoever it is asks for the same when it hears of the loss, which is harmless.
"""

from collections.abc import Collection, Iterable

from control.routes.model import (
    FAMILIES,
    DeleteNexthop,
    DeleteUnreachable,
    KernelNexthop,
    Operation,
    PutUnreachable,
)

LOOK_UP_AGAIN: tuple[Operation, ...] = tuple(
    operation(prefix)
    for prefix in ("0.0.0.0/32", "::/128")
    for operation in (PutUnreachable, DeleteUnreachable)
)
"""Has the node's own connected sockets leave the ways that they found, as any change of a table does.

Else they would send by a next hop that was deleted until its memory is freed, some 16 ms. Nothing is ever
sent to these addresses.
"""


def without_interface(
    nexthops: Iterable[KernelNexthop], ifindex: int, families: Collection[str] = FAMILIES
) -> list[DeleteNexthop]:
    """The operations that take every next hop of these families on a device away; none, if there is none."""
    return [
        DeleteNexthop(nexthop.id)
        for nexthop in nexthops
        if (hop := nexthop.next_hop) and hop.ifindex == ifindex and hop.family_name in families
    ]
