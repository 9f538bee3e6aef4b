"""A probe session: many flows sent on one open-loop schedule, received and recorded by native threads.

The two threads run C without the GIL. The sender follows absolute deadlines and takes the flows in turn; it
knows nothing of what arrives. A packet carries magic (8 octets), flow (4), sequence (4) and send time in
nanoseconds (8), in network byte order, then padding.
"""

import errno
import math
import secrets
import select
import socket
import struct
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import numpy as np

from dataplane._core import ffi, lib
from dataplane.probes.flows import Flow, open_receivers, open_senders
from dataplane.probes.records import RECEIVED, SENT, ProbeRecords

SO_MEMINFO = 55  # asm-generic/socket.h; nine u32, the last is SK_MEMINFO_DROPS
PADDING = b"quadlink probe "
MAX_PAYLOAD_OCTETS = 65487  # a UDP payload that both IPv4 and IPv6 can carry


class ProbeSession:
    """Sends `packets_per_s` over all `flows` together for at most `duration_s`. Use once, best as a context:
    leaving it without stop() ends the session at once, with no grace for what is under way.

    `size_octets` is the UDP payload, at least 24. Every record is kept: 16 octets for each packet sent and 24
    for each received, in memory that is claimed as it fills. Twice as many may be received as are sent.
    """

    def __init__(
        self, flows: Sequence[Flow], packets_per_s: int, size_octets: int, duration_s: float
    ) -> None:
        """Raises ValueError on a rate, size or duration that cannot be, or two flows of one id."""
        capacity = math.ceil(packets_per_s * duration_s)
        if not flows or len({flow.id for flow in flows}) != len(flows):
            raise ValueError(f"{len(flows)} probe flows: expected at least one, each with an id of its own")
        if packets_per_s < 1 or capacity < 1:
            raise ValueError(f"{packets_per_s} packets/s for {duration_s} s: expected at least one packet")
        if not lib.QL_PROBE_HEADER_OCTETS <= size_octets <= MAX_PAYLOAD_OCTETS:
            limits = f"{lib.QL_PROBE_HEADER_OCTETS} to {MAX_PAYLOAD_OCTETS} octets"
            raise ValueError(f"probe size {size_octets}: expected {limits}")
        self.flows = tuple(flows)
        self.magic = secrets.randbits(64)
        """Marks the packets of this session on the wire; packets of any other are malformed to it."""
        self._sent = np.zeros(capacity, SENT)
        self._received = np.zeros(2 * capacity, RECEIVED)
        self._padding = bytearray((PADDING * (size_octets // len(PADDING) + 1))[:size_octets])
        self._sender = ffi.new("ql_probe_sender *")
        self._receiver = ffi.new("ql_probe_receiver *")
        self._describe_sender(packets_per_s)
        self._describe_receiver(size_octets)
        # Bound methods: a running thread keeps the session, and so the arrays it writes, alive.
        self._threads = [
            threading.Thread(target=self._receive, name="probe receiver", daemon=True),
            threading.Thread(target=self._send, name="probe sender", daemon=True),
        ]
        self._opened = ExitStack()
        self._receiving_sockets: list[socket.socket] = []
        self._dropped = 0

    def _describe_sender(self, packets_per_s: int) -> None:
        self._sockets = np.full(len(self.flows), -1, np.intc)
        self._flow_ids = np.array([flow.id for flow in self.flows], np.uint32)
        self._sender.magic = self.magic
        self._sender.packets_per_s = packets_per_s
        self._sender.flow_count = len(self.flows)
        self._sender.sockets = ffi.from_buffer("int[]", self._sockets)
        self._sender.flows = ffi.from_buffer("uint32_t[]", self._flow_ids)
        self._sender.packet = ffi.from_buffer("uint8_t[]", self._padding)
        self._sender.packet_octets = len(self._padding)
        self._sender.sent = ffi.cast("ql_probe_sent *", self._sent.ctypes.data)
        self._sender.sent_capacity = len(self._sent)

    def _describe_receiver(self, size_octets: int) -> None:
        self._receiver.magic = self.magic
        self._receiver.packet_octets = size_octets
        self._receiver.received = ffi.cast("ql_probe_received *", self._received.ctypes.data)
        self._receiver.received_capacity = len(self._received)

    def start(self) -> None:
        """Open the sockets, then receive, then send. OSError where a socket cannot be had; none is left."""
        with ExitStack() as opened:
            receivers = open_receivers(self.flows, opened)
            self._sockets[:] = [sender.fileno() for sender in open_senders(self.flows, opened)]
            epoll = opened.enter_context(select.epoll())
            for receiver in receivers:
                epoll.register(receiver, select.EPOLLIN)
            self._receiver.epoll = epoll.fileno()
            self._receiving_sockets = receivers
            self._opened = opened.pop_all()
        try:
            for thread in self._threads:
                thread.start()
        except BaseException:
            self._close()
            raise

    def wait(self, timeout_s: float) -> bool:
        """Wait until the sender has sent all it may; whether it has."""
        self._threads[1].join(timeout_s)
        return not self._threads[1].is_alive()

    def stop(self, grace_s: float = 0.2) -> ProbeRecords:
        """Stop sending, receive for `grace_s` more, close the sockets. Called again: the same records."""
        try:
            lib.ql_probe_stop(self._sender)
            self._join(self._threads[1])
            lib.ql_probe_stop_at(self._receiver, time.monotonic_ns() + round(grace_s * 1e9))
            self._join(self._threads[0])
        finally:
            self._close()
        return self.records()

    def records(self) -> ProbeRecords:
        """What was sent and received so far; may be called while the session runs.

        The arrays are views. Received is read before sent, so whatever is in the first is in the second.
        """
        received = self._received[: _count(self._receiver, "received_count")]
        sent = self._sent[: _count(self._sender, "sent_count")]
        refused = [lib.ql_probe_count(self._sender.send_errors + n) for n in range(lib.QL_PROBE_ERRNO_COUNT)]
        return ProbeRecords(
            sent=sent,
            received=received,
            send_errors={errno.errorcode.get(n, str(n)): count for n, count in enumerate(refused) if count},
            max_lateness_ns=_count(self._sender, "max_lateness_ns"),
            malformed=_count(self._receiver, "malformed"),
            overruns=_count(self._receiver, "overruns"),
            receive_buffer_drops=self._dropped + sum(map(_dropped_by, self._receiving_sockets)),
            receive_errors=_count(self._receiver, "receive_errors"),
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def _send(self) -> None:
        lib.ql_probe_send(self._sender)

    def _receive(self) -> None:
        lib.ql_probe_receive(self._receiver)

    def _join(self, thread: threading.Thread) -> None:
        if thread.ident is not None:
            thread.join()

    def _close(self) -> None:
        """End both threads at once and only then close their sockets, whose numbers others may get."""
        lib.ql_probe_stop(self._sender)
        lib.ql_probe_stop_at(self._receiver, 1)
        for thread in self._threads:
            self._join(thread)
        self._dropped += sum(map(_dropped_by, self._receiving_sockets))
        self._receiving_sockets = []
        self._opened.close()


def _count(worker: object, counter: str) -> int:
    """A counter of a ql_probe_sender or ql_probe_receiver that may be running."""
    value: int = lib.ql_probe_count(ffi.addressof(worker, counter))
    return value


def _dropped_by(receiver: socket.socket) -> int:
    counters: tuple[int, ...] = struct.unpack("=9I", receiver.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))
    return counters[-1]
