"""Frames of a burst put together to super-frames, as GRO would, and what must stay apart."""

from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Router_Alert
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, PadN
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet, Raw

from dataplane._core import lib
from tests.engine.offload import VnetHeader, coalesce, segment, super_frame
from tests.engine.test_segment import PAYLOAD, TIMESTAMPS, packets, stacked

SIZE = 100
ALONE = VnetHeader()


def tcp(number: int, octets: int = SIZE, **changes: object) -> Packet:
    """Segment `number` of a TCP stream; `changes` are fields of IP, TCP or Ether, named LAYER_FIELD."""
    packet = stacked(
        IP(src="10.0.0.1", dst="10.0.0.2", id=100 + number),
        TCP(sport=1, dport=2, seq=1000 + SIZE * number, ack=5, flags="A", options=TIMESTAMPS),
        Raw(PAYLOAD[number : number + octets]),
    )
    return changed(packet, **changes)


def udp(number: int, octets: int = SIZE, **changes: object) -> Packet:
    packet = stacked(
        IP(src="10.0.0.1", dst="10.0.0.2", id=100 + number),
        UDP(sport=1, dport=2),
        Raw(PAYLOAD[number : number + octets]),
    )
    return changed(packet, **changes)


def tcp6(number: int, octets: int = SIZE, **changes: object) -> Packet:
    packet = stacked(
        IPv6(src="fd00::1", dst="fd00::2"),
        IPv6ExtHdrDestOpt(),
        TCP(sport=1, dport=2, seq=1000 + SIZE * number, ack=5, flags="A"),
        Raw(PAYLOAD[number : number + octets]),
    )
    return changed(packet, **changes)


def changed(packet: Packet, **changes: object) -> Packet:
    layers = {"ether": Ether, "ip": IP, "ip6": IPv6, "tcp": TCP, "udp": UDP, "options": IPv6ExtHdrDestOpt}
    for name, value in changes.items():
        layer, field = name.split("_", 1)
        setattr(packet[layers[layer]], field, value)
    return packet


def together(*packets: Packet, kinds: int = lib.QL_COALESCE_TCP | lib.QL_COALESCE_UDP) -> list[int]:
    """How many frames are in what comes out of a burst, each once; what is alone is untouched."""
    frames = [bytes(packet) for packet in packets]
    counts = []
    for header, octets in coalesce(frames, kinds):
        segments = segment(header, octets) if header != ALONE else [octets]
        assert header == ALONE or len(segments) > 1
        counts.append(len(segments))
    return counts


@settings(deadline=None, max_examples=60)
@given(packets())
def test_segments_become_the_super_frame_they_were_cut_from(drawn: tuple[Packet, int]) -> None:
    packet, gso_size = drawn
    ecn = TCP in packet and "C" in str(packet[TCP].flags)
    header, frame = super_frame(packet, gso_size, ecn)
    segments = segment(header, frame)
    made = coalesce(segments)
    if len(segments) == 1 or (IP in packet and packet[IP].options):
        assert made == [(ALONE, octets) for octets in segments]
    else:
        assert made == [(header, frame)]


def test_a_stream_is_one_super_frame_up_to_what_ip_can_say() -> None:
    assert together(*(tcp(number) for number in range(64))) == [64]
    payload = 1448 * 46
    header, frame = super_frame(stacked(IP(dst="10.0.0.2"), TCP(flags="A"), Raw(PAYLOAD[: 65535 - 40])), 1448)
    longer = stacked(IP(dst="10.0.0.2", id=47), TCP(seq=payload, flags="A"), Raw(PAYLOAD[:1]))
    frames = segment(header, frame)
    assert len(frames) == 46
    assert [made[0].gso_size for made in coalesce([*frames[:45], bytes(longer)])] == [1448, 0]
    made = coalesce(frames)
    assert (len(made), len(made[0][1])) == (1, 65535 + 14)


def test_what_would_be_longer_than_ip_can_say_is_two_super_frames() -> None:
    frames = []
    for number in range(47):
        ip = IP(src="10.0.0.1", dst="10.0.0.2", id=number)
        frames.append(bytes(stacked(ip, TCP(seq=1448 * number, flags="A"), Raw(PAYLOAD[:1448]))))
    sizes = [len(frame) - 54 for _, frame in coalesce(frames)]
    assert sizes == [45 * 1448, 2 * 1448]


TCP_CHANGES: list[dict[str, Any]] = [
    {"tcp_seq": 1101},  # a gap of one octet
    {"tcp_seq": 1099},
    {"tcp_ack": 6},
    {"tcp_window": 4},
    {"tcp_flags": ""},
    {"tcp_flags": "SA"},
    {"tcp_flags": "RA"},
    {"tcp_flags": "UA"},
    {"tcp_flags": "EA"},
    {"tcp_flags": "CA"},
    {"tcp_reserved": 1},
    {"tcp_urgptr": 1},
    {"tcp_options": [("NOP", None), ("NOP", None), ("Timestamp", (2, 2))]},
    {"tcp_options": []},
    {"ip_id": 100},
    {"ip_id": 102},
    {"ip_tos": 1},
    {"ip_ttl": 63},
    {"ip_flags": "DF"},
    {"ip_flags": "evil"},
    {"ip_flags": "MF"},
    {"ip_frag": 1},
    {"ip_options": [IPOption_Router_Alert()]},
    {"ip_chksum": 1},
    {"tcp_chksum": 1},
    {"ether_src": "02:00:00:00:00:03"},
    {"ether_dst": "02:00:00:00:00:03"},
]


@pytest.mark.parametrize("change", TCP_CHANGES, ids=str)
def test_a_segment_that_differs_stays_apart(change: dict[str, Any]) -> None:
    assert together(tcp(0), tcp(1, **change)) == [1, 1]
    assert together(tcp(0), tcp(1)) == [2]


@pytest.mark.parametrize(
    "change",
    [
        {"ip6_tc": 1},
        {"ip6_fl": 1},
        {"ip6_hlim": 63},
        {"options_options": [PadN(optdata=bytes(1)), PadN(optdata=b"\1")]},
        {"tcp_chksum": 1},
    ],
    ids=str,
)
def test_an_ipv6_segment_that_differs_stays_apart(change: dict[str, Any]) -> None:
    assert together(tcp6(0), tcp6(1, **change)) == [1, 1]
    assert together(tcp6(0), tcp6(1)) == [2]


@pytest.mark.parametrize(
    ("packets", "expected"),
    [
        ([tcp(0), tcp(1, tcp_flags="PA"), tcp(2)], [2, 1]),
        ([tcp(0), tcp(1, tcp_flags="FA")], [2]),
        ([tcp(0, tcp_flags="PA"), tcp(1), tcp(2)], [1, 2]),
        ([tcp(0, tcp_flags="SA"), tcp(1, tcp_flags="SA")], [1, 1]),
        ([tcp(0, tcp_flags="RA"), tcp(1, tcp_flags="RA")], [1, 1]),
        ([tcp(0, tcp_flags="EA"), tcp(1, tcp_flags="EA")], [2]),
        ([tcp(0, tcp_flags="CA"), tcp(1), tcp(2)], [3]),
        ([tcp(0), tcp(1, 99), tcp(2)], [2, 1]),
        ([tcp(0), tcp(1, 101), tcp(2)], [1, 1, 1]),
        ([tcp(0, 0), tcp(0, 0), tcp(0), tcp(1)], [1, 1, 2]),
        ([tcp(0), tcp(2), tcp(3)], [1, 2]),
        ([tcp(1), tcp(0), tcp(2)], [1, 1, 1]),
        ([tcp(0), tcp(0), tcp(1, ip_id=101)], [1, 2]),
        ([tcp(0, tcp_chksum=1), tcp(1), tcp(2)], [1, 2]),
        ([tcp(0), tcp(1), tcp(2, tcp_chksum=1), tcp(3), tcp(4)], [2, 1, 2]),
        (
            [tcp(0, ip_options=[IPOption_Router_Alert()]), tcp(1, ip_options=[IPOption_Router_Alert()])],
            [1, 1],
        ),
        ([udp(0), udp(1), udp(2, 99), udp(3, 99)], [3, 1]),
        ([udp(0), udp(1, 101)], [1, 1]),
        ([udp(0), udp(1, udp_chksum=0), udp(2)], [1, 1, 1]),
        ([udp(0, udp_chksum=0), udp(1, udp_chksum=0)], [1, 1]),
        ([udp(0), udp(1, udp_sport=2), udp(1)], [2, 1]),
        ([udp(0, 0), udp(1, 0)], [1, 1]),
        ([udp(0), tcp(1), udp(1), tcp(2)], [2, 2]),
    ],
)
def test_what_goes_together(packets: list[Packet], expected: list[int]) -> None:
    assert together(*packets) == expected


@pytest.mark.parametrize("make", [tcp, udp])
def test_identifications_stand_still_only_where_no_fragment_can_be(make: Callable[..., Packet]) -> None:
    def series(count: int, flags: str, step: int) -> list[Packet]:
        return [make(i, ip_flags=flags, ip_id=(65535 + step * i) % 65536) for i in range(count)]

    def sizes(frames: list[Packet]) -> list[int]:
        return [header.gso_size for header, _ in coalesce([bytes(frame) for frame in frames])]

    assert sizes(series(4, "DF", 0)) == [SIZE]
    assert sizes(series(4, "DF", 1)) == [SIZE]
    assert sizes(series(4, "", 1)) == [SIZE]
    assert sizes(series(4, "", 0)) == [0] * 4
    assert sizes(series(4, "DF", 2)) == [0] * 4
    assert sizes([*series(2, "DF", 0), make(2, ip_flags="DF", ip_id=0)]) == [SIZE, 0]


def test_flows_are_put_together_beside_each_other() -> None:
    def of(flow: int, number: int) -> Packet:
        return tcp(number, tcp_sport=flow, ip_src=f"10.0.0.{10 + flow}")

    assert together(*(of(flow, number) for number in range(16) for flow in range(4))) == [16] * 4
    assert together(*(of(flow, number) for number in range(2) for flow in range(32))) == [2] * 32


def test_vlans_are_flows_of_their_own() -> None:
    def tagged(number: int, vlan: int) -> Packet:
        plain = tcp(number)
        return stacked(Dot1Q(vlan=vlan), *(layer.copy() for layer in (plain[IP],)))

    assert together(tagged(0, 5), tagged(1, 5), tagged(2, 6)) == [2, 1]
    assert together(tagged(0, 5), tcp(1)) == [1, 1]


def test_a_frame_without_a_flow_is_overtaken_by_none() -> None:
    arp, ping = stacked(ARP()), stacked(IP(dst="10.0.0.2"), ICMP())
    padded = Ether(bytes(tcp(1)) + bytes(3))
    for barrier in (arp, ping, padded, udp(1, ip_flags="MF")):
        burst = [bytes(packet) for packet in (tcp(0), barrier, tcp(1), tcp(2))]
        made = coalesce(burst)
        assert [octets for header, octets in made if header == ALONE] == burst[:2]
        assert made[2][0].gso_size == SIZE


def test_kinds_that_the_kernel_does_not_take_go_alone() -> None:
    frames = [tcp(0), udp(0), tcp(1), udp(1)]
    assert together(*frames, kinds=lib.QL_COALESCE_TCP) == [2, 1, 1]
    assert together(*frames, kinds=lib.QL_COALESCE_UDP) == [1, 2, 1]
    assert together(*frames, kinds=0) == [1] * 4


@cache
def octets_of(make: Callable[..., Packet], number: int, octets: int, **changes: object) -> bytes:
    return bytes(make(number, octets, **changes))


def history(random: Random) -> list[bytes]:
    """Frames of some flows, of which some are lost, doubled, late, changed or damaged."""
    frames: list[bytes] = []
    numbers = [0, 0, 0]
    for _ in range(random.randint(1, 64)):
        flow = random.randrange(3)
        make, port = ((tcp, "tcp_sport"), (udp, "udp_sport"), (tcp6, "tcp_sport"))[flow]
        numbers[flow] += random.choice([1] * 8 + [0, 2])
        changes: dict[str, Any] = {port: random.choice([1] * 5 + [7])}
        if port == "tcp_sport":
            changes["tcp_flags"] = random.choice(["A"] * 8 + ["PA", "EA", "CA"])
        octets = random.choice([SIZE] * 8 + [SIZE - 1, SIZE + 1, 0])
        frame = bytearray(octets_of(make, numbers[flow], octets, **changes))
        if random.random() < 0.1:
            frame[random.randrange(len(frame))] ^= 1 << random.randrange(8)
        frames.insert(max(0, len(frames) - random.choice([0] * 9 + [1])), bytes(frame))
    return frames


def flow_of(frame: bytes) -> bytes:
    """Protocol, addresses and ports, at which the frames of these tests have them."""
    return frame[23:24] + frame[26:38] if frame[12:14] == b"\x08\x00" else frame[22:66]


@pytest.mark.parametrize("seed", range(10))
def test_no_history_loses_changes_or_reorders_a_frame_of_a_flow(seed: int) -> None:
    random = Random(seed)
    for _ in range(20):
        frames = history(random)
        out: list[bytes] = []
        for header, octets in coalesce(frames):
            out += [octets] if header == ALONE else segment(header, octets)
        assert sorted(out) == sorted(frames)
        for flow in set(map(flow_of, frames)):
            assert [f for f in out if flow_of(f) == flow] == [f for f in frames if flow_of(f) == flow]
