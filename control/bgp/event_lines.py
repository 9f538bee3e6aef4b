"""Events as JSON lines: the language of the socket between helper and controller."""

import json
from collections.abc import Iterator
from typing import Any

from control.bgp.model import (
    AddressFamily,
    Advertised,
    Announce,
    DecodeError,
    EndOfRib,
    Event,
    Origin,
    PathAttributes,
    RestartCapability,
    SessionDown,
    SessionUp,
    SnapshotEnd,
    Withdraw,
)

_NAMES: dict[type, str] = {
    SessionUp: "session-up",
    SessionDown: "session-down",
    RestartCapability: "restart-capability",
    Announce: "announce",
    Withdraw: "withdraw",
    EndOfRib: "end-of-rib",
    Advertised: "advertised",
    SnapshotEnd: "snapshot-end",
}


class LineBuffer:
    """Cuts a byte stream into lines. A line longer than `limit` octets is dropped and counted."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._partial = bytearray()
        self._discarding = False
        self.dropped = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the lines that `data` completes, without their newlines."""
        *complete, rest = data.split(b"\n")
        for piece in complete:
            line = bytes(self._partial) + piece
            self._partial.clear()
            if self._discarding:
                self._discarding = False
            elif len(line) > self._limit:
                self.dropped += 1
            else:
                yield line
        if not self._discarding:
            self._partial += rest
            if len(self._partial) > self._limit:
                self._partial.clear()
                self._discarding = True
                self.dropped += 1


def encode(event: Event) -> bytes:
    """One event as one JSON line, newline included."""
    fields: dict[str, Any] = {"event": _NAMES[type(event)]}
    match event:
        case SessionUp(neighbor, t_ns):
            fields |= {"neighbor": neighbor, "t_ns": t_ns}
        case SessionDown(neighbor, reason, t_ns):
            fields |= {"neighbor": neighbor, "reason": reason, "t_ns": t_ns}
        case RestartCapability(neighbor, time_s, forwarding):
            fields |= {"neighbor": neighbor, "restart_time_s": time_s, "forwarding": forwarding}
        case Announce(neighbor, family, next_hop, attributes, prefixes):
            fields |= {
                "neighbor": neighbor,
                "family": family.value,
                "next_hop": next_hop,
                "attributes": {
                    "origin": attributes.origin.value,
                    "as_path": attributes.as_path,
                    "local_pref": attributes.local_pref,
                    "med": attributes.med,
                    "communities": attributes.communities,
                    "originator_id": attributes.originator_id,
                    "cluster_list": attributes.cluster_list,
                },
                "prefixes": prefixes,
            }
        case Withdraw(neighbor, family, prefixes):
            fields |= {"neighbor": neighbor, "family": family.value, "prefixes": prefixes}
        case EndOfRib(neighbor, family):
            fields |= {"neighbor": neighbor, "family": family.value}
        case Advertised(neighbor, text, prefixes):
            fields |= {"neighbor": neighbor, "attributes": text, "prefixes": prefixes}
        case SnapshotEnd():
            pass
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Event:
    """The event of one line; raises DecodeError."""
    try:
        return _event(json.loads(line))
    except DecodeError:
        raise
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise DecodeError(f"expected an event, found {line[:200]!r} ({type(error).__name__})") from None


def _event(fields: dict[str, Any]) -> Event:
    name = fields["event"]
    if name == "snapshot-end":
        return SnapshotEnd()
    neighbor = _text(fields["neighbor"])
    match name:
        case "session-up":
            return SessionUp(neighbor, _integer(fields["t_ns"]))
        case "session-down":
            return SessionDown(neighbor, _text(fields["reason"]), _integer(fields["t_ns"]))
        case "restart-capability":
            return RestartCapability(
                neighbor, _integer(fields["restart_time_s"]), fields["forwarding"] is True
            )
        case "announce":
            family, next_hop = AddressFamily(fields["family"]), _text(fields["next_hop"])
            return Announce(
                neighbor, family, next_hop, _attributes(fields["attributes"]), _texts(fields["prefixes"])
            )
        case "withdraw":
            return Withdraw(neighbor, AddressFamily(fields["family"]), _texts(fields["prefixes"]))
        case "end-of-rib":
            return EndOfRib(neighbor, AddressFamily(fields["family"]))
        case "advertised":
            return Advertised(neighbor, _text(fields["attributes"]), _texts(fields["prefixes"]))
    raise DecodeError(f"expected one of {', '.join(_NAMES.values())}, found event {str(name)[:60]!r}")


def _attributes(fields: dict[str, Any]) -> PathAttributes:
    return PathAttributes(
        Origin(fields["origin"]),
        _integers(fields["as_path"]),
        _optional_integer(fields["local_pref"]),
        _optional_integer(fields["med"]),
        _integers(fields["communities"]),
        None if fields["originator_id"] is None else _text(fields["originator_id"]),
        _texts(fields["cluster_list"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise DecodeError(f"expected text, found {type(value).__name__}")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise DecodeError(f"expected a list, found {type(value).__name__}")
    return tuple(map(_text, value))


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise DecodeError(f"expected an integer, found {type(value).__name__}")
    return value


def _integers(value: object) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise DecodeError(f"expected a list, found {type(value).__name__}")
    return tuple(map(_integer, value))


def _optional_integer(value: object) -> int | None:
    return None if value is None else _integer(value)
