"""What BGP talks about: families, path attributes (RFC 4271 section 5) and the events a speaker reports.

Prefixes and addresses are text in the one canonical form `canonical_prefix` and `canonical_address` give,
so they compare and hash as what they mean. Left out: AS_SET (RFC 9774), extended and large communities,
ADD-PATH.
"""

import socket
from dataclasses import dataclass, field
from enum import Enum

GRACEFUL_SHUTDOWN = 0xFFFF0000
"""The session will be taken down: use this path last (RFC 8326)."""
NO_EXPORT = 0xFFFFFF01
NO_ADVERTISE = 0xFFFFFF02
NO_EXPORT_SUBCONFED = 0xFFFFFF03
"""Well-known communities, RFC 1997."""


_COMMUNITY_NAMES = {
    "graceful-shutdown": GRACEFUL_SHUTDOWN,
    "no-export": NO_EXPORT,
    "no-advertise": NO_ADVERTISE,
    "no-export-subconfed": NO_EXPORT_SUBCONFED,
}


class DecodeError(ValueError):
    """A line, address or prefix from outside that is not what it should be."""


class AddressFamily(Enum):
    """AFI and SAFI (RFC 4760) by the names ExaBGP uses."""

    IPV4_UNICAST = "ipv4 unicast"
    IPV6_UNICAST = "ipv6 unicast"


class Origin(Enum):
    """ORIGIN (RFC 4271 section 5.1.1), lowest preferred first."""

    IGP = "igp"
    EGP = "egp"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class PathAttributes:
    """What a path carries besides its next hop; `communities` are the 32-bit values of RFC 1997.

    `originator_id` and `cluster_list` come from route reflectors (RFC 4456).
    """

    origin: Origin
    as_path: tuple[int, ...]
    local_pref: int | None = None
    med: int | None = None
    communities: tuple[int, ...] = ()
    originator_id: str | None = None
    cluster_list: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionUp:
    """A session reached Established; whatever its neighbor announced before no longer counts.

    `t_ns` is the monotonic time it was heard of, 0 where that is not known.
    """

    neighbor: str
    t_ns: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class SessionDown:
    """A session left Established, or failed to reach it. No withdrawals follow: its paths are gone.

    `t_ns` is the monotonic time it was heard of, 0 where that is not known.
    """

    neighbor: str
    reason: str
    t_ns: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class RestartCapability:
    """What a neighbor's OPEN says of graceful restart (RFC 4724 section 3), before its session is up.

    For `restart_time_s` it wants its paths kept when the session is lost; 0: not at all. `forwarding`: it has
    gone on forwarding meanwhile.
    """

    neighbor: str
    restart_time_s: int
    forwarding: bool


@dataclass(frozen=True, slots=True)
class Announce:
    """The neighbor's newest path to each of these prefixes; it replaces the one before."""

    neighbor: str
    family: AddressFamily
    next_hop: str
    attributes: PathAttributes
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The neighbor no longer has a path to these prefixes."""

    neighbor: str
    family: AddressFamily
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EndOfRib:
    """The neighbor has sent everything it had when the session came up (RFC 4724 section 2)."""

    neighbor: str
    family: AddressFamily


@dataclass(frozen=True, slots=True)
class Advertised:
    """In a snapshot: what ExaBGP was told to advertise to this neighbor, as `commands` writes attributes."""

    neighbor: str
    attributes: str
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SnapshotEnd:
    """Everything remembered has been replayed; what follows is live."""


Event = (
    SessionUp | SessionDown | RestartCapability | Announce | Withdraw | EndOfRib | Advertised | SnapshotEnd
)


def family_of(address_or_prefix: str) -> AddressFamily:
    """The family of an address or prefix in text; it is not checked."""
    return AddressFamily.IPV6_UNICAST if ":" in address_or_prefix else AddressFamily.IPV4_UNICAST


def canonical_address(text: str) -> str:
    """The address as inet_ntop writes it; raises DecodeError for anything else, zone identifiers included."""
    version = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        return socket.inet_ntop(version, socket.inet_pton(version, text))
    except (OSError, ValueError):
        raise DecodeError(f"expected an IP address, found {text[:60]!r}") from None


def canonical_prefix(text: str) -> str:
    """The prefix as address/length; raises DecodeError for anything else, and for bits beyond the length."""
    address, _, length_text = text.partition("/")
    version, bits = (socket.AF_INET6, 128) if ":" in address else (socket.AF_INET, 32)
    try:
        packed = socket.inet_pton(version, address)
        length = int(length_text) if length_text.isdecimal() and length_text.isascii() else -1
    except (OSError, ValueError):
        raise DecodeError(f"expected an IP prefix, found {text[:60]!r}") from None
    if not 0 <= length <= bits:
        raise DecodeError(f"expected a prefix length of 0 to {bits}, found {text[:60]!r}")
    if int.from_bytes(packed, "big") & ((1 << (bits - length)) - 1):
        raise DecodeError(f"expected a prefix with no bits beyond its length, found {text[:60]!r}")
    return f"{socket.inet_ntop(version, packed)}/{length}"


def parse_community(text: str) -> int:
    """The 32-bit value of HIGH:LOW in decimal, or of a well-known name; raises DecodeError."""
    if text in _COMMUNITY_NAMES:
        return _COMMUNITY_NAMES[text]
    high, _, low = text.partition(":")
    if not all(half.isascii() and half.isdecimal() and int(half) <= 0xFFFF for half in (high, low)):
        raise DecodeError(f"expected a community like 64512:100 or no-export, found {text[:60]!r}")
    return int(high) << 16 | int(low)


def community_text(community: int) -> str:
    """A community as HIGH:LOW."""
    return f"{community >> 16}:{community & 0xFFFF}"
