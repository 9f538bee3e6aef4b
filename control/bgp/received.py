"""An UPDATE that ExaBGP has received, its IPv4 prefixes read at once (RFC 4271 section 4.3).

ExaBGP 5.0 makes four objects of each prefix, on their way to one line of JSON. Here all that an UPDATE
announces is one object in their place, and all it withdraws another. What is in attributes, as IPv6 prefixes
are, and the attributes themselves are read by ExaBGP.
"""

# mypy: disable-error-code="import-untyped"

import socket
from collections.abc import Iterator
from dataclasses import dataclass

from exabgp.bgp.message import Action
from exabgp.bgp.message.direction import Direction
from exabgp.bgp.message.notification import Notify
from exabgp.bgp.message.open.capability.negotiated import Negotiated
from exabgp.bgp.message.update import Update
from exabgp.bgp.message.update.attribute import Attribute, Attributes
from exabgp.protocol.family import AFI, SAFI, Family
from exabgp.protocol.ip import NoNextHop

_OCTETS, _BITS = 4, 32
EXABGPS_OWN = Update.unpack_message


@dataclass(slots=True)
class Prefixes:
    """IPv4 prefixes with an action and a next hop in common; to ExaBGP, one NLRI."""

    prefixes: tuple[str, ...]
    action: int
    nexthop: object = NoNextHop

    def family(self) -> Family:
        return Family(AFI.ipv4, SAFI.unicast)

    def index(self) -> bytes:
        """What ExaBGP would keep them by in an Adj-RIB-In, which it does not keep."""
        return b""

    def json(self, announced: bool = True, compact: bool = False) -> str:
        """The items of a list, as ExaBGP writes each of its own."""
        return ", ".join(f'{{ "nlri": "{prefix}" }}' for prefix in self.prefixes)


def unpack_message(data: bytes, direction: Direction, negotiated: Negotiated) -> Update:
    """In place of Update.unpack_message. Raises Notify."""
    withdrawn, attributes, announced = Update.split(data)
    addpath = negotiated.addpath.receive(AFI.ipv4, SAFI.unicast)
    if (not withdrawn and not announced) or addpath or direction != Direction.IN:
        return EXABGPS_OWN(data, direction, negotiated)
    update = EXABGPS_OWN(Update.prefix(b"") + Update.prefix(attributes), direction, negotiated)
    if not isinstance(update, Update):  # nothing in it: alone it would be an End-of-RIB
        update = Update([], Attributes())
    if withdrawn:
        update.nlris.append(Prefixes(tuple(_read(withdrawn)), Action.WITHDRAW))
    if announced:
        nexthop = update.attributes.get(Attribute.CODE.NEXT_HOP, NoNextHop)
        update.nlris.append(Prefixes(tuple(_read(announced)), Action.ANNOUNCE, nexthop))
    return update


def _read(octets: bytes) -> Iterator[str]:
    """Prefixes in text, without what stands beyond their length, which is irrelevant. Raises Notify."""
    position, end = 0, len(octets)
    while position < end:
        length = octets[position]
        following = position + 1 + (length + 7) // 8
        if length > _BITS or following > end:
            raise Notify(3, 10, f"{end - position} octets where an IPv4 prefix was expected")
        address = octets[position + 1 : following].ljust(_OCTETS, b"\0")
        if length % 8:
            beyond = (1 << (_BITS - length)) - 1
            address = (int.from_bytes(address, "big") & ~beyond).to_bytes(_OCTETS, "big")
        yield f"{socket.inet_ntoa(address)}/{length}"
        position = following
