"""The native sender by itself: what is on the wire, in which order, and what becomes of refused packets."""

import socket
import struct
from errno import ECONNREFUSED

import numpy as np
import pytest

from dataplane._core import ffi, lib
from dataplane.probes.histogram import SLOTS, Histogram

MAGIC = 0x01020304
RATE = 1_000_000


class Sender:
    """A ql_probe_sender over sockets, whose flows are numbered from 0x0102."""

    def __init__(
        self, ends: list[socket.socket], packets: int, octets: int, train: int, segments: int
    ) -> None:
        self.lateness = np.zeros(SLOTS, np.uint64)
        self.counters = ffi.new("ql_probe_sender_counters *")
        self._packet = ffi.new("uint8_t[]", b"p" * (lib.QL_PROBE_BATCH * octets))
        self._sockets = ffi.new("int[]", [end.fileno() for end in ends])
        self._flows = ffi.new("uint32_t[]", [0x0102 + number for number in range(len(ends))])
        self._sender = ffi.new(
            "ql_probe_sender *",
            {
                "magic": MAGIC,
                "flow_count": len(ends),
                "sockets": self._sockets,
                "flows": self._flows,
                "packets": packets,
                "packets_per_s": RATE,
                "packet_octets": octets,
                "train": train,
                "segments": segments,
                "packet": self._packet,
                "lateness": ffi.cast("uint64_t *", self.lateness.ctypes.data),
                "counters": self.counters,
            },
        )

    def run(self) -> None:
        lib.ql_probe_send(self._sender)


def received(end: socket.socket) -> list[bytes]:
    end.setblocking(False)
    datagrams = []
    while True:
        try:
            datagrams.append(end.recv(1 << 16))
        except BlockingIOError:
            return datagrams


def test_a_packet_on_the_wire_is_header_then_padding() -> None:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with near, far:
        sender = Sender([near], packets=1, octets=50, train=1, segments=1)
        sender.run()
        (packet,) = received(far)
    assert packet == struct.pack(">IHIQ", MAGIC, 0x0102, 0, sender.counters.last_tx_ns) + b"p" * 32


@pytest.mark.parametrize("segments", [1, 3], ids=["one by one", "cut by the kernel"])
def test_flows_take_turns_a_train_each(segments: int) -> None:
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2)]
    try:
        sender = Sender([near for near, _ in pairs], packets=10, octets=18, train=3, segments=segments)
        sender.run()
        arrived = [received(far) for _, far in pairs]
    finally:
        for end in (end for pair in pairs for end in pair):
            end.close()
    # Trains 0 and 2 are the first flow's, 1 and the packet that is left of 3 the second's.
    assert [[len(datagram) // 18 for datagram in flow] for flow in arrived] == (
        [[3, 3], [3, 1]] if segments == 3 else [[1] * 6, [1] * 4]
    )
    packets = [struct.iter_unpack(">IHIQ", b"".join(flow)) for flow in arrived]
    assert [[(flow, sequence) for _, flow, sequence, _ in each] for each in packets] == [
        [(0x0102, sequence) for sequence in range(6)],
        [(0x0103, sequence) for sequence in range(4)],
    ]
    assert Histogram(sender.lateness).total == 4


def test_a_refused_packet_is_counted_and_the_sender_goes_on() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
            far.bind(("127.0.0.1", 0))
            near.connect(far.getsockname())
        sender = Sender([near], packets=200, octets=24, train=1, segments=1)
        sender.run()
    assert sender.counters.sent_count == 200
    refused = list(sender.counters.send_errors)
    assert refused[ECONNREFUSED] > 0
    assert sum(refused) == refused[ECONNREFUSED]


def test_a_sender_that_is_told_to_stop_sends_no_more() -> None:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with near, far:
        sender = Sender([near], packets=1000, octets=18, train=1, segments=1)
        lib.ql_probe_stop(sender.counters)
        sender.run()
        assert received(far) == []
    assert sender.counters.sent_count == 0
