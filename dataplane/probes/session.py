"""A probe session: many flows, sent on one open-loop schedule and received by a process of its own.

The sender follows absolute deadlines and takes the flows in turn; it knows nothing of what arrives. A packet
carries magic (4 octets), flow (2), sequence (4) and send time in nanoseconds (8), in network byte order, then
padding.
"""

import errno
import secrets
import select
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from dataplane._core import ffi, lib
from dataplane.probes.flows import Flow, open_receivers, open_senders
from dataplane.probes.histogram import SLOTS, Histogram
from dataplane.probes.load import LONGEST_TRAIN, SEQUENCES, Load
from dataplane.probes.owner import Job, ProbeProcess
from dataplane.probes.records import RECEIVED, SENT, ProbeRecords
from dataplane.probes.shared import SharedMemory

SO_MEMINFO = 55  # asm-generic/socket.h; nine u32, the last is SK_MEMINFO_DROPS
SO_TIMESTAMPNS = 35  # asm-generic/socket.h
UDP_SEGMENT, UDP_GRO = 103, 104  # linux/udp.h
PADDING = b"quadlink probe "
MAGICS = 1 << 32
SENDER, RECEIVER = 0, 1
NS_PER_S = 1e9


class Session:
    """Sends a load over flows, for at most its duration. Use once, best as a context: leaving it without
    stop() ends the session at once, with no grace for what is under way.

    What is kept of the packets is for a subclass to say.
    """

    def __init__(
        self,
        flows: Sequence[Flow],
        load: Load,
        kept: Mapping[str, tuple[npt.DTypeLike, int]],
        bounds: Mapping[str, int],
    ) -> None:
        """`kept` are the shared arrays for what is kept, by the member of the native structs that points to
        each, and `bounds` their sizes, by member. Raises ValueError for flows that cannot be."""
        if not flows or len({flow.id for flow in flows}) != len(flows):
            raise ValueError(f"{len(flows)} probe flows: expected at least one, each with an id of its own")
        if load.packets > SEQUENCES:
            raise ValueError(f"{load.packets} packets in a session: expected at most {SEQUENCES}")
        self.flows = tuple(flows)
        self.load = load
        self.magic = secrets.randbelow(MAGICS)
        """Marks the packets of this session on the wire; packets of any other are malformed to it."""
        self._memory = SharedMemory(
            {
                "sender": (np.uint8, ffi.sizeof("ql_probe_sender_counters")),
                "receiver": (np.uint8, ffi.sizeof("ql_probe_receiver_counters")),
                "lateness": (np.uint64, SLOTS),
                "sockets": (np.intc, len(flows)),
                "numbers": (np.uint32, len(flows)),
                "packet": (np.uint8, LONGEST_TRAIN * load.size_octets),
                **kept,
            }
        )
        self._bounds = bounds
        padding = (PADDING * (load.size_octets // len(PADDING) + 1))[: load.size_octets]
        self._memory.arrays["packet"][:] = np.frombuffer(padding * LONGEST_TRAIN, np.uint8)
        self._memory.arrays["numbers"][:] = [flow.id for flow in flows]
        self._sender = self._memory.pointer("sender", "ql_probe_sender_counters *")
        self._receiver = self._memory.pointer("receiver", "ql_probe_receiver_counters *")
        self._opened = ExitStack()
        self._opened.callback(self._memory.close)
        self._process: ProbeProcess | None = None
        self._receiving_sockets: list[socket.socket] = []
        self._dropped = 0

    def start(self) -> None:
        """Open the sockets, then receive, then send. OSError where a socket cannot be had; none is left."""
        try:
            receivers = open_receivers(self.flows, self._opened)
            senders = open_senders(self.flows, self._opened)
            epoll = self._opened.enter_context(select.epoll())
            for receiver in receivers:
                epoll.register(receiver, select.EPOLLIN)
            self._set_options(senders, receivers)
            self._memory.arrays["sockets"][:] = [sender.fileno() for sender in senders]
            jobs = [self._sending(), self._receiving(epoll.fileno())]
            inherited = [epoll.fileno(), *(end.fileno() for end in (*senders, *receivers))]
            self._process = ProbeProcess(jobs, self._memory, inherited)
            self._opened.callback(self._process.close)
            self._receiving_sockets = receivers
        except BaseException:
            self._opened.close()
            raise

    def _set_options(self, senders: list[socket.socket], receivers: list[socket.socket]) -> None:
        if self.load.offload:
            for sender in senders:
                sender.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, self.load.size_octets)
            for receiver in receivers:
                receiver.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
        if self.load.kernel_time:
            for receiver in receivers:
                receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def _sending(self) -> Job:
        fields = {
            "magic": self.magic,
            "flow_count": len(self.flows),
            "sockets": self._memory.offsets["sockets"],
            "flows": self._memory.offsets["numbers"],
            "packets": self.load.packets,
            "packets_per_s": self.load.packets_per_s,
            "packet_octets": self.load.size_octets,
            "train": self.load.train,
            "segments": self.load.train if self.load.offload else 1,
            "spin": self.load.spin,
            "packet": self._memory.offsets["packet"],
            "sent": self._memory.offsets.get("sent"),
            "lateness": self._memory.offsets["lateness"],
            "counters": self._memory.offsets["sender"],
        }
        return Job("ql_probe_send", "ql_probe_sender", fields, self.load.cores[SENDER])

    def _receiving(self, epoll: int) -> Job:
        fields = {
            "magic": self.magic,
            "epoll": epoll,
            "packet_octets": self.load.size_octets,
            "spin": self.load.spin,
            "super": self.load.offload,
            "kernel_time": self.load.kernel_time,
            **{name: self._memory.offsets.get(name) for name in ("received", "flows", "latency")},
            **{name: self._bounds.get(name, 0) for name in ("received_capacity", "flow_count")},
            "counters": self._memory.offsets["receiver"],
        }
        return Job("ql_probe_receive", "ql_probe_receiver", fields, self.load.cores[RECEIVER])

    def wait(self, timeout_s: float) -> bool:
        """Wait until the sender has sent all it may; whether it has."""
        return self._process is not None and self._process.wait(SENDER, timeout_s)

    def end(self, grace_s: float) -> None:
        """Stop sending, receive for `grace_s` more, close the sockets. Nothing happens where it has ended."""
        try:
            if self._process is not None:
                self._stop_sending()
                self._process.join(SENDER)
                lib.ql_probe_stop_at(self._receiver, time.monotonic_ns() + round(grace_s * NS_PER_S))
                self._process.join(RECEIVER)
        finally:
            self._close()

    def _stop_sending(self) -> None:
        lib.ql_probe_stop(self._sender)

    def _accounts(self) -> dict[str, Any]:
        """The members of Accounts so far."""
        refused = [lib.ql_probe_count(self._sender.send_errors + n) for n in range(lib.QL_PROBE_ERRNO_COUNT)]
        return {
            "send_errors": {
                errno.errorcode.get(n, str(n)): count for n, count in enumerate(refused) if count
            },
            "lateness": Histogram(self._memory.arrays["lateness"]),
            "max_lateness_ns": self._sent("max_lateness_ns"),
            "malformed": self._received("malformed"),
            "overruns": self._received("overruns"),
            "receive_buffer_drops": self._dropped + sum(map(_dropped_by, self._receiving_sockets)),
            "receive_errors": self._received("receive_errors"),
            "sender_cpu_s": self._sent("cpu_ns") / NS_PER_S,
            "receiver_cpu_s": self._received("cpu_ns") / NS_PER_S,
        }

    def _sent(self, counter: str) -> int:
        """A counter of the sender, which may be running."""
        return _count(self._sender, counter)

    def _received(self, counter: str) -> int:
        return _count(self._receiver, counter)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        """End the process at once, then give the sockets back."""
        self._dropped += sum(map(_dropped_by, self._receiving_sockets))
        self._receiving_sockets = []
        self._opened.close()
        self._process = None


class ProbeSession(Session):
    """A session that keeps a record of every packet: 16 octets for each one sent and 24 for each received, in
    memory that is claimed as it fills. Twice as many may be received as are sent."""

    def __init__(self, flows: Sequence[Flow], load: Load) -> None:
        """Raises ValueError for flows that cannot be."""
        kept = {"sent": (SENT, load.packets), "received": (RECEIVED, 2 * load.packets)}
        super().__init__(flows, load, kept, {"received_capacity": 2 * load.packets})

    def stop(self, grace_s: float = 0.2) -> ProbeRecords:
        """Stop sending, receive for `grace_s` more, close the sockets. Called again: the same records."""
        self.end(grace_s)
        return self.records()

    def records(self) -> ProbeRecords:
        """What was sent and received so far; may be called while the session runs.

        The arrays are views. Received is read before sent, so whatever is in the first is in the second.
        """
        received = self._memory.arrays["received"][: self._received("received_count")]
        sent = self._memory.arrays["sent"][: self._sent("sent_count")]
        return ProbeRecords(sent=sent, received=received, **self._accounts())


def _count(counters: Any, counter: str) -> int:  # noqa: ANN401 - cffi has no types
    value: int = lib.ql_probe_count(ffi.addressof(counters[0], counter))
    return value


def _dropped_by(receiver: socket.socket) -> int:
    counters: tuple[int, ...] = struct.unpack("=9I", receiver.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))
    return counters[-1]
