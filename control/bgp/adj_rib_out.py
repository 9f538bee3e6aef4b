"""ExaBGP's Adj-RIB-Out as octets: what a neighbor is to be told, and its UPDATEs (RFC 4271, 4760).

ExaBGP 5.0 keeps four objects and a copy of the attributes for every prefix and neighbor, 1.8 kB, and copies
and indexes them on their way through. Here a prefix is its octets in an UPDATE and a reference to attributes
that it shares with all it was announced with. Left out: everything but unicast, paths with an identifier
(RFC 7911), and routes from the configuration file. A session has one family.
"""

# mypy: disable-error-code="import-untyped"

import socket
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from exabgp.bgp.message import Message
from exabgp.bgp.message.open.capability.negotiated import Negotiated
from exabgp.bgp.message.update.attribute.attributes import Attributes
from exabgp.protocol.family import AFI, SAFI

_NATIVE = (AFI.ipv4, SAFI.unicast)
_LENGTH = struct.Struct("!H")
_ATTRIBUTE = struct.Struct("!BBH")  # flags, type, length of two octets
_OPTIONAL_EXTENDED = 0x90
_MP_REACH_NLRI, _MP_UNREACH_NLRI = 14, 15


@dataclass(frozen=True, slots=True, eq=False)
class Announcement:
    """Attributes as ExaBGP has them, and the next hop in octets; the same object for all that share them."""

    attributes: Attributes
    next_hop: bytes


def nlri(prefix: str) -> bytes:
    """A prefix as an UPDATE has it: the length, and as many octets of the address as that needs."""
    address, _, text = prefix.partition("/")
    octets = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    length = int(text)
    return bytes((length,)) + octets[: (length + 7) // 8]


class AdjRibOut:
    """In place of exabgp.rib.outgoing.OutgoingRIB, with as much of it as ExaBGP uses for our commands.

    It lasts as long as ExaBGP has the neighbor; every session begins with all of it.
    """

    def __init__(self, _: bool, families: Iterable[tuple[AFI, SAFI]]) -> None:
        self.families = families
        self._wanted: dict[bytes, Announcement] = {}
        self._pending: dict[bytes, None] = {}  # an ordered set: what changed since `updates`

    def announce(self, announcement: Announcement, prefixes: Iterable[bytes]) -> None:
        """Prefixes in octets that the neighbor is to hear of with these attributes from now on."""
        for prefix in prefixes:
            if self._wanted.get(prefix) is not announcement:
                self._wanted[prefix] = announcement
                self._pending[prefix] = None

    def withdraw(self, prefixes: Iterable[bytes]) -> None:
        """Prefixes that the neighbor is to hear of no more."""
        for prefix in prefixes:
            if self._wanted.pop(prefix, None) is not None:
                self._pending[prefix] = None

    def pending(self) -> bool:
        """Whether there is anything to send."""
        return bool(self._pending)

    def updates(self, _: bool) -> "Iterator[_Update]":
        """What the neighbor has not been told; from then on it counts as told."""
        pending, self._pending = self._pending, {}
        (family,) = self.families
        groups: defaultdict[Announcement | None, list[bytes]] = defaultdict(list)
        for prefix in pending:
            groups[self._wanted.get(prefix)].append(prefix)
        if withdrawn := groups.pop(None, None):
            yield _Update(family, None, withdrawn)
        for announcement, prefixes in groups.items():
            yield _Update(family, announcement, prefixes)

    def reset(self) -> None:
        """The session ended: nobody is there to be told anything."""
        self._pending = {}

    def clear(self) -> None:
        """Back to the beginning."""
        self._wanted, self._pending = {}, {}

    def resend(self, enhanced_refresh: bool, family: object = None) -> None:
        """All of it is to be sent once more."""
        self._pending = dict.fromkeys((*self._pending, *self._wanted))

    def replace_restart(self, previous: object, new: object) -> None:
        """A session begins: the neighbor knows nothing yet."""
        self._pending = dict.fromkeys(self._wanted)

    def replace_reload(self, previous: object, new: object) -> None:
        """The configuration, which has no routes, was read again."""

    def delete_cached_family(self, families: object) -> None:
        """The configuration was read again; a neighbor of another family would be another neighbor."""

    def cached_changes(self, families: object = None, actions: object = None) -> Iterator[object]:
        """For `show adj-rib out`, which nobody asks for."""
        return iter(())

    queued_changes = cached_changes


@dataclass(frozen=True, slots=True)
class _Update:
    """Prefixes of one announcement, or, without one, withdrawn: for ExaBGP an Update that is sent."""

    family: tuple[AFI, SAFI]
    announcement: Announcement | None
    prefixes: Sequence[bytes]

    def messages(self, negotiated: Negotiated, include_withdraw: bool = True) -> Iterator[bytes]:
        """UPDATE messages, each as long as may be. A neighbor that knows nothing yet hears no withdrawals."""
        if self.family not in negotiated.families or not (self.announcement or include_withdraw):
            return
        room = negotiated.msg_size - Message.HEADER_LEN - 2 * _LENGTH.size
        if self.announcement is None:
            yield from self._withdrawals(room)
        else:
            attributes = self.announcement.attributes.pack(negotiated)
            yield from self._announcements(attributes, self.announcement.next_hop, room - len(attributes))

    def _withdrawals(self, room: int) -> Iterator[bytes]:
        if self.family == _NATIVE:
            for field in _filled(self.prefixes, room):
                yield _message(field, b"")
        else:
            header = _packed(self.family)
            for field in _filled(self.prefixes, room - _ATTRIBUTE.size - len(header)):
                yield _message(b"", _attribute(_MP_UNREACH_NLRI, header + field))

    def _announcements(self, attributes: bytes, next_hop: bytes, room: int) -> Iterator[bytes]:
        if self.family == _NATIVE:
            for field in _filled(self.prefixes, room):
                yield _message(b"", attributes, field)
        else:
            header = _packed(self.family) + bytes((len(next_hop),)) + next_hop + b"\0"
            for field in _filled(self.prefixes, room - _ATTRIBUTE.size - len(header)):
                yield _message(b"", attributes + _attribute(_MP_REACH_NLRI, header + field))


def _packed(family: tuple[AFI, SAFI]) -> bytes:
    afi, safi = family
    packed: bytes = afi.pack() + safi.pack()
    return packed


def _filled(prefixes: Sequence[bytes], room: int) -> Iterator[bytes]:
    """Prefixes one behind the other, as many as fit at a time; of attributes that leave no room, nothing."""
    longest = max(map(len, prefixes))
    if room < longest:
        return
    at_once = room // longest
    for start in range(0, len(prefixes), at_once):
        yield b"".join(prefixes[start : start + at_once])


def _attribute(code: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_OPTIONAL_EXTENDED, code, len(value)) + value


def _message(withdrawn: bytes, attributes: bytes, announced: bytes = b"") -> bytes:
    body = _LENGTH.pack(len(withdrawn)) + withdrawn + _LENGTH.pack(len(attributes)) + attributes + announced
    header = Message.MARKER + _LENGTH.pack(Message.HEADER_LEN + len(body))
    return bytes(header) + bytes((Message.CODE.UPDATE,)) + body
