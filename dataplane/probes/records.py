"""What a probe session leaves behind: one record for every packet sent and every packet received."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SENT = np.dtype([("flow", np.uint32), ("sequence", np.uint32), ("tx_ns", np.int64)])
"""A packet handed to the sender's socket; a send that the kernel refused is here too. As ql_probe_sent."""

RECEIVED = np.dtype([("flow", np.uint32), ("sequence", np.uint32), ("tx_ns", np.int64), ("rx_ns", np.int64)])
"""A packet read from the receiver's socket, in the order read. As ql_probe_received."""

Records = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True)
class ProbeRecords:
    """The records of a session so far and the counters of its sender and receiver.

    All times are CLOCK_MONOTONIC nanoseconds, on one clock at both ends: `tx_ns` just before the send,
    `rx_ns` when the receiver read the packet, which includes the time the receiver took to wake up.
    `overruns` and `receive_buffer_drops` are packets that arrived and that the instrument lost: where they
    are not 0, a missing packet is not proof of an outage.
    """

    sent: Records
    received: Records
    send_errors: dict[str, int]
    """Refused sends by errno name. A send can be refused for the ICMP error that an earlier packet met."""
    max_lateness_ns: int
    """Furthest any send was behind its deadline. Late packets are sent late, never skipped."""
    malformed: int
    """Datagrams of another length, or not of this session."""
    overruns: int
    """Well-formed packets for which the array of received records had no room."""
    receive_buffer_drops: int
    """Datagrams the kernel dropped at the receiving sockets: buffer full, or bad checksum."""
    receive_errors: int
