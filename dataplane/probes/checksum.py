"""The checksum of IPv4, ICMP and UDP (RFC 1071)."""

import struct


def internet_checksum(octets: bytes) -> int:
    """Of an even number of octets, in which that of the checksum itself is 0."""
    total: int = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
