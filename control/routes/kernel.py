"""The tables of one namespace, reached over rtnetlink from outside it."""

import socket
from collections.abc import Iterable
from pathlib import Path

from control.routes.messages import (
    GONE,
    RTPROT_BGP,
    decode_nexthop,
    decode_route,
    encode_operation,
    nexthop_dump,
    route_dump,
)
from control.routes.model import Delete, Installed, KernelNexthop, Operation, Refused
from dataplane.netlink import NetlinkSocket


class NetlinkKernel:
    """The Linux implementation of `Kernel`; wants sysctl net.ipv4.nexthop_compat_mode=0 there to be fast."""

    def __init__(self, namespace: str | Path | None = None) -> None:
        self._netlink = NetlinkSocket(namespace)

    def close(self) -> None:
        """Give the descriptor back; again is harmless."""
        self._netlink.close()

    def execute(self, operations: Iterable[Operation]) -> list[Refused]:
        """Carry out all operations in order; those refused, but for deleting what is gone already."""
        refused = []
        for request, number, reason in self._netlink.execute(map(encode_operation, operations)):
            assert isinstance(request.purpose, Operation)
            if not (isinstance(request.purpose, Delete) and number in GONE):
                refused.append(Refused(request.purpose, reason))
        return refused

    def dump(self) -> Installed:
        """What is there now and was made by BGP. Raises NetlinkError where it changes all the time."""
        families = (socket.AF_INET, socket.AF_INET6)
        routes = [
            decode_route(message)
            for family in families
            for message in self._netlink.dump(*route_dump(family))
        ]
        return Installed(self.nexthops(), routes)

    def nexthops(self) -> list[KernelNexthop]:
        """The nexthop objects and groups there are now that BGP made: few, however many the routes."""
        nexthops = map(decode_nexthop, self._netlink.dump(*nexthop_dump()))
        return [nexthop for nexthop in nexthops if nexthop.protocol == RTPROT_BGP]
