"""ExaBGP's JSON API, one line at a time, as events: what ExaBGP 5.0.15 really sends, traps included.

Of the families only IPv4 and IPv6 unicast become events. A path that RFC 7606 and RFC 9774 tell us to treat
as withdrawn (an AS_SET or confederation segment, AS 0, no AS_PATH, no ORIGIN) becomes a Withdraw.
"""

import json
from ipaddress import IPv6Address
from typing import Any

from control.bgp.model import (
    AddressFamily,
    Announce,
    DecodeError,
    EndOfRib,
    Event,
    Origin,
    PathAttributes,
    RestartCapability,
    SessionDown,
    SessionUp,
    Withdraw,
    canonical_address,
    canonical_prefix,
)

_FAMILIES = {family.value: family for family in AddressFamily}
_GRACEFUL_RESTART = "64"
"""Its number among the capabilities."""
_MAXIMUM_32_BIT = 0xFFFFFFFF


def decode_message(line: bytes, now_ns: int = 0) -> list[Event]:
    """The events of one line of ExaBGP's JSON API, none for kinds of no interest; raises DecodeError.

    `now_ns` is when the line was read, for events that carry their time.
    """
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise DecodeError(f"expected a line of JSON, found {line[:200]!r}") from None
    kind = _dictionary(message, "message").get("type")
    # The notification ExaBGP sends when it shuts down has no neighbor, so the kind is asked for first.
    if kind not in ("state", "open", "update"):
        return []
    peer = _dictionary(message.get("neighbor"), "neighbor")
    neighbor = canonical_address(
        _text(_dictionary(peer.get("address"), "address").get("peer"), "peer address")
    )
    if kind == "state":
        return _state(neighbor, peer, now_ns)
    return _open(neighbor, peer) if kind == "open" else _update(neighbor, peer)


def _state(neighbor: str, peer: dict[str, Any], now_ns: int) -> list[Event]:
    match peer.get("state"):
        case "up":
            return [SessionUp(neighbor, now_ns)]
        case "down":
            return [SessionDown(neighbor, _text(peer.get("reason", ""), "reason"), now_ns)]
        case "connected":
            return []
    raise DecodeError(f"expected state up, down or connected, found {str(peer.get('state'))[:60]!r}")


def _open(neighbor: str, peer: dict[str, Any]) -> list[Event]:
    """What a neighbor can do, where it is asked for: a session has one family."""
    if peer.get("direction") != "receive":
        return []
    message = _dictionary(peer.get("open"), "open")
    capabilities = _dictionary(message.get("capabilities"), "capabilities")
    restart = _dictionary(capabilities.get(_GRACEFUL_RESTART, {}), "graceful restart")
    families = _dictionary(restart.get("address-family-flags", {}), "address families")
    # ExaBGP gives the flags of the capability and of its families each other's name.
    forwarding = any("restart" in _list(flags, "flags") for flags in families.values())
    time_s = _number(restart.get("time", 0), "restart time") if families else 0
    return [RestartCapability(neighbor, time_s, forwarding)]


def _update(neighbor: str, peer: dict[str, Any]) -> list[Event]:
    if peer.get("direction", "receive") != "receive":
        return []
    message = _dictionary(peer.get("message"), "message")
    if "eor" in message:
        marker = _dictionary(message["eor"], "eor")
        family = _FAMILIES.get(f"{marker.get('afi')} {marker.get('safi')}")
        return [] if family is None else [EndOfRib(neighbor, family)]
    update = _dictionary(message.get("update"), "update")
    events: list[Event] = []
    # Withdrawals first: a prefix in both parts of one UPDATE counts as announced (RFC 4271 section 4.3).
    for name, entries in _dictionary(update.get("withdraw", {}), "withdraw").items():
        if name in _FAMILIES:
            events.append(Withdraw(neighbor, _FAMILIES[name], _prefixes(entries)))
    announced = _dictionary(update.get("announce", {}), "announce")
    if announced:
        attributes = _attributes(_dictionary(update.get("attribute", {}), "attribute"), _is_internal(peer))
        for name, by_next_hop in announced.items():
            if name in _FAMILIES:
                events += _announced(neighbor, _FAMILIES[name], attributes, _dictionary(by_next_hop, name))
    return [event for event in events if not isinstance(event, Announce | Withdraw) or event.prefixes]


def _announced(
    neighbor: str, family: AddressFamily, attributes: PathAttributes | None, by_next_hop: dict[str, Any]
) -> list[Event]:
    """One event per next hop.

    A peer that sends a global and a link-local next hop (RFC 2545) has every prefix listed under both; the
    global one, which needs no interface to be meant, is kept.
    """
    hops = {canonical_address(text): _prefixes(entries) for text, entries in by_next_hop.items()}
    if attributes is None:
        withdrawn = dict.fromkeys(prefix for prefixes in hops.values() for prefix in prefixes)
        return [Withdraw(neighbor, family, tuple(withdrawn))]
    seen: set[str] = set()
    events: list[Event] = []
    for next_hop in sorted(hops, key=_is_link_local):
        fresh = tuple(prefix for prefix in hops[next_hop] if prefix not in seen)
        seen.update(fresh)
        events.append(Announce(neighbor, family, next_hop, attributes, fresh))
    return events


def _is_internal(peer: dict[str, Any]) -> bool:
    asn = _dictionary(peer.get("asn", {}), "asn")
    return asn.get("local") is not None and asn.get("local") == asn.get("peer")


def _attributes(fields: dict[str, Any], internal: bool) -> PathAttributes | None:
    """None where the UPDATE is to be treated as a withdrawal. Only within an AS may AS_PATH be empty."""
    as_path = _as_path(_dictionary(fields.get("as-path", {}), "as-path"))
    if as_path is None or not (as_path or internal) or 0 in as_path or "origin" not in fields:
        return None
    try:
        origin = Origin(fields["origin"])
    except ValueError:
        raise DecodeError(f"expected an origin, found {str(fields['origin'])[:60]!r}") from None
    return PathAttributes(
        origin,
        as_path,
        _optional_number(fields.get("local-preference"), "local-preference"),
        _optional_number(fields.get("med"), "med"),
        tuple(_community(pair) for pair in _list(fields.get("community", []), "community")),
        _router_id(fields["originator-id"]) if "originator-id" in fields else None,
        tuple(map(_router_id, _list(fields.get("cluster-list", []), "cluster-list"))),
    )


def _as_path(segments: dict[str, Any]) -> tuple[int, ...] | None:
    """Segments are numbered "0", "1", ...; None when one of them is not an AS_SEQUENCE."""
    path: list[int] = []
    for index in range(len(segments)):
        segment = _dictionary(segments.get(str(index)), "AS_PATH segment")
        if segment.get("element") != "as-sequence":
            return None
        path += [_number(value, "AS number") for value in _list(segment.get("value"), "AS_PATH segment")]
    return tuple(path)


def _community(pair: object) -> int:
    match pair:
        case [int(high), int(low)] if 0 <= high <= 0xFFFF and 0 <= low <= 0xFFFF:
            return high << 16 | low
    raise DecodeError(f"expected a community as two 16-bit numbers, found {str(pair)[:60]!r}")


def _router_id(value: object) -> str:
    """Four octets, written as an IPv4 address."""
    return canonical_address(_text(value, "router id"))


def _prefixes(entries: object) -> tuple[str, ...]:
    """Canonical, each once, in the order given."""
    texts = [_dictionary(entry, "NLRI").get("nlri") for entry in _list(entries, "NLRI")]
    return tuple(dict.fromkeys(canonical_prefix(_text(text, "nlri")) for text in texts))


def _is_link_local(address: str) -> bool:
    return ":" in address and IPv6Address(address).is_link_local


def _dictionary(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DecodeError(f"expected {what} to be an object, found {type(value).__name__}")
    return value


def _list(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise DecodeError(f"expected {what} to be a list, found {type(value).__name__}")
    return value


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise DecodeError(f"expected {what} to be text, found {type(value).__name__}")
    return value


def _number(value: object, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAXIMUM_32_BIT:
        raise DecodeError(f"expected {what} to be a 32-bit number, found {str(value)[:60]!r}")
    return value


def _optional_number(value: object, what: str) -> int | None:
    return None if value is None else _number(value, what)
