"""What a probe session leaves behind: its accounts, and every packet or the statistics of every flow."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dataplane._core import lib
from dataplane.probes.histogram import Histogram

SENT = np.dtype([("flow", np.uint32), ("sequence", np.uint32), ("tx_ns", np.int64)])
"""A packet handed to the sender's socket; a send that the kernel refused is here too. As ql_probe_sent."""

RECEIVED = np.dtype([("flow", np.uint32), ("sequence", np.uint32), ("tx_ns", np.int64), ("rx_ns", np.int64)])
"""A packet read from the receiver's socket, in the order read. As ql_probe_received."""

_FLOW_COUNTERS = (
    "way",
    "received",
    "duplicates",
    "reordered",
    "extent_sum",
    "extent_max",
    "too_late",
    "first_rx_ns",
    "last_rx_ns",
    "longest_gap_ns",
    "next_sequence",
)
FLOW = np.dtype(
    [(name, np.uint64) for name in _FLOW_COUNTERS] + [("passed_over_by", np.uint32, lib.QL_PROBE_WINDOW)]
)
"""What arrived of a flow. As ql_probe_flow, which says what each member is."""

Records = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """What sender and receiver counted beside the packets that went well.

    `overruns` and `receive_buffer_drops` are packets that arrived and that the instrument lost: where they
    are not 0, a missing packet is not proof of an outage.
    """

    send_errors: dict[str, int]
    """Refused packets by errno name. One can be refused for the ICMP error that an earlier packet met."""
    lateness: Histogram
    """How far sends were behind their deadlines. Late packets are sent late, never skipped."""
    max_lateness_ns: int
    """The furthest, exactly."""
    malformed: int
    """Datagrams of another length, or not of this session."""
    overruns: int
    """Well-formed packets for which the array of received records had no room."""
    receive_buffer_drops: int
    """Datagrams, each of which may be a train, that the kernel dropped at the receiving sockets: their buffer
    was full, or the checksum bad."""
    receive_errors: int
    sender_cpu_s: float
    """What sending took of a core, the network stack's work for it included; 0 before its end."""
    receiver_cpu_s: float

    @property
    def instrument_lost(self) -> int:
        """Both together: packets that arrived and that the receiver lost; one may be a train."""
        return self.overruns + self.receive_buffer_drops


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRecords(Accounts):
    """Every packet of a session so far.

    All times are CLOCK_MONOTONIC nanoseconds, on one clock at both ends: `tx_ns` just before the send,
    `rx_ns` when the receiver read the packet, which includes the time the receiver took to wake up, or, where
    the load asks for the kernel's time, when the packet came to the receiving network stack.
    """

    sent: Records
    received: Records
