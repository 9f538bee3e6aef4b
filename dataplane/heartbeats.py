"""Packets that a native thread sends again and again, with a watch on what comes back: heartbeats.

The owner says what is sent and what is expected, and hears of everything else: other packets, and silence.
"""

import os
from dataclasses import dataclass

from dataplane._core import ffi, lib

HOP_LIMIT: int = lib.QL_HEARTBEAT_HOP_LIMIT
"""Packets that come with another one are lost."""
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What is sent, when, and what is expected. Times are monotonic, in nanoseconds; 64 octets at most."""

    packet: bytes
    interval_ns: tuple[int, int] | None
    """The time from one packet to the next is drawn between the two; None: nothing is sent."""
    next_ns: int
    """When the next packet is due; the same as was set before: the schedule goes on."""
    expected: bytes | None
    """None: every packet is told of."""
    heard_ns: int
    """When that was last heard; what was heard since counts, too."""
    timeout_ns: int | None
    """Silence of that length is told of, once; None: none is."""


@dataclass(frozen=True, slots=True)
class HeartbeatEvent:
    """A packet that was not expected, or, where `packet` is None, silence."""

    id: int
    packet: bytes | None
    source: bytes
    """The address it came from: 4 or 16 octets."""
    t_ns: int
    heard_ns: int
    """When the expected packet was last heard."""


class Heartbeats:
    """All heartbeats of one owner: wait for `fileno()` to be readable, then `take()`."""

    def __init__(self, priority: int) -> None:
        """Starts the thread, under SCHED_FIFO at that priority where it is allowed. Raises OSError."""
        handle = lib.ql_heartbeats_new(int.from_bytes(os.urandom(8)), priority)
        if handle == ffi.NULL:
            raise OSError(ffi.errno, f"no heartbeats: {os.strerror(ffi.errno)}")
        self._handle = ffi.gc(handle, lib.ql_heartbeats_free)
        self._events = ffi.new("ql_heartbeat_event[]", _BATCH)

    def close(self) -> None:
        """Ends the thread; the sockets stay open. Nothing may be called any more."""
        ffi.release(self._handle)

    def fileno(self) -> int:
        return int(lib.ql_heartbeats_event_fd(self._handle))

    def add(self, sending_fd: int, receiving_fd: int) -> int:
        """A heartbeat that does nothing yet; its id. Raises OSError.

        It sends on a connected socket, and hears on one that tells the hop limit of what comes. Both have to
        stay open until it is removed.
        """
        number = int(lib.ql_heartbeats_add(self._handle, sending_fd, receiving_fd))
        if number < 0:
            raise OSError(ffi.errno, f"no heartbeat: {os.strerror(ffi.errno)}")
        return number

    def set(self, number: int, heartbeat: Heartbeat) -> None:
        """Goes by `heartbeat` from now on."""
        earliest_ns, latest_ns = heartbeat.interval_ns or (0, 0)
        expected = heartbeat.expected or b""
        described = {
            "packet": heartbeat.packet,
            "packet_octets": len(heartbeat.packet),
            "earliest_ns": earliest_ns,
            "latest_ns": latest_ns,
            "next_ns": heartbeat.next_ns,
            "expected": expected,
            "expected_octets": len(expected),
            "heard_ns": heartbeat.heard_ns,
            "timeout_ns": heartbeat.timeout_ns or 0,
        }
        lib.ql_heartbeats_set(self._handle, number, ffi.new("ql_heartbeat *", described))

    def remove(self, number: int) -> None:
        """Ends a heartbeat; nothing of it is told any more."""
        lib.ql_heartbeats_remove(self._handle, number)

    def take(self) -> list[HeartbeatEvent]:
        """What happened since the last call, in order."""
        events = []
        while count := lib.ql_heartbeats_take(self._handle, self._events, _BATCH):
            events += [_event(self._events[index]) for index in range(count)]
        return events


def _event(event: object) -> HeartbeatEvent:
    told = ffi.addressof(event)
    packet = bytes(ffi.buffer(told.packet, told.octets)) if told.octets else None
    source = bytes(ffi.buffer(told.source, told.source_octets))
    return HeartbeatEvent(told.id, packet, source, told.t_ns, told.heard_ns)
