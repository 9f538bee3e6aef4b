"""The MAC Security Entity, IEEE 802.1AE-2018 clause 10: the interface that its two implementations share.

GCM-AES-256, encrypted, the SCI in every SecTAG, validateFrames strict, replayProtect on. Any thread may call
any method.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dataplane.frames import FrameBatch
from dataplane.macsec.suites import GCM_AES_256, CipherSuite, cipher_suite

SCI_OCTETS = 8
ASSOCIATION_NUMBERS = 4
RECEIVE_CHANNEL_LIMIT = 8
PN_END = 1 << 32
"""One past the last packet number; nextPN when they are exhausted."""
RESERVED_SCI = bytes([0xFF]) * SCI_OCTETS


class SecYError(ValueError):
    """A management request that was refused and changed nothing."""


@dataclass(frozen=True, slots=True)
class SecYConfig:
    """What stays as it is for the life of a SecY. Raises SecYError for what it cannot be."""

    sci: bytes
    """8 octets: MAC address and Port Identifier (9.9)."""
    cipher: str = GCM_AES_256.name
    """Name of a cipher suite (Table 14-1)."""
    replay_window: int = 0
    """How many packet numbers below the next expected are still accepted; 0 demands strict order (10.7.8)."""

    def __post_init__(self) -> None:
        check_sci(self.sci)
        try:
            cipher_suite(self.cipher)
        except ValueError as unknown:
            raise SecYError(str(unknown)) from None
        if not 0 <= self.replay_window < PN_END:
            raise SecYError(f"replay window {self.replay_window}, expected 0 to {PN_END - 1}")

    @property
    def suite(self) -> CipherSuite:
        """The cipher suite in use."""
        return cipher_suite(self.cipher)


class SecY(Protocol):
    """One SecY with one transmit SC and up to 8 receive SCs, each with up to 4 SAs."""

    @property
    def config(self) -> SecYConfig:
        """What it was made with."""

    @property
    def counters(self) -> NDArray[np.uint64]:
        """(24,) as `dataplane.macsec.counters.COUNTER_NAMES` names them; a live view."""

    def protect(self, batch: FrameBatch) -> None:
        """Makes each frame a MACsec frame, in place (10.5), or leaves it where it is with a verdict why not.

        A frame grows by 16 octets in front and 16 behind. The verdicts that came in do not matter. Raises
        ValueError if the batch does not fit its arena, as `validate` does.
        """

    def validate(self, batch: FrameBatch) -> None:
        """Makes each MACsec frame the frame that was protected, in place (10.6), or leaves a verdict why not.

        A frame that does not pass keeps offset and length, but not necessarily its Secure Data. A frame that
        is not encrypted ends in InPktsNotValid, one without an SCI in its tag in InPktsNoSAError.
        """

    def install_transmit_sa(self, an: int, sak: bytes, next_pn: int = 1) -> None:
        """Transmits with this SAK from the next frame on, in place of any other.

        Raises SecYError also where this SAK has used `next_pn` or a later packet number before, on any AN.
        """

    def install_receive_sa(self, sci: bytes, an: int, sak: bytes, lowest_pn: int = 1) -> None:
        """Accepts frames of the transmitter `sci` under this AN; its receive SC begins with its first SA.

        Raises SecYError also for a ninth SC, or to lower lowestPN of an SA that has this SAK.
        """

    def remove_transmit_sa(self, an: int) -> None:
        """Forgets the key; if this SA is in use, nothing can be sent. Raises SecYError if there is none."""

    def remove_receive_sa(self, sci: bytes, an: int) -> None:
        """Forgets the key; the receive SC ends with its last SA. Raises SecYError if there is none."""

    @property
    def operational(self) -> bool:
        """MAC_Operational (10.7.4): a transmit SA is in use and its packet numbers are not exhausted."""

    @property
    def encoding_sa(self) -> int | None:
        """The AN in use for transmission (10.7.20)."""

    @property
    def next_pn(self) -> int:
        """The packet number that the next frame takes: 2**32 when exhausted, 0 without a transmit SA."""


def check_sci(sci: bytes) -> None:
    """Raises SecYError unless `sci` can be a Secure Channel Identifier."""
    if len(sci) != SCI_OCTETS:
        raise SecYError(f"SCI of {len(sci)} octets, expected {SCI_OCTETS}: MAC address and Port Identifier")
    if sci == RESERVED_SCI:
        raise SecYError("SCI of all ones, expected any other: that one is reserved (9.9)")


def check_an(an: int) -> None:
    """Raises SecYError unless `an` is an association number."""
    if not 0 <= an < ASSOCIATION_NUMBERS:
        raise SecYError(f"AN {an}, expected 0 to {ASSOCIATION_NUMBERS - 1}")


def check_association(suite: CipherSuite, an: int, sak: bytes, pn: int) -> None:
    """Raises SecYError unless an SA of `suite` can have these parameters; never tells the key."""
    check_an(an)
    if len(sak) != suite.sak_octets:
        raise SecYError(f"SAK of {len(sak)} octets, expected {suite.sak_octets} for {suite.name}")
    if not 1 <= pn < PN_END:
        raise SecYError(f"packet number {pn}, expected 1 to {PN_END - 1}")


def packet_number_used(pn: int) -> SecYError:
    """The refusal of a PN that the same SAK has already used to transmit, or that a receive SA has passed."""
    return SecYError(f"packet number {pn} with this SAK was used before, expected a later one or a fresh SAK")


def no_such_sa(an: int) -> SecYError:
    """The refusal to remove what is not there."""
    return SecYError(f"no SA is installed under AN {an}, expected one to remove")


def too_many_channels() -> SecYError:
    """The refusal of one receive SC too many."""
    return SecYError(f"{RECEIVE_CHANNEL_LIMIT} receive SCs are installed, expected no further one")
