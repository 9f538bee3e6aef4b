"""What a probe session offers to the network: how many packets, how large, when, and by which means."""

import math
from dataclasses import dataclass

from dataplane._core import lib

LEAST_OCTETS: int = lib.QL_PROBE_HEADER_OCTETS
"""The UDP payload that fills an Ethernet frame of 60 octets over IPv4, or of 80 over IPv6."""
MOST_OCTETS = 65487
"""A UDP payload that both IPv4 and IPv6 can carry."""
MOST_PACKETS_PER_S = 10_000_000
LONGEST_TRAIN: int = lib.QL_PROBE_BATCH
SEQUENCES = 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """An open-loop schedule: packet n is due n / packets_per_s after the start, whatever became of others.

    Flows take turns, a train each. Raises ValueError for what cannot be.
    """

    packets_per_s: int
    """Of all flows together."""
    size_octets: int
    """The UDP payload."""
    duration_s: float
    train: int = 1
    """Packets of a flow that leave together when the first of them is due: fewer calls to the kernel. Of a
    single flow all that are due leave together anyway."""
    offload: bool = False
    """A train is one datagram that the kernel cuts when a device cannot (UDP_SEGMENT), and what arrives so is
    read so (UDP_GRO). Between namespaces of one machine it may cross as one super-frame."""
    spin: bool = False
    """Sender and receiver never sleep: no wake-up is late, and each takes a core."""
    kernel_time: bool = False
    """rx_ns is when a packet came to the receiving network stack (SO_TIMESTAMPNS), not when it was read."""
    cores: tuple[int | None, int | None] = (None, None)
    """The only core that the sender and the receiver may use; None leaves that to the kernel."""

    def __post_init__(self) -> None:
        check_size(self.size_octets)
        if self.packets_per_s < 1 or self.packets < 1:
            raise ValueError(
                f"{self.packets_per_s} packets/s for {self.duration_s} s: expected at least one packet"
            )
        if self.packets_per_s > MOST_PACKETS_PER_S:
            raise ValueError(f"{self.packets_per_s} packets/s: expected at most {MOST_PACKETS_PER_S}")
        if not 1 <= self.train <= LONGEST_TRAIN:
            raise ValueError(f"a train of {self.train} packets: expected 1 to {LONGEST_TRAIN}")
        if self.offload and self.train * self.size_octets > MOST_OCTETS:
            raise ValueError(
                f"a train of {self.train} packets of {self.size_octets} octets as one datagram: "
                f"expected at most {MOST_OCTETS} octets"
            )

    @property
    def packets(self) -> int:
        """How many are sent in all."""
        return math.ceil(self.packets_per_s * self.duration_s)


def check_size(octets: int) -> None:
    """Raises ValueError where no probe has a UDP payload of so many octets."""
    if not LEAST_OCTETS <= octets <= MOST_OCTETS:
        raise ValueError(f"probe size {octets}: expected {LEAST_OCTETS} to {MOST_OCTETS} octets")
