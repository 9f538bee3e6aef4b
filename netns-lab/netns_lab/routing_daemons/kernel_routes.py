"""The routes that a routing daemon has put into its node's kernel, by the kernel's own word.

BIRD writes next hops into each route (linux/rtnetlink.h), FRR writes nexthop objects that routes point to.
"""

import socket
import struct
from collections.abc import Iterator, Mapping

from control.routes.kernel import NetlinkKernel
from control.routes.messages import RTM_GETROUTE
from control.routes.model import KernelNexthop, NextHop
from dataplane.link_state import dump_links
from dataplane.netlink import Message, NetlinkSocket, decode_attributes, decode_integer
from netns_lab.speakers import InstalledRoute

RTPROT_BIRD, RTPROT_BGP = 12, 186
PROTOCOLS = {"bird": RTPROT_BIRD, "frr": RTPROT_BGP}
RT_TABLE_MAIN, RTN_UNICAST = 254, 1
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_MULTIPATH, RTA_NH_ID = 1, 4, 5, 9, 30

_ROUTE = struct.Struct("=8BI")  # struct rtmsg: family, lengths, tos, table, protocol, scope, type, flags
_HOP = struct.Struct("=HBBi")  # struct rtnexthop: length, flags, weight - 1, ifindex


def learned_routes(namespace: str, daemon: str) -> list[InstalledRoute]:
    """What BGP brought, in order of prefix; a route that points to no nexthop object has the id 0."""
    with NetlinkSocket(namespace) as netlink:
        names = {link.ifindex: link.name for link in dump_links(netlink)}
        messages = [
            message
            for family in (socket.AF_INET, socket.AF_INET6)
            for message in netlink.dump(
                RTM_GETROUTE, _ROUTE.pack(family, 0, 0, 0, RT_TABLE_MAIN, PROTOCOLS[daemon], 0, 0, 0)
            )
        ]
    kernel = NetlinkKernel(namespace)
    objects = {nexthop.id: nexthop for nexthop in kernel.all_nexthops()}
    kernel.close()
    routes = [route for message in messages for route in _route(message, objects, names)]
    return sorted(routes, key=lambda route: route.prefix)


def _route(
    message: Message, objects: Mapping[int, KernelNexthop], names: Mapping[int, str]
) -> Iterator[InstalledRoute]:
    family, length, _, _, _, _, _, route_type, _ = _ROUTE.unpack_from(message.body)
    if route_type != RTN_UNICAST:
        return
    attributes = decode_attributes(message.body[_ROUTE.size :])
    address = attributes.get(RTA_DST, bytes(16 if family == socket.AF_INET6 else 4))
    id = decode_integer(attributes[RTA_NH_ID]) if RTA_NH_ID in attributes else 0
    found = _of_object(id, objects) if id else _written_out(family, attributes)
    hops = sorted(((hop.gateway, names.get(hop.ifindex, "?")) for hop in found), key=lambda hop: hop[1])
    yield InstalledRoute(f"{socket.inet_ntop(family, address)}/{length}", id, tuple(hops))


def _of_object(id: int, objects: Mapping[int, KernelNexthop]) -> Iterator[NextHop]:
    if id not in objects:
        return
    for member in objects[id].members or (id,):
        if member in objects and (hop := objects[member].next_hop):
            yield hop


def _written_out(family: int, attributes: Mapping[int, bytes]) -> Iterator[NextHop]:
    if RTA_GATEWAY in attributes:
        gateway = socket.inet_ntop(family, attributes[RTA_GATEWAY])
        yield NextHop(gateway, decode_integer(attributes.get(RTA_OIF, b"\0")))
    hops = attributes.get(RTA_MULTIPATH, b"")
    while len(hops) >= _HOP.size:
        size, _, _, ifindex = _HOP.unpack_from(hops)
        inner = decode_attributes(hops[_HOP.size : size])
        if RTA_GATEWAY in inner:
            yield NextHop(socket.inet_ntop(family, inner[RTA_GATEWAY]), ifindex)
        hops = hops[max(size, _HOP.size) :]
