"""Super-frames of a kernel cut into frames, held against what scapy would write."""

import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP, IPOption_Router_Alert
from scapy.layers.inet6 import (
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw

from dataplane._core import ffi, lib
from tests.engine.offload import (
    Refused,
    VnetHeader,
    ethernet,
    is_right,
    native,
    ones_complement_sum,
    segment,
    super_frame,
    transport_of,
)

PAYLOAD = bytes(range(256)) * 256
TAGS = [
    [],
    [Dot1Q(vlan=7)],
    [Dot1AD(vlan=5), Dot1Q(vlan=7, prio=3)],
    [Dot1Q(vlan=1), Dot1Q(vlan=2), Dot1Q(vlan=3)],
]
NETWORKS: list[list[Packet]] = [
    [IP(src="10.0.0.1", dst="10.0.0.2", id=0xFFFE, flags="DF")],
    [IP(src="10.0.0.1", dst="10.0.0.2", id=7, tos=2, ttl=3, options=[IPOption_Router_Alert()])],
    [IPv6(src="fd00::1", dst="fd00::2", tc=0xB9, fl=0x12345)],
    [IPv6(src="fd00::1", dst="fd00::2"), IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt()],
    [IPv6(src="fd00::1", dst="fd00::2"), IPv6ExtHdrRouting(addresses=[], segleft=0)],
]
TIMESTAMPS = [("NOP", None), ("NOP", None), ("Timestamp", (1, 2))]


def stacked(*layers: Packet) -> Packet:
    packet = ethernet()
    for layer in layers:
        packet = packet / layer.copy()
    return packet


@st.composite
def transports(draw: st.DrawFn) -> Packet:
    if draw(st.booleans()):
        return UDP(sport=draw(st.integers(1, 65535)), dport=2)
    return TCP(
        sport=draw(st.integers(1, 65535)),
        dport=2,
        seq=draw(st.sampled_from([1, 0xFFFFFF00])),
        ack=3,
        window=5,
        flags=draw(st.sampled_from(["A", "PA", "FPA", "CEA", "FPCA", "EA"])),
        options=draw(st.sampled_from([[], TIMESTAMPS])),
    )


@st.composite
def packets(draw: st.DrawFn) -> tuple[Packet, int]:
    """A packet, and how many octets of its payload a segment takes."""
    start, octets = draw(st.integers(0, 255)), draw(st.integers(1, 9000))
    tags, network = draw(st.sampled_from(TAGS)), draw(st.sampled_from(NETWORKS))
    packet = stacked(*tags, *network, draw(transports()), Raw(PAYLOAD[start : start + octets]))
    return packet, draw(st.integers(-(-octets // 64), 9000))


@settings(deadline=None, max_examples=60)
@given(packets())
def test_segments_are_what_scapy_would_write(drawn: tuple[Packet, int]) -> None:
    packet, gso_size = drawn
    packet = Ether(bytes(packet))
    header, frame = super_frame(packet, gso_size)
    segments = segment(header, frame)
    first = transport_of(packet)
    assert all(map(is_right, segments))
    sent = b""
    for number, octets in enumerate(segments):
        part = Ether(octets)
        transport = transport_of(part)
        payload = bytes(transport.payload)
        last = number == len(segments) - 1
        assert len(payload) == gso_size or (last and 0 < len(payload) < gso_size)
        expected = packet.copy()
        wanted = transport_of(expected)
        wanted.remove_payload()
        wanted.add_payload(payload)
        if IP in expected:
            expected[IP].id = (packet[IP].id + number) % 65536
        if TCP in expected:
            wanted.seq = (first.seq + len(sent)) % 2**32
            lacks = ("C" if number else "") + ("" if last else "FP")
            wanted.flags = "".join(flag for flag in str(first.flags) if flag not in lacks)
        for layer in (IP, IPv6, TCP, UDP):
            for field in ("len", "plen", "chksum"):
                if layer in expected and field in expected[layer].fields:
                    delattr(expected[layer], field)
        assert octets == bytes(expected)
        sent += payload
    assert sent == bytes(first.payload)


def test_the_largest_super_frame_may_be_cut_into_single_octets() -> None:
    payload = PAYLOAD[: 65535 - 40]
    packet = stacked(IP(id=1, dst="10.0.0.2"), TCP(flags="PA"), Raw(payload))
    segments = segment(*super_frame(packet, 1))
    assert len(segments) == len(payload)
    assert b"".join(octets[54:] for octets in segments) == payload
    assert [int.from_bytes(octets[18:20], "big") for octets in segments[:3]] == [1, 2, 3]
    assert is_right(segments[0])
    assert is_right(segments[-1])


def test_a_udp_checksum_that_would_be_none_is_written_as_ones() -> None:
    packet = stacked(IP(dst="10.0.0.2"), UDP(sport=1, dport=2), Raw(bytes(4)))
    one = Ether(segment(*super_frame(packet, 2))[0])
    packet[Raw].load = one[UDP].chksum.to_bytes(2, "big") * 2
    for octets in segment(*super_frame(packet, 2)):
        assert Ether(octets)[UDP].chksum == 0xFFFF
        assert is_right(octets)


def test_the_sum_that_the_kernel_left_is_kept_where_a_routing_header_changes_the_address() -> None:
    """The pseudo-header has the final destination, not the one in the IPv6 header (RFC 8200, 8.1)."""
    routing = IPv6ExtHdrRouting(addresses=["fd00::9"], segleft=1)
    packet = stacked(IPv6(src="fd00::1", dst="fd00::2"), routing, TCP(), Raw(PAYLOAD[:3000]))
    final = stacked(IPv6(src="fd00::1", dst="fd00::9"), TCP(), Raw(PAYLOAD[:3000]))
    header, frame = super_frame(packet, 1400)
    field = header.csum_start + header.csum_offset
    of_final, final_frame = super_frame(final, 1400)
    pseudo = final_frame[of_final.csum_start + 16 :][:2]
    segments = segment(header, frame[:field] + pseudo + frame[field + 2 :])
    expected = segment(of_final, final_frame)
    assert [octets[header.csum_start :] for octets in segments] == [octets[54:] for octets in expected]


def completed(header: VnetHeader, frame: bytes) -> bytes | None:
    memory = ffi.new("uint8_t[]", frame)
    result = lib.ql_checksum_complete(native(header), memory, len(frame))
    return bytes(ffi.buffer(memory, len(frame))) if result == 0 else None


@pytest.mark.parametrize("octets", [0, 1, 2, 1000, 1447, 1448])
@pytest.mark.parametrize("transport", [TCP(), UDP()], ids=["tcp", "udp"])
@pytest.mark.parametrize("network", [IP(dst="10.0.0.2"), IPv6(dst="fd00::1")], ids=["ipv4", "ipv6"])
def test_the_checksum_of_a_frame_is_completed_where_it_is_asked_for(
    network: Packet, transport: Packet, octets: int
) -> None:
    header, frame = super_frame(stacked(network, transport, Raw(PAYLOAD[:octets])), 0)
    done = completed(replace(header, gso_type=0), frame)
    assert done is not None
    assert is_right(done)
    assert completed(VnetHeader(), frame) == frame


@pytest.mark.parametrize(("start", "offset"), [(100, 0), (99, 0), (98, 1), (34, 65), (65535, 65535)])
def test_a_checksum_outside_the_frame_is_refused(start: int, offset: int) -> None:
    header = VnetHeader(flags=1, csum_start=start, csum_offset=offset)
    assert completed(header, bytes(100)) is None


def test_the_sum_of_any_number_of_octets_is_right() -> None:
    for length in [*range(200), 1447, 1448, 9001, 65535]:
        octets = PAYLOAD[3 : 3 + length]
        done = completed(VnetHeader(flags=1, csum_start=2), b"\0\0\0\0" + octets)
        assert done is not None
        assert int.from_bytes(done[2:4], "big") == 0xFFFF ^ ones_complement_sum(octets)


TCP4 = stacked(IP(dst="10.0.0.2"), TCP(flags="A"), Raw(PAYLOAD[:3000]))
TCP6 = stacked(IPv6(dst="fd00::1"), TCP(flags="A"), Raw(PAYLOAD[:3000]))
UDP4 = stacked(IP(dst="10.0.0.2"), UDP(), Raw(PAYLOAD[:3000]))
HEADERS = [
    {"gso_type": 0},
    {"gso_type": 3},  # UFO
    {"gso_type": 4},  # of the other family
    {"gso_type": 5},
    {"gso_type": 0x41},
    {"flags": 0},
    {"flags": 2},
    {"gso_size": 0},
    {"csum_start": 33},
    {"csum_start": 65535},
    {"csum_offset": 6},
]


@pytest.mark.parametrize("change", HEADERS, ids=str)
def test_a_header_that_does_not_fit_its_super_frame_is_refused(change: dict[str, int]) -> None:
    header, frame = super_frame(TCP4, 1448)
    with pytest.raises(Refused, match=str(lib.QL_SEGMENT_MALFORMED)):
        segment(replace(header, **change), frame)


def test_ecn_of_udp_is_refused() -> None:
    with pytest.raises(Refused):
        segment(*super_frame(UDP4, 1448, ecn=True))


@pytest.mark.parametrize(
    ("packet", "at", "octets"),
    [
        (TCP4, 12, b"\x08\x06"),  # ARP
        (TCP4, 12, b"\x86\xdd"),
        (TCP4, 14, b"\x65"),  # version 6
        (TCP4, 14, b"\x44"),  # a header of 16 octets
        (TCP4, 14, b"\x4f"),
        (TCP4, 16, b"\0\0"),
        (TCP4, 16, b"\x0b\xdf"),  # total length one short
        (TCP4, 16, b"\xff\xff"),
        (TCP4, 20, b"\x20\0"),  # more fragments
        (TCP4, 20, b"\0\1"),
        (TCP4, 23, b"\x11"),  # UDP
        (TCP4, 23, b"\x01"),
        (TCP4, 46, b"\x40"),  # a header of 16 octets
        (UDP4, 38, b"\x0b\xbf"),  # length one short
        (UDP4, 38, b"\0\7"),
        (TCP6, 14, b"\x45"),
        (TCP6, 18, b"\0\0"),
        (TCP6, 18, b"\xff\xff"),
        (TCP6, 20, b"\x2c"),  # a fragment header
        (TCP6, 20, b"\x3b"),
        (TCP6, 20, b"\x33"),
    ],
    ids=repr,
)
def test_a_frame_that_is_not_whole_is_refused(packet: Packet, at: int, octets: bytes) -> None:
    header, frame = super_frame(packet, 1448)
    with pytest.raises(Refused, match=str(lib.QL_SEGMENT_MALFORMED)):
        segment(header, frame[:at] + octets + frame[at + len(octets) :])


@pytest.mark.parametrize("packet", [TCP4, TCP6, UDP4], ids=["tcp4", "tcp6", "udp4"])
def test_a_frame_cut_off_anywhere_is_refused(packet: Packet) -> None:
    header, frame = super_frame(packet, 1448)
    for octets in range(len(frame)):
        with pytest.raises(Refused):
            segment(header, frame[:octets])


def test_an_extension_header_beyond_the_frame_and_a_fragment_are_refused() -> None:
    long = stacked(IPv6(dst="fd00::1"), IPv6ExtHdrDestOpt(), TCP(), Raw(PAYLOAD[:40]))
    header, frame = super_frame(long, 20)
    with pytest.raises(Refused):
        segment(header, frame[:55] + b"\xff" + frame[56:])
    fragment = stacked(IPv6(dst="fd00::1"), IPv6ExtHdrFragment(), TCP(), Raw(PAYLOAD[:40]))
    with pytest.raises(Refused):
        segment(*super_frame(fragment, 20))


def test_a_super_frame_without_payload_is_refused() -> None:
    with pytest.raises(Refused):
        segment(*super_frame(stacked(IP(dst="10.0.0.2"), TCP()), 1448))


def test_segments_that_no_slot_holds_are_refused() -> None:
    header, frame = super_frame(TCP4, 1460)
    assert max(map(len, segment(header, frame, 1514))) == 1514
    with pytest.raises(Refused, match=str(lib.QL_SEGMENT_TOO_LONG)):
        segment(header, frame, 1513)


def test_the_header_is_that_of_the_kernel() -> None:
    header = VnetHeader(1, 2, 3, 4, 5, 6)
    assert bytes(ffi.buffer(native(header))) == struct.pack("=BBHHHH", *vars(header).values())
    assert ffi.sizeof("ql_vnet_header") == lib.QL_VNET_HEADER_OCTETS
