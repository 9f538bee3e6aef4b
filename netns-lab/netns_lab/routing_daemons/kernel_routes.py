"""The routes that a routing daemon has put into its node's kernel, by the kernel's own word.

Both daemons write next hops into each route, into no nexthop objects (linux/rtnetlink.h).
"""

import socket
import struct
from collections.abc import Iterator, Mapping

from control.routes.messages import RTA_DST, RTPROT_BGP, route_dump
from control.routes.model import NextHop
from dataplane.link_state import dump_links
from dataplane.netlink import Message, NetlinkSocket, decode_attributes, decode_integer
from netns_lab.installed_routes import InstalledRoute, in_order

RTPROT_BIRD = 12
PROTOCOLS = {"bird": RTPROT_BIRD, "frr": RTPROT_BGP}
RTA_OIF, RTA_GATEWAY, RTA_MULTIPATH = 4, 5, 9
NO_OBJECT = 0

_ROUTE = struct.Struct("=BB10x")  # struct rtmsg: family, length of the prefix
_HOP = struct.Struct("=HBBi")  # struct rtnexthop: length, flags, weight - 1, ifindex


def learned_routes(namespace: str, daemon: str) -> list[InstalledRoute]:
    """What BGP brought, in order of prefix."""
    with NetlinkSocket(namespace) as netlink:
        names = {link.ifindex: link.name for link in dump_links(netlink)}
        messages = [
            message
            for family in (socket.AF_INET, socket.AF_INET6)
            for message in netlink.dump(*route_dump(family, PROTOCOLS[daemon]))
        ]
    routes = (decode_learned(message, names) for message in messages)
    return sorted((route for route in routes if route.next_hops), key=lambda route: route.prefix)


def decode_learned(message: Message, names: Mapping[int, str]) -> InstalledRoute:
    """The route of an RTM_NEWROUTE; an unreachable one has no next hops. `names` are the devices'."""
    family, length = _ROUTE.unpack_from(message.body)
    attributes = decode_attributes(message.body[_ROUTE.size :])
    address = attributes.get(RTA_DST, bytes(16 if family == socket.AF_INET6 else 4))
    found = _next_hops(family, attributes)
    hops = in_order((hop.gateway, names.get(hop.ifindex, "?")) for hop in found)
    return InstalledRoute(f"{socket.inet_ntop(family, address)}/{length}", NO_OBJECT, hops)


def _next_hops(family: int, attributes: Mapping[int, bytes]) -> Iterator[NextHop]:
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
