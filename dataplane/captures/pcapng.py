"""Makes blocks of pcapng (draft-ietf-opsawg-pcapng) for Ethernet frames, in this machine's byte order.

Times are in nanoseconds since 1970.
"""

import struct

LINKTYPE_ETHERNET = 1
INBOUND, OUTBOUND = 1, 2
"""Directions of a frame at its interface, as epb_flags has them."""

_SECTION, _INTERFACE, _STATISTICS, _PACKET = 0x0A0D0D0A, 1, 5, 6
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_UNKNOWN_SECTION_OCTETS = -1
_COMMENT, _APPLICATION = 1, 4
_NAME, _DESCRIPTION, _TIME_RESOLUTION, _FILTER = 2, 3, 9, 11
_FLAGS = 2
_START, _END, _RECEIVED, _DROPPED, _ACCEPTED = 2, 3, 4, 5, 6
_NANOSECONDS = bytes([9])
_LIBPCAP_EXPRESSION = b"\0"

_WORD = struct.Struct("=I")
_HEAD = struct.Struct("=II")
_COUNT = struct.Struct("=Q")
_OPTION = struct.Struct("=HH")
_PACKET_HEAD = struct.Struct("=IIIIIII")
_DIRECTION = struct.Struct("=HHI")
_TAIL = struct.Struct("=II")
_PACKET_OCTETS = _PACKET_HEAD.size + _DIRECTION.size + _TAIL.size
_PADDING = (b"", bytes(3), bytes(2), bytes(1))


def section_header(application: str) -> bytes:
    """What a file begins with."""
    body = struct.pack("=IHHq", _BYTE_ORDER_MAGIC, 1, 0, _UNKNOWN_SECTION_OCTETS)
    return _block(_SECTION, body + _option(_APPLICATION, application.encode()) + _end())


def interface_description(name: str, description: str, snap_octets: int, expression: str | None) -> bytes:
    """One interface; packets refer to them by their number, from 0 in order. `expression` is its filter."""
    options = _option(_NAME, name.encode()) + _option(_DESCRIPTION, description.encode())
    options += _option(_TIME_RESOLUTION, _NANOSECONDS)
    if expression is not None:
        options += _option(_FILTER, _LIBPCAP_EXPRESSION + expression.encode())
    return _block(_INTERFACE, struct.pack("=HHI", LINKTYPE_ETHERNET, 0, snap_octets) + options + _end())


def enhanced_packet(
    interface: int, time_ns: int, data: bytes, length: int, direction: int, comment: str
) -> bytes:
    """A frame of `length` octets, of which `data` was kept; an empty comment is none."""
    # Packed at once, not by the functions below: this is done for every frame.
    kept, text = len(data), comment.encode()
    octets = _PACKET_OCTETS + kept + -kept % 4
    remark = b""
    if text:
        remark = _OPTION.pack(_COMMENT, len(text)) + text + _PADDING[len(text) % 4]
        octets += len(remark)
    return b"".join(
        (
            _PACKET_HEAD.pack(_PACKET, octets, interface, time_ns >> 32, time_ns & 0xFFFFFFFF, kept, length),
            data,
            _PADDING[kept % 4],
            _DIRECTION.pack(_FLAGS, 4, direction),
            remark,
            _TAIL.pack(0, octets),
        )
    )


def interface_statistics(
    interface: int, begin_ns: int, end_ns: int, received: int, dropped: int, accepted: int
) -> bytes:
    """What came to an interface: frames in all, those that found no room, those that the filter let pass."""
    options = b"".join(
        (
            _option(_START, _time(begin_ns)),
            _option(_END, _time(end_ns)),
            _option(_RECEIVED, _COUNT.pack(received)),
            _option(_DROPPED, _COUNT.pack(dropped)),
            _option(_ACCEPTED, _COUNT.pack(accepted)),
        )
    )
    return _block(_STATISTICS, _WORD.pack(interface) + _time(end_ns) + options + _end())


def _time(time_ns: int) -> bytes:
    return _HEAD.pack(time_ns >> 32, time_ns & 0xFFFFFFFF)


def _block(kind: int, body: bytes) -> bytes:
    octets = len(body) + 12
    return _HEAD.pack(kind, octets) + body + _WORD.pack(octets)


def _option(code: int, value: bytes) -> bytes:
    return _OPTION.pack(code, len(value)) + _padded(value)


def _end() -> bytes:
    return _OPTION.pack(0, 0)


def _padded(octets: bytes) -> bytes:
    return octets + bytes(-len(octets) % 4)
