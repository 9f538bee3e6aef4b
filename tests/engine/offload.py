"""Super-frames and wire frames under test: made by scapy, cut and put together by the core."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from dataplane._core import ffi, lib
from dataplane.frames import FrameBatch

FRAME_OCTETS = 16384
_VNET_HEADER = struct.Struct("=BBHHHH")


@dataclass(frozen=True)
class VnetHeader:
    """What goes with a frame through a TAP device with offload: struct virtio_net_hdr."""

    flags: int = 0
    gso_type: int = 0
    hdr_len: int = 0
    gso_size: int = 0
    csum_start: int = 0
    csum_offset: int = 0

    def encode(self) -> bytes:
        """As it goes in front of a frame."""
        return _VNET_HEADER.pack(*vars(self).values())


def split_header(octets: bytes) -> tuple[VnetHeader, bytes]:
    """The header and the frame behind it."""
    return VnetHeader(*_VNET_HEADER.unpack_from(octets)), octets[_VNET_HEADER.size :]


class Refused(Exception):
    """A super-frame that the core does not cut; the argument is its ql_segment_error."""


def native(header: VnetHeader) -> object:
    return ffi.new("ql_vnet_header *", vars(header))


def segment(header: VnetHeader, frame: bytes, frame_octets: int = FRAME_OCTETS) -> list[bytes]:
    """The wire frames of a super-frame. Raises Refused."""
    segmenter, memory = ffi.new("ql_segmenter *"), ffi.from_buffer(frame)
    result = lib.ql_segment_begin(segmenter, native(header), memory, len(frame), frame_octets)
    if result != 0:
        raise Refused(result)
    room, frames = ffi.new("uint8_t[]", frame_octets), []
    expected = lib.ql_segments_left(segmenter)
    while octets := lib.ql_segment_next(segmenter, room):
        frames.append(bytes(ffi.buffer(room, octets)))
    assert len(frames) == expected
    return frames


def coalesce(
    frames: Sequence[bytes], kinds: int = lib.QL_COALESCE_TCP | lib.QL_COALESCE_UDP
) -> list[tuple[VnetHeader, bytes]]:
    """What the core makes of a burst: frames and super-frames, each with its header."""
    batch = FrameBatch.from_frames(frames)
    native_batch = ffi.new("ql_batch *")
    native_batch.arena, native_batch.arena_size = ffi.from_buffer("uint8_t[]", batch.arena), batch.arena.size
    native_batch.count = len(batch)
    native_batch.offset = ffi.from_buffer("uint32_t[]", batch.offset)
    native_batch.length = ffi.from_buffer("uint32_t[]", batch.length)
    native_batch.verdict = ffi.from_buffer("uint8_t[]", batch.verdict)
    coalesced, made = ffi.new("ql_coalesced *"), []
    lib.ql_coalesce(native_batch, kinds, coalesced)
    for number in range(coalesced.count):
        part = coalesced.super_frames[number]
        octets = b"".join(
            batch.arena[coalesced.offset[piece] :][: coalesced.length[piece]].tobytes()
            for piece in range(part.first, part.first + part.pieces)
        )
        header, frame = split_header(octets)
        assert len(frame) == part.octets
        made.append((header, frame))
    return made


def ethernet() -> Packet:
    return Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01")


def transport_of(packet: Packet) -> Packet:
    transport: Packet = packet[TCP if TCP in packet else UDP]
    return transport


def ones_complement_sum(octets: bytes) -> int:
    """Of 16-bit words, folded."""
    octets += bytes(len(octets) % 2)
    total = sum(int.from_bytes(octets[at : at + 2], "big") for at in range(0, len(octets), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def super_frame(packet: Packet, gso_size: int, ecn: bool = False) -> tuple[VnetHeader, bytes]:
    """A packet as a kernel hands it to a NIC with TSO or USO."""
    packet = Ether(bytes(packet))  # with every length and checksum
    transport = transport_of(packet)
    tcp = TCP in packet
    payload = bytes(transport.payload)
    frame = bytearray(bytes(packet))
    start = len(frame) - len(bytes(transport))
    offset = 16 if tcp else 6
    frame[start + offset : start + offset + 2] = b"\0\0"
    length = len(frame) - start
    addresses = packet[IPv6] if IPv6 in packet else packet[IP]
    pseudo = bytes(addresses)[8:40] if IPv6 in packet else bytes(addresses)[12:20]
    pseudo += length.to_bytes(4, "big") + bytes([0, 0, 0, 6 if tcp else 17])
    frame[start + offset : start + offset + 2] = ones_complement_sum(pseudo).to_bytes(2, "big")
    kind = lib.QL_VNET_GSO_UDP_L4
    if tcp:
        kind = lib.QL_VNET_GSO_TCPV6 if IPv6 in packet else lib.QL_VNET_GSO_TCPV4
    header = VnetHeader(
        flags=lib.QL_VNET_NEEDS_CSUM,
        gso_type=kind | (lib.QL_VNET_GSO_ECN if ecn else 0),
        hdr_len=len(frame) - len(payload),
        gso_size=gso_size,
        csum_start=start,
        csum_offset=offset,
    )
    return header, bytes(frame)


def is_right(frame: bytes) -> bool:
    """Whether scapy would write the same lengths and checksums."""
    packet = Ether(frame)
    for layer in (IP, IPv6, TCP, UDP):
        if layer in packet:
            for field in ("len", "plen", "chksum"):
                if field in packet[layer].fields:
                    delattr(packet[layer], field)
    return bytes(packet) == frame
