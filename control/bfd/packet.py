"""The BFD Control packet, RFC 5880 section 4.1: its codec, and the checks of 6.8.6 that need no session.

Authentication (4.2 to 4.4) is left out: as 6.8.6 has it for a session without, a packet with the A bit is
refused.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

OCTETS = 24
VERSION = 1
_LAYOUT = struct.Struct("!BBBBIIIII")

# The octet behind version and diagnostic: State (2 bits), P, F, C, A, D, M.
POLL, FINAL, CONTROL_PLANE_INDEPENDENT, AUTHENTICATED, DEMAND, MULTIPOINT = 0x20, 0x10, 0x08, 0x04, 0x02, 0x01


class DecodeError(ValueError):
    """Octets that are no BFD Control packet, or one that every session has to discard."""


class State(IntEnum):
    """The state of a session, by its number in the packet."""

    ADMIN_DOWN = 0
    DOWN = 1
    INIT = 2
    UP = 3


class Diagnostic(IntEnum):
    """Why a session last changed its state. Others may come in a packet, and are no error."""

    NONE = 0
    DETECTION_TIME_EXPIRED = 1
    ECHO_FAILED = 2
    NEIGHBOR_SIGNALED_DOWN = 3
    FORWARDING_PLANE_RESET = 4
    PATH_DOWN = 5
    CONCATENATED_PATH_DOWN = 6
    ADMINISTRATIVELY_DOWN = 7
    REVERSE_CONCATENATED_PATH_DOWN = 8


@dataclass(frozen=True, slots=True)
class ControlPacket:
    """The fields of a packet without authentication; M is always clear (4.1)."""

    state: State
    diagnostic: int
    """5 bits; see Diagnostic."""
    multiplier: int
    my_discriminator: int
    your_discriminator: int
    """0 while the sender does not know it."""
    desired_min_tx_us: int
    required_min_rx_us: int
    required_min_echo_rx_us: int = 0
    poll: bool = False
    final: bool = False
    control_plane_independent: bool = False
    demand: bool = False

    def encode(self) -> bytes:
        """The packet, 24 octets."""
        flags = (
            (POLL if self.poll else 0)
            | (FINAL if self.final else 0)
            | (CONTROL_PLANE_INDEPENDENT if self.control_plane_independent else 0)
            | (DEMAND if self.demand else 0)
        )
        return _LAYOUT.pack(
            VERSION << 5 | self.diagnostic,
            self.state << 6 | flags,
            self.multiplier,
            OCTETS,
            self.my_discriminator,
            self.your_discriminator,
            self.desired_min_tx_us,
            self.required_min_rx_us,
            self.required_min_echo_rx_us,
        )

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """The packet in a UDP payload; octets behind its Length are ignored.

        Raises DecodeError where 4.1 or 6.8.6 have it discarded whatever the session.
        """
        if len(octets) < OCTETS:
            raise DecodeError(f"{len(octets)} octets, expected at least {OCTETS}")
        first, second, multiplier, length, mine, yours, tx_us, rx_us, echo_us = _LAYOUT.unpack_from(octets)
        state = State(second >> 6)
        if first >> 5 != VERSION:
            raise DecodeError(f"version {first >> 5}, expected {VERSION}")
        if not OCTETS <= length <= len(octets):
            raise DecodeError(f"Length {length} in {len(octets)} octets, expected {OCTETS} to all of them")
        if second & AUTHENTICATED:
            raise DecodeError("A is set, expected no authentication")
        if second & MULTIPOINT:
            raise DecodeError("M is set, expected a packet that is not multipoint")
        if second & POLL and second & FINAL:
            raise DecodeError("P and F are set, expected one of them at most")
        if multiplier == 0:
            raise DecodeError("Detect Mult 0, expected at least 1")
        if mine == 0:
            raise DecodeError("My Discriminator 0, expected one that names a session")
        if yours == 0 and state in (State.INIT, State.UP):
            raise DecodeError(f"Your Discriminator 0 in state {state.name}, expected DOWN or ADMIN_DOWN")
        return cls(
            state,
            first & 0x1F,
            multiplier,
            mine,
            yours,
            tx_us,
            rx_us,
            echo_us,
            poll=bool(second & POLL),
            final=bool(second & FINAL),
            control_plane_independent=bool(second & CONTROL_PLANE_INDEPENDENT),
            demand=bool(second & DEMAND),
        )
