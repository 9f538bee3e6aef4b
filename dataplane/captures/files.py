"""Reads the frames of capture files: pcapng, and pcap in microseconds or nanoseconds, of either byte order.

Left out: link types other than Ethernet, and blocks that hold no frame (names, secrets, statistics).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

NS_PER_S = 1_000_000_000
LINKTYPE_ETHERNET = 1
MAXIMUM_BLOCK_OCTETS = 1 << 24

_PCAP_UNITS_PER_S = {0xA1B2C3D4: 1_000_000, 0xA1B23C4D: NS_PER_S}
_SECTION_HEADER, _INTERFACE, _SIMPLE_PACKET, _ENHANCED_PACKET = 0x0A0D0D0A, 1, 3, 6
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_COMMENT, _INTERFACE_NAME, _TIME_RESOLUTION, _TIME_OFFSET = 1, 2, 9, 14


class CaptureFormatError(ValueError):
    """Octets that are no capture file, or none of Ethernet frames."""


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """A frame of a capture file: what was kept of it, from the destination address on."""

    data: bytes
    octets: int
    """How many it had."""
    time_ns: int | None = None
    """Since 1970; None where the file does not tell."""
    interface: str | None = None
    comment: str | None = None


def is_capture(start: bytes) -> bool:
    """Whether a file that begins with these octets, 4 or more, is a capture."""
    numbers = (int.from_bytes(start[:4], "little"), int.from_bytes(start[:4], "big"))
    return any(number in _PCAP_UNITS_PER_S or number == _SECTION_HEADER for number in numbers)


def read_frames(file: BinaryIO) -> Iterator[RecordedFrame]:
    """The frames in order. Raises CaptureFormatError where the file ends too early or stops making sense."""
    start = _read(file, 4, "its magic number")
    if int.from_bytes(start, "little") == _SECTION_HEADER:
        yield from _read_pcapng(file)
        return
    for order in "<>":
        (magic,) = struct.unpack(f"{order}I", start)
        if magic in _PCAP_UNITS_PER_S:
            yield from _read_pcap(file, order, _PCAP_UNITS_PER_S[magic])
            return
    raise CaptureFormatError(f"found magic number {start.hex()}, expected that of pcap or pcapng")


def _read_pcap(file: BinaryIO, order: str, units_per_s: int) -> Iterator[RecordedFrame]:
    (link_type,) = struct.unpack(f"{order}16xI", _read(file, 20, "its header"))
    _check_ethernet(link_type & 0xFFFF)  # above are flags of the FCS
    record = struct.Struct(f"{order}IIII")
    while head := file.read(record.size):
        head += _read(file, record.size - len(head), "a frame's header")
        seconds, fraction, kept, octets = record.unpack(head)
        _check_size(kept)
        time_ns = seconds * NS_PER_S + fraction * NS_PER_S // units_per_s
        yield RecordedFrame(_read(file, kept, "a frame"), octets, time_ns)


@dataclass(frozen=True, slots=True)
class _Interface:
    name: str | None
    units_per_s: int
    offset_s: int
    snap_octets: int

    def time_ns(self, high: int, low: int) -> int:
        """Since 1970, of a time in this interface's units."""
        return (high << 32 | low) * NS_PER_S // self.units_per_s + self.offset_s * NS_PER_S


def _read_pcapng(file: BinaryIO) -> Iterator[RecordedFrame]:
    """The blocks from behind the type of the first section header on."""
    order = "<"
    interfaces: list[_Interface] = []
    kind = _SECTION_HEADER
    while True:
        length_field = _read(file, 4, "a block")
        if kind == _SECTION_HEADER:
            magic = _read(file, 4, "a section header")
            order = next(
                (order for order in "<>" if magic == struct.pack(f"{order}I", _BYTE_ORDER_MAGIC)), ""
            )
            if not order:
                raise CaptureFormatError(
                    f"found byte-order magic {magic.hex()}, expected {_BYTE_ORDER_MAGIC:x}"
                )
            interfaces = []
        (length,) = struct.unpack(f"{order}I", length_field)
        taken = 12 if kind == _SECTION_HEADER else 8
        if length % 4 or length < taken + 4:
            raise CaptureFormatError(f"found a block of {length} octets, expected a multiple of 4 from 12 on")
        _check_size(length)
        body = _read(file, length - taken, "a block")[:-4]
        try:
            if kind == _INTERFACE:
                interfaces.append(_interface(body, order))
            elif kind == _ENHANCED_PACKET:
                yield _enhanced_packet(body, order, interfaces)
            elif kind == _SIMPLE_PACKET:
                yield _simple_packet(body, order, interfaces)
        except (struct.error, IndexError):
            raise CaptureFormatError(
                f"found a block of type {kind} that does not hold what it tells"
            ) from None
        head = file.read(4)
        if not head:
            return
        (kind,) = struct.unpack(f"{order}I", head + _read(file, 4 - len(head), "a block"))


def _interface(body: bytes, order: str) -> _Interface:
    link_type, snap_octets = struct.unpack_from(f"{order}H2xI", body)
    _check_ethernet(link_type)
    options = _options(body[8:], order)
    resolution = options.get(_TIME_RESOLUTION, b"\6")[0]
    (offset_s,) = struct.unpack(f"{order}q", options.get(_TIME_OFFSET, bytes(8)))
    base = 2 if resolution & 0x80 else 10
    return _Interface(_text(options.get(_INTERFACE_NAME)), base ** (resolution & 0x7F), offset_s, snap_octets)


def _enhanced_packet(body: bytes, order: str, interfaces: list[_Interface]) -> RecordedFrame:
    number, high, low, kept, octets = struct.unpack_from(f"{order}IIIII", body)
    interface = interfaces[number]
    data = body[20 : 20 + kept]
    if len(data) < kept:
        raise IndexError
    comment = _text(_options(body[20 + (kept + 3) // 4 * 4 :], order).get(_COMMENT))
    return RecordedFrame(data, octets, interface.time_ns(high, low), interface.name, comment)


def _simple_packet(body: bytes, order: str, interfaces: list[_Interface]) -> RecordedFrame:
    (octets,) = struct.unpack_from(f"{order}I", body)
    interface = interfaces[0]
    kept = min(octets, interface.snap_octets or octets)
    if len(body) - 4 < kept:
        raise IndexError
    return RecordedFrame(body[4 : 4 + kept], octets, None, interface.name)


def _options(octets: bytes, order: str) -> dict[int, bytes]:
    """The options of a block by their code, of each the first."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(octets):
        code, length = struct.unpack_from(f"{order}HH", octets, at)
        if code == 0:
            break
        found.setdefault(code, octets[at + 4 : at + 4 + length])
        at += 4 + (length + 3) // 4 * 4
    return found


def _read(file: BinaryIO, octets: int, what: str) -> bytes:
    data = file.read(octets)
    if len(data) < octets:
        raise CaptureFormatError(f"the file ends within {what}")
    return data


def _check_ethernet(link_type: int) -> None:
    if link_type != LINKTYPE_ETHERNET:
        raise CaptureFormatError(f"found link type {link_type}, expected {LINKTYPE_ETHERNET}, Ethernet")


def _check_size(octets: int) -> None:
    if octets > MAXIMUM_BLOCK_OCTETS:
        raise CaptureFormatError(f"found a frame of {octets} octets, expected at most {MAXIMUM_BLOCK_OCTETS}")


def _text(octets: bytes | None) -> str | None:
    return None if octets is None else octets.decode("utf-8", "replace")
