"""Offload between real kernels: the wire has what a NIC would send, and a kernel judges the rest."""

import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw
from scapy.utils import wrpcap

from dataplane.captures.memory import CapturePoint
from dataplane.captures.reader import CaptureReader
from dataplane.engine import Engine
from dataplane.links.link import WIRE_COUNTERS
from dataplane.links.specification import Impairment, LinkSpecification, MacsecSpecification
from dataplane.namespace import run_in_namespace
from tests.capturing import capturing, dropped
from tests.engine.bench import A_MAC, B_MAC, attend_until
from tests.engine.offload import is_right, super_frame
from tests.engine.test_tap import NAMESPACES, ip, kernel_carriers, link_specification
from tests.waiting import eventually

pytestmark = pytest.mark.lab

MTU = 1500
ADDRESSES = {socket.AF_INET: ("10.9.0.1", "10.9.0.2"), socket.AF_INET6: ("fd09::1", "fd09::2")}
PORT = 5009
DATA = bytes(range(251)) * 1201  # an odd number of octets, in which no place is like that 256 octets on
UDP_SEGMENT = 103  # linux/udp.h
SOL_PACKET, PACKET_VNET_HDR = 263, 15  # linux/if_packet.h
PADDED_OPTIONS = bytes([0, 0, 1, 4, 0, 0, 0, 0])  # an extension header of 8 octets, whose option is PadN
TIMEOUT_S = 30
SETTINGS = (
    "net.ipv4.tcp_ecn=1",
    "net.ipv6.conf.default.accept_dad=0",
    "net.ipv6.conf.default.router_solicitations=0",
)


class Hosts:
    """Two namespaces that are joined by the link ch1."""

    def __init__(self, macsec: MacsecSpecification | None) -> None:
        self.engine = Engine(workers=2)
        self.engine.add_link(LinkSpecification("ch1", link_specification().ends, MTU, macsec))
        for end, namespace in enumerate(NAMESPACES):
            for (first, second), bits in zip(ADDRESSES.values(), ("24", "64"), strict=True):
                ip("-n", namespace, "address", "add", f"{(first, second)[end]}/{bits}", "dev", "eth1")
            address = (A_MAC, B_MAC)[end].hex(":")
            ip("-n", namespace, "link", "set", "eth1", "address", address, "mtu", str(MTU), "up")
        attend_until(self.engine, lambda: kernel_carriers() == [True, True])

    def count(self, sender: int, counter: str) -> int:
        return int(self.engine.counters("ch1").wires[sender][WIRE_COUNTERS.index(counter)])


@contextmanager
def hosts(macsec: MacsecSpecification | None) -> Iterator[Hosts]:
    with ExitStack() as stack:
        for namespace in NAMESPACES:
            ip("netns", "add", namespace)
            stack.callback(ip, "netns", "delete", namespace)
            ip("netns", "exec", namespace, "sysctl", "-qw", *SETTINGS)
        made = Hosts(macsec)
        stack.callback(made.engine.close)
        yield made


def open_socket(end: int, family: int, kind: int) -> socket.socket:
    made = run_in_namespace(NAMESPACES[end], lambda: socket.socket(family, kind))
    made.settimeout(TIMEOUT_S)
    made.bind((ADDRESSES[socket.AddressFamily(family)][end], PORT + end))
    return made


def transfer(family: int, data: bytes = DATA) -> bytes:
    """What the application at b reads of what the one at a writes in pieces of odd sizes."""
    with (
        open_socket(0, family, socket.SOCK_STREAM) as near,
        open_socket(1, family, socket.SOCK_STREAM) as far,
    ):
        far.listen()

        def send() -> None:
            near.connect(far.getsockname())
            for at in range(0, len(data), 50021):
                near.sendall(data[at : at + 50021])
            near.shutdown(socket.SHUT_WR)

        sender, received = Thread(target=send), b""
        sender.start()
        accepted, _ = far.accept()
        with accepted:
            accepted.settimeout(TIMEOUT_S)
            while piece := accepted.recv(1 << 16):
                received += piece
        sender.join()
        return received


def send_segments(family: int, size: int, options: tuple[int, ...] = ()) -> list[bytes]:
    """What b reads of a datagram that a's kernel is asked to cut; options of IPv6 go with it."""
    data = DATA[: 20 * size + 3]
    with open_socket(0, family, socket.SOCK_DGRAM) as near, open_socket(1, family, socket.SOCK_DGRAM) as far:
        near.setsockopt(socket.SOL_UDP, UDP_SEGMENT, size)
        for option in options:
            near.setsockopt(socket.IPPROTO_IPV6, option, PADDED_OPTIONS)
        near.connect(far.getsockname())
        near.send(data)
        received = [far.recv(1 << 16) for _ in range(21)]
    assert b"".join(received) == data
    return received


def send_tagged(packet: Packet, gso_size: int) -> None:
    """Gives a's kernel a super-frame with VLAN tags, as a VLAN interface would: the machine may have none."""
    header, frame = super_frame(packet, gso_size)

    def send() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as packets:
            packets.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
            packets.bind(("eth1", 0))
            packets.send(header.encode() + frame)

    run_in_namespace(NAMESPACES[0], send)


def sent(reader: CaptureReader, wire: int) -> list[bytes]:
    return [frame.data for frame in reader.read(last=True) if frame.wire == wire]


def streams(frames: Sequence[Packet], kind: type[Packet]) -> dict[bytes, list[Packet]]:
    """Frames that carry something, by the addresses of their network layer."""
    found: dict[bytes, list[Packet]] = {}
    for frame in frames:
        if kind in frame and bytes(frame[kind].payload):
            network = frame[IPv6] if IPv6 in frame else frame[IP]
            found.setdefault(f"{network.src} {network.dst}".encode(), []).append(frame)
    return found


def expect_no_complaint(frames: list[bytes], folder: Path) -> None:
    """By tshark, with every checksum looked at."""
    if shutil.which("tshark") is None:
        pytest.skip("needs tshark, which `sudo ./quadlink test` installs")
    wrpcap(str(folder / "frames.pcap"), [Ether(frame) for frame in frames])
    layers = ("ip", "tcp", "udp")
    options = [word for layer in layers for word in ("-o", f"{layer}.check_checksum:TRUE")]
    bad = " || ".join(f'{layer}.checksum.status != "Good"' for layer in layers)
    command = ["tshark", "-r", str(folder / "frames.pcap"), *options, "-Y", bad]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_a_wire_has_what_a_nic_would_send(tmp_path: Path) -> None:
    tagged = Ether(src=A_MAC, dst=B_MAC) / Dot1AD(vlan=5) / Dot1Q(vlan=7)
    tagged = tagged / IP(src="10.7.0.1", dst="10.7.0.2", id=65530) / TCP(flags="PA") / Raw(DATA[:60000])
    with hosts(MacsecSpecification()) as both:
        with capturing(both.engine, "ch1", points=CapturePoint.SENT, ring_octets=1 << 23) as reader:
            for family in ADDRESSES:
                assert transfer(family) == DATA
                assert [len(part) for part in send_segments(family, 1001)] == [1001] * 20 + [3]
            send_segments(socket.AF_INET6, 1399, (socket.IPV6_HOPOPTS, socket.IPV6_DSTOPTS))
            send_tagged(tagged, 1440)
            eventually(lambda: both.count(0, "tx_super_frames") > 0 and both.count(1, "rx_frames") > 0)
        frames = sent(reader, 0)
        assert dropped(reader) == 0
        assert both.count(0, "tx_super_frames") < both.count(0, "tx_frames") / 4
        assert both.count(0, "rx_super_frames") > 0
        assert both.count(0, "drop_segment") == 0
    assert all(map(is_right, frames))
    assert max(len(frame) for frame in frames if frame[12:14] != b"\x88\xa8") == MTU + 14
    expect_no_complaint(frames, tmp_path)
    packets = [Ether(frame) for frame in frames]
    for stream in streams([packet for packet in packets if Dot1Q not in packet], TCP).values():
        expect_stream(stream)
    datagrams = streams(packets, UDP)
    assert {len(stream) for stream in datagrams.values()} == {21, 42}
    assert sum(IPv6ExtHdrHopByHop in packet and IPv6ExtHdrDestOpt in packet for packet in packets) == 21
    for stream in datagrams.values():
        if IP in stream[0]:
            expect_rising(stream)
    in_vlan = [packet for packet in packets if Dot1Q in packet]
    assert b"".join(bytes(packet[TCP].payload) for packet in in_vlan) == DATA[:60000]
    assert [str(packet[TCP].flags) for packet in in_vlan] == ["A"] * (len(in_vlan) - 1) + ["PA"]
    expect_rising(in_vlan)


def expect_rising(stream: Sequence[Packet]) -> None:
    ids = [packet[IP].id for packet in stream]
    assert ids == [(ids[0] + number) % 65536 for number in range(len(ids))]


def expect_stream(stream: list[Packet]) -> None:
    """One TCP stream of DATA, from end to end."""
    if IP in stream[0]:
        expect_rising(stream)
    network = IPv6 if IPv6 in stream[0] else IP
    assert all((packet[network].tc if network is IPv6 else packet[network].tos) & 3 == 2 for packet in stream)
    first = stream[0][TCP].seq
    assert b"".join(bytes(packet[TCP].payload) for packet in stream) == DATA
    assert [packet[TCP].seq - first for packet in stream] == [
        sum(len(packet[TCP].payload) for packet in stream[:number]) for number in range(len(stream))
    ]
    assert not any("F" in str(packet[TCP].flags) for packet in stream[:-1])


def counter_of(end: int, protocol: str, name: str) -> int:
    """A counter of the kernel at that end, of /proc/net/snmp."""
    text = run_in_namespace(NAMESPACES[end], lambda: Path("/proc/thread-self/net/snmp").read_text())
    names, values = (line.split()[1:] for line in text.splitlines() if line.startswith(f"{protocol}: "))
    return int(values[names.index(name)])


def test_the_kernel_judges_a_checksum_that_the_wire_has_damaged() -> None:
    with hosts(None) as both, open_socket(1, socket.AF_INET, socket.SOCK_DGRAM) as far:
        near, there = ADDRESSES[socket.AF_INET]
        frames = [
            bytes(
                Ether(src=A_MAC, dst=B_MAC)
                / IP(src=near, dst=there, id=number)
                / UDP(sport=9, dport=PORT + 1)
                / Raw(bytes([number]) * 1000)
            )
            for number in range(6)
        ]
        frames[2] = frames[2][:-1] + b"\xff"
        both.engine.inject("ch1", "a", *frames)
        assert [far.recv(2000)[0] for _ in range(5)] == [0, 1, 3, 4, 5]
        assert counter_of(1, "Udp", "InCsumErrors") == 1
        eventually(lambda: both.count(0, "rx_super_frames") == 2)


def test_a_stream_over_a_wire_that_loses_and_damages_frames_arrives_whole() -> None:
    with hosts(None) as both:
        both.engine.impair("ch1", (Impairment(loss=0.01, corrupt=0.01), Impairment()))
        data = DATA * 8
        assert transfer(socket.AF_INET, data) == data
        assert both.count(0, "drop_loss") > 0
        assert both.count(0, "corrupted") > 0
        assert counter_of(1, "Tcp", "InCsumErrors") + counter_of(1, "Ip", "InHdrErrors") > 0
        assert both.count(0, "rx_super_frames") > 0
