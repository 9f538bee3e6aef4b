"""What a frame without a SecTAG carries, in one line: a summary and no dissector. Nothing is verified."""

import struct
from ipaddress import IPv4Address, IPv6Address

ETHERTYPES = {
    0x0800: "IPv4",
    0x0806: "ARP",
    0x8100: "VLAN tag",
    0x86DD: "IPv6",
    0x8808: "MAC control",
    0x8809: "slow protocols",
    0x888E: "EAPOL",
    0x88A8: "service VLAN tag",
    0x88CC: "LLDP",
    0x88E5: "MACsec",
}
LOWEST_ETHERTYPE = 0x600
"""Below, the field tells a length (IEEE 802.3)."""
_PROTOCOLS = {1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP", 58: "ICMPv6", 89: "OSPF"}
_TCP_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")
_EAPOL_TYPES = {0: "EAP", 1: "start", 2: "logoff", 3: "key", 5: "MKA"}
_ICMP_TYPES = {("ICMP", 8): "echo request", ("ICMP", 0): "echo reply"} | {
    ("ICMPv6", number): name
    for number, name in (
        (128, "echo request"),
        (129, "echo reply"),
        (133, "router solicitation"),
        (134, "router advertisement"),
        (135, "neighbor solicitation"),
        (136, "neighbor advertisement"),
    )
}


def ethertype_name(ethertype: int) -> str:
    """Its name, `length` for what is none, or its number."""
    if ethertype < LOWEST_ETHERTYPE:
        return f"length {ethertype}"
    return ETHERTYPES.get(ethertype, f"EtherType {ethertype:04x}")


def summary(octets: bytes) -> str:
    """One line about the octets from an EtherType on; says where they end too early."""
    if len(octets) < 2:
        return "ends before its EtherType"
    ethertype = int.from_bytes(octets[:2])
    reader = {0x0800: _ipv4, 0x0806: _arp, 0x86DD: _ipv6, 0x888E: _eapol}.get(ethertype)
    if reader is None:
        return f"{ethertype_name(ethertype)}, {len(octets) - 2} octets"
    try:
        return reader(octets[2:])
    except (struct.error, ValueError):
        return f"{ethertype_name(ethertype)} that ends too early or is malformed, {len(octets) - 2} octets"


def _ipv4(packet: bytes) -> str:
    first, length, fragment, protocol = struct.unpack_from(">BxH2xHxB", packet)
    header_octets = 4 * (first & 0xF)
    if first >> 4 != 4 or header_octets < 20 or length < header_octets or length > len(packet):
        raise ValueError
    source, destination = IPv4Address(packet[12:16]), IPv4Address(packet[16:20])
    if fragment & 0x1FFF:
        offset = 8 * (fragment & 0x1FFF)
        return f"IPv4 {source} > {destination}, {_protocol(protocol)}, fragment from octet {offset}"
    return f"IPv4 {source} > {destination}, {_transport(protocol, packet[header_octets:length])}"


def _ipv6(packet: bytes) -> str:
    first, length, next_header = struct.unpack_from(">IHBx", packet)
    if first >> 28 != 6 or 40 + length > len(packet):
        raise ValueError
    source, destination = IPv6Address(packet[8:24]), IPv6Address(packet[24:40])
    return f"IPv6 {source} > {destination}, {_transport(next_header, packet[40 : 40 + length])}"


def _transport(protocol: int, segment: bytes) -> str:
    name = _protocol(protocol)
    if name == "TCP":
        source, destination, sequence, offset, flags = struct.unpack_from(">HHI4xBB", segment)
        names = [flag for bit, flag in enumerate(_TCP_FLAGS) if flags >> bit & 1]
        data_octets = len(segment) - 4 * (offset >> 4)
        if offset < 5 << 4 or data_octets < 0:
            raise ValueError
        text = f"TCP {source} > {destination} {' '.join(names) or 'no flag'}, sequence {sequence}"
        return f"{text}, {data_octets} octets of data"
    if name == "UDP":
        source, destination, length = struct.unpack_from(">HHH2x", segment)
        return f"UDP {source} > {destination}, {length - 8} octets of data"
    if name in ("ICMP", "ICMPv6"):
        kind, code = struct.unpack_from(">BB", segment)
        return f"{name} {_ICMP_TYPES.get((name, kind), f'type {kind} code {code}')}"
    return f"{name}, {len(segment)} octets"


def _protocol(number: int) -> str:
    return _PROTOCOLS.get(number, f"protocol {number}")


def _arp(packet: bytes) -> str:
    operation, source, target = struct.unpack_from(">6xH6x4s6x4s", packet)
    if packet[:6] != bytes.fromhex("000108000604"):
        raise ValueError
    if operation == 1:
        return f"ARP who has {IPv4Address(target)}, tell {IPv4Address(source)}"
    if operation == 2:
        return f"ARP {IPv4Address(source)} is at {packet[8:14].hex(':')}"
    return f"ARP operation {operation}"


def _eapol(packet: bytes) -> str:
    version, kind, length = struct.unpack_from(">BBH", packet)
    return f"EAPOL version {version}, {_EAPOL_TYPES.get(kind, f'type {kind}')}, {length} octets"
