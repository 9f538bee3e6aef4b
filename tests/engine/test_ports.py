"""Every kind of port carries every frame as it is, in bursts too, and goes with an owner that is killed."""

import signal
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataplane.engine import Engine
from dataplane.interface import LinkError
from dataplane.links.specification import FaultMode, LinkSpecification, PortType
from dataplane.ports.memory import MemoryPort
from dataplane.ports.port import Port
from tests.engine.bench import A_MAC, ARRIVAL_TIMEOUT_S, B_MAC, attend_until, descriptors, memory_ports
from tests.engine.process import engine_process
from tests.engine.test_tap import (
    NAMESPACES,
    ip,
    kernel_carriers,
    kernel_link,
    link_specification,
    namespaces,
    raw_socket,
)
from tests.waiting import eventually

pytestmark = pytest.mark.lab
__all__ = ["namespaces"]

MEMORY = "memory"
MTU = 1500
BURST_FRAMES = 4000
ON_THE_WAY = 200
"""Frames that no queue between two nodes has to drop."""
SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 8, 23  # linux/if_packet.h
TP_STATUS_VLAN_VALID = 0x10
ETH_P_ALL = 3
_AUXDATA = struct.Struct("=IIIHHHH")  # struct tpacket_auxdata
VLAN_TAGS = {"plain": b"", "802.1Q": bytes.fromhex("81000064"), "802.1ad": bytes.fromhex("88a82065 8100e064")}


class Nodes:
    """Two nodes joined by the plain link ch1 over ports of one kind, and a socket at each."""

    def __init__(self, kind: str, mtu: int = MTU) -> None:
        self.engine = Engine(workers=2)
        specification = link_specification(port=PortType.TAP if kind == MEMORY else PortType(kind))
        specification = LinkSpecification("ch1", specification.ends, mtu)
        ports: tuple[Port, ...] = memory_ports() if kind == MEMORY else ()
        self.engine.add_link(specification, ports=ports)
        self.sockets = [port.node for port in ports if isinstance(port, MemoryPort)]
        if not self.sockets:
            for end in (0, 1):
                ip("-n", NAMESPACES[end], "link", "set", "eth1", "mtu", str(mtu), "up")
                self.sockets.append(raw_socket(end, ETH_P_ALL))  # before the kernel drops a tag
                for option in (PACKET_AUXDATA, PACKET_IGNORE_OUTGOING):
                    self.sockets[end].setsockopt(SOL_PACKET, option, 1)
            attend_until(self.engine, lambda: kernel_carriers() == [True, True])

    def close(self) -> None:
        self.engine.close()
        for node in self.sockets:
            node.close()

    def receive(self, end: int) -> bytes:
        """The next frame at that end; a tag that a packet socket has taken out of it is put back."""
        frame, auxiliary, _, _ = self.sockets[end].recvmsg(4096, 64)
        for _, kind, data in auxiliary:
            if kind == PACKET_AUXDATA:
                status, *_, tci, tpid = _AUXDATA.unpack(data)
                if status & TP_STATUS_VLAN_VALID:
                    frame = frame[:12] + tpid.to_bytes(2) + tci.to_bytes(2) + frame[12:]
        return frame


@pytest.fixture(params=[*PortType, MEMORY])
def nodes(namespaces: None, request: pytest.FixtureRequest) -> Iterator[Nodes]:
    nodes = Nodes(request.param)
    yield nodes
    nodes.close()


def frame_of(octets: int, tags: bytes = b"", number: int = 0) -> bytes:
    """A frame whose octets depend on all three."""
    payload = number.to_bytes(4) + bytes((number + octets + i) & 0xFF for i in range(octets))
    return (B_MAC + A_MAC + tags + bytes.fromhex("88b5") + payload)[:octets]


def test_frames_of_every_size_cross_unchanged_both_ways(nodes: Nodes) -> None:
    for octets in (14, 15, 60, 61, 64, 128, 1023, 1513, 1514):
        for end in (0, 1):
            frame = frame_of(octets)
            nodes.sockets[end].send(frame)
            assert nodes.receive(1 - end) == frame


@pytest.mark.parametrize("tags", VLAN_TAGS.values(), ids=VLAN_TAGS)
def test_vlan_tags_are_part_of_the_frame(nodes: Nodes, tags: bytes) -> None:
    for octets in (64, 1514):
        frame = frame_of(octets, tags)
        nodes.sockets[0].send(frame)
        assert nodes.receive(1) == frame


def test_bursts_of_thousands_keep_order_and_octets(nodes: Nodes) -> None:
    frames = [frame_of(60 + number % 200, number=number) for number in range(BURST_FRAMES)]
    for end in (0, 1):
        for sent, frame in enumerate(frames):
            nodes.sockets[end].send(frame)
            if sent >= ON_THE_WAY:
                assert nodes.receive(1 - end) == frames[sent - ON_THE_WAY]
        for frame in frames[-ON_THE_WAY:]:
            assert nodes.receive(1 - end) == frame


def test_what_was_sent_into_a_cut_does_not_come_after_it(nodes: Nodes) -> None:
    nodes.engine.set_fault("ch1", FaultMode.CARRIER)
    for number in range(10):
        nodes.engine.inject("ch1", "a", frame_of(100, number=number))
    nodes.engine.clear_fault("ch1")
    later = frame_of(100, number=1000)
    nodes.engine.inject("ch1", "a", later)
    assert nodes.receive(1) == later


def test_a_port_takes_no_frame_that_is_longer_than_it_can_carry(nodes: Nodes) -> None:
    for octets in (5000, 65535):
        nodes.engine.inject("ch1", "a", frame_of(octets))
    nodes.engine.inject("ch1", "a", frame_of(60))
    nodes.sockets[1].settimeout(ARRIVAL_TIMEOUT_S)
    while len(frame := nodes.receive(1)) != 60:  # a socket pair has no MTU
        assert len(frame) == 4096
    assert frame == frame_of(60)


@pytest.mark.parametrize("port", PortType)
def test_interfaces_go_with_an_engine_that_is_killed(
    namespaces: None, port: PortType, tmp_path: Path
) -> None:
    with engine_process(tmp_path) as (engine, process):
        engine.add_link(link_specification(port=port))
        assert all(kernel_link(end) for end in (0, 1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        eventually(lambda: not any(kernel_link(end) for end in (0, 1)))


def test_an_mtu_over_what_one_buffer_holds_is_refused_and_the_limit_is_said(namespaces: None) -> None:
    engine = Engine(workers=1)
    try:
        engine.add_link(link_specification(port=PortType.XDP))
        engine.remove_link("ch1")
        before = descriptors()
        with pytest.raises(LinkError, match="found mtu 9000, expected at most") as refused:
            engine.add_link(link_specification(mtu=9000, port=PortType.XDP))
        limit = int(str(refused.value).partition("at most ")[2].split()[0])
        with pytest.raises(LinkError, match=f"found mtu {limit + 1}, expected at most {limit}"):
            engine.add_link(link_specification(mtu=limit + 1, port=PortType.XDP))
        assert descriptors() == before
        assert not any(kernel_link(end) for end in (0, 1))
    finally:
        engine.close()
    nodes = Nodes(PortType.XDP, limit)
    try:
        frame = frame_of(14 + limit)
        nodes.sockets[0].send(frame)
        assert nodes.receive(1) == frame
    finally:
        nodes.close()
