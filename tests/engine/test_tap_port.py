"""The port with offload, over socket pairs: super-frames of any number of segments, and what it refuses."""

import errno
import fcntl
from collections.abc import Iterator

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.packet import Raw

from dataplane._core import lib
from dataplane.engine import Engine
from dataplane.links.link import WIRE_COUNTERS
from dataplane.ports.memory import MemoryPort
from dataplane.ports.packet import owned
from dataplane.ports.tap import negotiate_offload
from tests.engine.bench import ARRIVAL_TIMEOUT_S, specification
from tests.engine.offload import VnetHeader, segment, split_header, super_frame
from tests.engine.test_segment import PAYLOAD, stacked
from tests.waiting import eventually

FALLBACKS = {
    0: lib.QL_COALESCE_TCP | lib.QL_COALESCE_UDP,
    1: lib.QL_COALESCE_TCP,
    2: 0,
}
"""What a kernel takes that refuses so many of the offloads it is asked for."""
SENT = tuple[VnetHeader, bytes]


class OffloadPort(MemoryPort):
    """A port in memory whose node speaks as a TAP device with offload does."""

    def __init__(self) -> None:
        super().__init__()
        self.handle = owned(
            lib.ql_port_new_tap(self._engine_side.fileno(), lib.QL_COALESCE_TCP | lib.QL_COALESCE_UDP)
        )
        self.node.settimeout(ARRIVAL_TIMEOUT_S)

    def send(self, header: VnetHeader, frame: bytes) -> None:
        self.node.send(header.encode() + frame)

    def receive(self) -> SENT:
        return split_header(self.node.recv(1 << 17))


class Pair:
    """A MACsec link between two such ports."""

    def __init__(self) -> None:
        self.engine = Engine(workers=1)
        self.ports = (OffloadPort(), OffloadPort())
        self.engine.add_link(specification(), ports=self.ports)

    def carry(self, *sent: SENT, received: int) -> list[SENT]:
        """What comes out of frames that are there when the port is looked at, so many of it."""
        for header, frame in sent:
            self.ports[0].send(header, frame)
        return [self.ports[1].receive() for _ in range(received)]

    def count(self, counter: str) -> int:
        return int(self.engine.counters("ch1").wires[0][WIRE_COUNTERS.index(counter)])


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.engine.close()


def stream(octets: int, size: int, identification: int = 1) -> SENT:
    ip = IP(src="10.0.0.1", dst="10.0.0.2", id=identification)
    return super_frame(stacked(ip, TCP(sport=1, dport=2, seq=7, flags="A"), Raw(PAYLOAD[:octets])), size)


MARK = (VnetHeader(), bytes(stacked(IP(dst="10.0.0.2"), UDP(), Raw(b"mark"))))


def cut(sent: list[SENT]) -> list[bytes]:
    """As wire frames."""
    return [
        part for header, frame in sent for part in (segment(header, frame) if header.gso_type else [frame])
    ]


def test_a_super_frame_that_fits_a_burst_comes_out_as_it_went_in(pair: Pair) -> None:
    sent = [stream(20000, 482), MARK, stream(15001, 420, 9), stream(64 * 200, 200, 99), MARK]
    assert pair.carry(*sent, received=5) == sent
    assert pair.count("tx_super_frames") == 3
    assert pair.count("tx_frames") == len(cut(sent))
    eventually(lambda: pair.count("rx_frames") == len(cut(sent)))  # counted once the port has taken them


@pytest.mark.parametrize("segments", [65, 200, 1000])
def test_a_super_frame_that_is_longer_than_a_burst_is_carried_whole(pair: Pair, segments: int) -> None:
    sent = stream(segments * 50 - 1, 50)
    bursts = -(-segments // 64)
    assert cut(pair.carry(sent, received=bursts)) == cut([sent])
    assert pair.carry(MARK, received=1) == [MARK]


def test_what_no_kernel_hands_over_is_counted_and_the_next_frame_goes(pair: Pair) -> None:
    header, frame = stream(3000, 1448)
    refused = [
        (header, frame[:-1]),
        (VnetHeader(gso_type=9), frame),
        (VnetHeader(flags=1, csum_start=20000), frame[:100]),
        (VnetHeader(flags=1, csum_start=90, csum_offset=9), frame[:100]),
    ]
    assert pair.carry(*refused, MARK, received=1) == [MARK]
    assert pair.count("drop_segment") == len(refused)
    assert pair.carry(stream(3000, 2000), (VnetHeader(), frame), MARK, received=1) == [MARK]
    assert pair.count("drop_too_long") == 2
    assert pair.count("tx_super_frames") == 0


def test_a_checksum_is_completed_on_the_way(pair: Pair) -> None:
    header, frame = stream(1000, 1448)
    plain = VnetHeader(flags=1, csum_start=header.csum_start, csum_offset=header.csum_offset)
    assert pair.carry((plain, frame), received=1) == [(VnetHeader(), segment(header, frame)[0])]


def test_a_flow_keeps_its_order_and_a_damaged_frame_comes_alone_as_it_was(pair: Pair) -> None:
    frames = cut([stream(7000, 1400)])
    frames[2] = frames[2][:-1] + bytes([frames[2][-1] ^ 1])
    for frame in frames:
        pair.ports[0].send(VnetHeader(), frame)
    arrived: list[SENT] = []
    while len(cut(arrived)) < len(frames):
        arrived.append(pair.ports[1].receive())
    assert cut(arrived) == frames
    assert (VnetHeader(), frames[2]) in arrived


@pytest.mark.parametrize(("refused", "kinds"), FALLBACKS.items())
def test_less_offload_is_asked_for_where_the_kernel_refuses_more(
    monkeypatch: pytest.MonkeyPatch, refused: int, kinds: int
) -> None:
    asked: list[int] = []

    def ioctl(descriptor: int, request: int, offload: int) -> None:
        asked.append(offload)
        if len(asked) <= refused:
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    assert negotiate_offload(3) == kinds
    assert asked == [0x67, 0x07][: refused + 1]
