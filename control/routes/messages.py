"""The rtnetlink messages of nexthop objects and routes (linux/nexthop.h, linux/rtnetlink.h).

Left out: weights, resilient groups, encapsulation, onlink gateways, tables other than main.
"""

import errno
import socket
import struct

from control.routes.model import (
    DeleteGroup,
    DeleteNexthop,
    DeleteRoute,
    DeleteUnreachable,
    KernelNexthop,
    KernelRoute,
    NextHop,
    Operation,
    Prefix,
    PutGroup,
    PutNexthop,
    PutRoute,
    PutUnreachable,
    RewriteGroup,
    family_of,
)
from dataplane.netlink import (
    NLM_F_CREATE,
    NLM_F_REPLACE,
    DecodeError,
    Message,
    Request,
    decode_attributes,
    decode_integer,
    encode_attribute,
    encode_unsigned_attribute,
)

RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWNEXTHOP, RTM_DELNEXTHOP, RTM_GETNEXTHOP = 104, 105, 106
RTPROT_BGP = 186
RT_TABLE_MAIN, RT_SCOPE_UNIVERSE, RT_SCOPE_NOWHERE = 254, 0, 255
RTN_UNSPEC, RTN_UNICAST, RTN_UNREACHABLE = 0, 1, 7
RTA_DST, RTA_PRIORITY, RTA_NH_ID = 1, 6, 30
NHA_ID, NHA_GROUP, NHA_BLACKHOLE, NHA_OIF, NHA_GATEWAY = 1, 2, 4, 5, 6

ROUTE_METRIC = 20
"""Of learned routes: behind what the user or an address puts in, ahead of our unreachable routes."""
UNREACHABLE_METRIC = 1 << 20
"""Of the unreachable routes of originated prefixes: used only where nothing else is known."""

GONE = {errno.ENOENT, errno.ESRCH}
"""Errors that say that what was to be deleted is not there."""

_NEXTHOP = struct.Struct("=BBBxI")  # struct nhmsg: family, scope, protocol, flags
_MEMBER = struct.Struct("=IBxH")  # struct nexthop_grp: id, weight - 1, reserved
_ROUTE = struct.Struct("=8BI")  # struct rtmsg: family, lengths, tos, table, protocol, scope, type, flags
_IPV4_ROUTE = struct.Struct("=8BI HH4s HHI")  # struct rtmsg, RTA_DST, RTA_PRIORITY
_IPV6_ROUTE = struct.Struct("=8BI HH16s HHI")
_PUT = NLM_F_CREATE | NLM_F_REPLACE


def encode_operation(operation: Operation) -> Request:
    """The request that carries an operation out; raises ValueError where a prefix or gateway is none."""
    match operation:
        case PutRoute(prefix, group):
            body = _route(prefix, ROUTE_METRIC, RTN_UNICAST) + encode_unsigned_attribute(RTA_NH_ID, group)
            return Request(RTM_NEWROUTE, _PUT, body, operation)
        case DeleteRoute(prefix):
            return Request(RTM_DELROUTE, 0, _route(prefix, ROUTE_METRIC), operation)
        case PutNexthop(id, next_hop):
            return Request(RTM_NEWNEXTHOP, _PUT, _nexthop(id, next_hop), operation)
        case PutGroup(id, members):
            return Request(RTM_NEWNEXTHOP, _PUT, _group(id, members), operation)
        case RewriteGroup(id, members):
            return Request(RTM_NEWNEXTHOP, NLM_F_REPLACE, _group(id, members), operation)
        case DeleteGroup(id) | DeleteNexthop(id):
            body = _NEXTHOP.pack(socket.AF_UNSPEC, 0, 0, 0) + encode_unsigned_attribute(NHA_ID, id)
            return Request(RTM_DELNEXTHOP, 0, body, operation)
        case PutUnreachable(prefix):
            body = _route(prefix, UNREACHABLE_METRIC, RTN_UNREACHABLE)
            return Request(RTM_NEWROUTE, _PUT, body, operation)
        case DeleteUnreachable(prefix):
            return Request(RTM_DELROUTE, 0, _route(prefix, UNREACHABLE_METRIC), operation)


def nexthop_dump() -> tuple[int, bytes]:
    """Type and body of the question for all nexthop objects."""
    return RTM_GETNEXTHOP, _NEXTHOP.pack(socket.AF_UNSPEC, 0, 0, 0)


def route_dump(family: socket.AddressFamily, protocol: int = RTPROT_BGP) -> tuple[int, bytes]:
    """Type and body of the question for the routes of one family that a protocol made."""
    return RTM_GETROUTE, _ROUTE.pack(family, 0, 0, 0, RT_TABLE_MAIN, protocol, 0, 0, 0)


def decode_nexthop(message: Message) -> KernelNexthop:
    """The object of an RTM_NEWNEXTHOP; raises DecodeError."""
    family, _, protocol, _ = _header(message, RTM_NEWNEXTHOP, _NEXTHOP)
    attributes = decode_attributes(message.body[_NEXTHOP.size :])
    id = decode_integer(attributes.get(NHA_ID, b""))
    if NHA_GROUP in attributes:
        entries = attributes[NHA_GROUP]
        if len(entries) % _MEMBER.size:
            raise DecodeError(f"group of {len(entries)} octets where a multiple of 8 was expected")
        return KernelNexthop(id, protocol, members=tuple(entry[0] for entry in _MEMBER.iter_unpack(entries)))
    if NHA_GATEWAY in attributes and NHA_OIF in attributes:
        gateway = _address_text(family, attributes[NHA_GATEWAY])
        return KernelNexthop(id, protocol, NextHop(gateway, decode_integer(attributes[NHA_OIF])))
    return KernelNexthop(id, protocol)


def decode_route(message: Message) -> KernelRoute:
    """The route of an RTM_NEWROUTE; raises DecodeError."""
    family, length, _, _, _, protocol, _, route_type, _ = _header(message, RTM_NEWROUTE, _ROUTE)
    attributes = decode_attributes(message.body[_ROUTE.size :])
    address = attributes.get(RTA_DST, bytes(16 if family == socket.AF_INET6 else 4))
    nexthop = attributes.get(RTA_NH_ID)
    return KernelRoute(
        f"{_address_text(family, address)}/{length}",
        protocol,
        decode_integer(attributes.get(RTA_PRIORITY, b"\0")),
        None if nexthop is None else decode_integer(nexthop),
        route_type == RTN_UNREACHABLE,
    )


def _nexthop(id: int, next_hop: NextHop) -> bytes:
    family = next_hop.family
    return (
        _NEXTHOP.pack(family, 0, RTPROT_BGP, 0)
        + encode_unsigned_attribute(NHA_ID, id)
        + encode_attribute(NHA_GATEWAY, _packed(next_hop.gateway))
        + encode_unsigned_attribute(NHA_OIF, next_hop.ifindex)
    )


def _group(id: int, members: tuple[int, ...]) -> bytes:
    entries = b"".join(_MEMBER.pack(member, 0, 0) for member in members)
    return (
        _NEXTHOP.pack(socket.AF_UNSPEC, 0, RTPROT_BGP, 0)
        + encode_unsigned_attribute(NHA_ID, id)
        + encode_attribute(NHA_GROUP, entries)
    )


def _route(prefix: Prefix, metric: int, route_type: int = RTN_UNSPEC) -> bytes:
    """struct rtmsg and the attributes that name the route; without a type, as its deletion wants it."""
    address, _, length = prefix.partition("/")
    scope = RT_SCOPE_UNIVERSE if route_type else RT_SCOPE_NOWHERE
    packed = _packed(address)
    # One pack for all of it: tables of 100 000 routes pass here.
    layout, family = (_IPV6_ROUTE, socket.AF_INET6) if len(packed) == 16 else (_IPV4_ROUTE, socket.AF_INET)
    header = (family, int(length), 0, 0, RT_TABLE_MAIN, RTPROT_BGP, scope, route_type, 0)
    return layout.pack(*header, 4 + len(packed), RTA_DST, packed, 8, RTA_PRIORITY, metric)


def _header(message: Message, expected: int, layout: struct.Struct) -> tuple[int, ...]:
    if message.type != expected:
        raise DecodeError(f"message of type {message.type} where {expected} was expected")
    if len(message.body) < layout.size:
        raise DecodeError(f"{len(message.body)} octets where a header of {layout.size} was expected")
    return layout.unpack_from(message.body)


def _packed(address: str) -> bytes:
    try:
        return socket.inet_pton(family_of(address), address)
    except OSError:
        raise ValueError(f"expected an IP address, found {address!r}") from None


def _address_text(family: int, packed: bytes) -> str:
    try:
        return socket.inet_ntop(family, packed)
    except (ValueError, OSError):
        raise DecodeError(f"{len(packed)} octets where an address of family {family} was expected") from None
