"""What a node's kernel is told once: addresses, interfaces, the routes that no protocol brings.

All of it goes to the kernel as rtnetlink requests in few sends: a lab may have thousands of interfaces.
"""

import errno
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_interface

from dataplane.link_state import dump_links, set_link
from dataplane.netlink import (
    NLM_F_CREATE,
    NLM_F_REPLACE,
    NetlinkSocket,
    Request,
    encode_attribute,
)
from netns_lab.directory import LabError
from netns_lab.plan import DefaultRoute, NodePlan

# linux/rtnetlink.h, linux/if_addr.h
RTM_NEWADDR, RTM_DELADDR, RTM_NEWROUTE, RTM_DELROUTE = 20, 21, 24, 25
IFA_ADDRESS, IFA_LOCAL = 1, 2
RTA_GATEWAY, RTA_MULTIPATH = 5, 9
RTPROT_STATIC, RTN_UNICAST, RT_TABLE_MAIN, RT_SCOPE_UNIVERSE = 4, 1, 254, 0
LOOPBACK = "lo"
FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}

_GONE = (errno.EADDRNOTAVAIL, errno.ESRCH)
_PUT = NLM_F_CREATE | NLM_F_REPLACE
_ADDRESS = struct.Struct("=4BI")  # struct ifaddrmsg: family, prefix length, flags, scope, interface index
_ROUTE = struct.Struct("=8BI")  # struct rtmsg: family, lengths, tos, table, protocol, scope, type, flags
_NEXTHOP = struct.Struct("=HBBi")  # struct rtnexthop: length, flags, hops, interface index


def configure_network(node: NodePlan) -> None:
    """Gives a node its addresses and routes and takes its interfaces up; again, it changes nothing.

    Raises LabError with what the kernel refused first.
    """
    with NetlinkSocket(node.namespace) as netlink:
        ifindexes = {link.name: link.ifindex for link in dump_links(netlink)}
        refusals = netlink.execute(network_requests(node, ifindexes))
    if refusals:
        raise LabError(f"node {node.name}: the kernel refused {refusals[0]}")


def unconfigure_network(before: NodePlan, after: NodePlan) -> None:
    """Takes from a node the loopback addresses and default routes that it has no more.

    Its interfaces take their addresses with them. Again, it changes nothing. Raises LabError as above.
    """
    families = {route.family for route in after.default_routes}
    with NetlinkSocket(before.namespace) as netlink:
        ifindexes = {link.name: link.ifindex for link in dump_links(netlink)}
        requests = [
            add_address(address, LOOPBACK, ifindexes)._replace(type=RTM_DELADDR, flags=0)
            for address in before.loopback
            if address not in after.loopback
        ]
        requests += [
            _default_route(replace(route, next_hops=()), ifindexes)._replace(type=RTM_DELROUTE, flags=0)
            for route in before.default_routes
            if route.family not in families
        ]
        refusals = [refusal for refusal in netlink.execute(requests) if refusal.errno not in _GONE]
    if refusals:
        raise LabError(f"node {before.name}: the kernel refused to remove {refusals[0]}")


def network_requests(node: NodePlan, ifindexes: Mapping[str, int]) -> Iterator[Request]:
    """The requests, in the order in which the kernel must get them."""
    for address in node.loopback:
        yield add_address(address, LOOPBACK, ifindexes)
    for interface in node.interfaces:
        ifindex = ifindexes[interface.name]
        mac = bytes.fromhex(interface.mac.replace(":", ""))
        settings = set_link(ifindex, mac=mac, mtu=interface.mtu)
        yield settings._replace(purpose=f"MAC {interface.mac} and MTU {interface.mtu} of {interface.name}")
        for address in interface.addresses:
            yield add_address(address, interface.name, ifindexes)
        yield set_link(ifindex, up=True)._replace(purpose=f"taking {interface.name} up")
    for route in node.default_routes:
        yield _default_route(route, ifindexes)


def add_address(address: str, interface: str, ifindexes: Mapping[str, int]) -> Request:
    """The request that gives an interface an address, as in 10.1.0.1/24."""
    parsed = ip_interface(address)
    family = FAMILIES[f"ipv{parsed.version}"]
    body = _ADDRESS.pack(family, parsed.network.prefixlen, 0, RT_SCOPE_UNIVERSE, ifindexes[interface])
    body += encode_attribute(IFA_LOCAL, parsed.packed) + encode_attribute(IFA_ADDRESS, parsed.packed)
    return Request(RTM_NEWADDR, _PUT, body, f"address {address} of {interface}")


def _default_route(route: DefaultRoute, ifindexes: Mapping[str, int]) -> Request:
    family = FAMILIES[route.family]
    hops = b""
    for hop in route.next_hops:
        gateway = encode_attribute(RTA_GATEWAY, socket.inet_pton(family, hop.address))
        hops += _NEXTHOP.pack(_NEXTHOP.size + len(gateway), 0, 0, ifindexes[hop.interface]) + gateway
    body = _ROUTE.pack(family, 0, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, RT_SCOPE_UNIVERSE, RTN_UNICAST, 0)
    body += encode_attribute(RTA_MULTIPATH, hops) if hops else b""
    gateways = ", ".join(hop.address for hop in route.next_hops)
    return Request(RTM_NEWROUTE, _PUT, body, f"the default route by {gateways}")
