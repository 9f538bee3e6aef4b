"""The MAC Security Entity, IEEE 802.1AE-2018 clause 10: the interface that its two implementations share.

Left out: more than one transmit SC (traffic classes, 10.7.17), and a copy of counters per SA, which the 2018
edition dropped. Any thread may call any method.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from dataplane.macsec.sak import Sak
from dataplane.macsec.suites import (
    CONFIDENTIALITY_OFFSETS,
    GCM_AES_256,
    SALT_OCTETS,
    CipherSuite,
    cipher_suite,
)

if TYPE_CHECKING:  # who checks a topology needs no numpy
    import numpy as np
    from numpy.typing import NDArray

    from dataplane.frames import FrameBatch

SCI_OCTETS = 8
ASSOCIATION_NUMBERS = 4
RECEIVE_CHANNEL_LIMIT = 1024
DUPLICATE_WINDOW_LIMIT = 4096
CLEAR_TAG_LIMIT = 2
BYPASS_LIMIT = 8
SSCI_END = 1 << 32
RESERVED_SCI = bytes([0xFF]) * SCI_OCTETS
EAPOL_ETHERTYPE = 0x888E
MACSEC_ETHERTYPE = 0x88E5


class SecYError(ValueError):
    """A management request that was refused and changed nothing."""


class ValidateFrames(StrEnum):
    """What becomes of received frames that are not valid (10.7.8)."""

    NULL = "null"
    """Every frame is delivered as it came, and none is protected."""
    DISABLED = "disabled"
    """SecTAG and ICV are removed unchecked; what is encrypted is discarded."""
    CHECK = "check"
    """Frames are checked; one that fails is counted, and delivered all the same if it is in clear."""
    STRICT = "strict"
    """Only valid frames are delivered."""


@dataclass(frozen=True, slots=True)
class SecYConfig:
    """The management parameters of a SecY (10.7). Raises SecYError for what it cannot be."""

    sci: bytes
    """8 octets: MAC address and Port Identifier (9.9)."""
    cipher: str = GCM_AES_256.name
    """Name of a cipher suite (Table 14-1)."""
    validate_frames: ValidateFrames = ValidateFrames.STRICT
    protect_frames: bool = True
    """Off: frames are sent as they are. Never on while validate_frames is null."""
    replay_protect: bool = True
    replay_window: int = 0
    """How many packet numbers below the next expected are still accepted; 0 demands strict order."""
    detect_duplicates: bool = False
    """Beyond the standard, whose window is a lower bound only: refuses a second frame of the same packet
    number within the window, which then is at most 4096. Needs replay_protect."""
    always_include_sci: bool = True
    """Off, as is the standard's default, the SCI is left out of the SecTAG where Table 10-1 allows it."""
    use_es: bool = False
    """Where the SCI is left out, ES says that it is the source address and port 1."""
    use_scb: bool = False
    """Where the SCI is left out, SCB says that its port is 0 (EPON single copy broadcast)."""
    clear_tags: int = 0
    """How many VLAN tags, of EtherType 8100 or 88A8, stay in clear in front of the SecTAG: 0 to 2. They are
    not protected."""
    bypass: tuple[int, ...] = ()
    """EtherTypes, at most 8, of frames that are sent and delivered in clear; neither MACsec's nor EAPOL's."""
    mtu: int | None = None
    """Octets that a frame of the Common Port may have behind its Ethernet header, clear tags not counted;
    None for no limit."""

    def __post_init__(self) -> None:
        check_sci(self.sci)
        try:
            suite = cipher_suite(self.cipher)
        except ValueError as unknown:
            raise SecYError(str(unknown)) from None
        _check("replay window", self.replay_window, 0, suite.replay_window_limit)
        if self.detect_duplicates:
            _check("replay window that detects duplicates", self.replay_window, 0, DUPLICATE_WINDOW_LIMIT)
            if not self.replay_protect:
                raise SecYError("duplicates are detected without replay protection, expected it on")
        _check("clear VLAN tags", self.clear_tags, 0, CLEAR_TAG_LIMIT)
        if self.mtu is not None:
            _check("MTU", self.mtu, 1, 65535)
        _check("number of bypass EtherTypes", len(self.bypass), 0, BYPASS_LIMIT)
        for ethertype in self.bypass:
            _check("bypass EtherType", ethertype, 0x600, 0xFFFF)
            if ethertype in (EAPOL_ETHERTYPE, MACSEC_ETHERTYPE):
                raise SecYError(f"bypass EtherType {ethertype:04x}, expected neither EAPOL's nor MACsec's")

    @property
    def suite(self) -> CipherSuite:
        """The cipher suite in use."""
        return cipher_suite(self.cipher)


@dataclass(frozen=True, slots=True)
class TransmitState:
    """The encoding SA (10.7.20), the one that sends."""

    an: int
    next_pn: int
    """The packet number that the next frame takes; the suite's `pn_end` when they are exhausted."""
    last_pn: int
    """The last packet number that it may use."""


@dataclass(frozen=True, slots=True)
class ReceiveState:
    """A receive SA (10.7.14)."""

    next_pn: int
    """One past the highest packet number of a valid frame; 2**64 behind the last one of an XPN suite."""
    lowest_pn: int
    """A frame with a lower packet number is late."""


class SecY(Protocol):
    """One SecY with one transmit SC and up to 1024 receive SCs, each with up to 4 SAs."""

    @property
    def config(self) -> SecYConfig:
        """Its management parameters."""

    def configure(self, config: SecYConfig) -> None:
        """Sets all management parameters at once, between two frames.

        Raises SecYError for another SCI or cipher suite, and for another `detect_duplicates` while a receive
        SA is installed. A smaller replay window takes effect with the next frame that moves an SA's nextPN.
        """

    @property
    def counters(self) -> NDArray[np.uint64]:
        """(40,) as `dataplane.macsec.counters.SLOTS` names them; a live view."""

    def channel_counters(self, sci: bytes) -> dict[str, int]:
        """What of `counters` belongs to one receive SC, by `CHANNEL_COUNTERS`. Raises SecYError."""

    def protect(self, batch: FrameBatch) -> None:
        """Makes each frame what is to be sent, in place (10.5), or leaves it with a verdict why not.

        A frame grows by up to 16 octets in front and 16 behind. The verdicts that came in do not matter.
        Raises ValueError if the batch does not fit its arena, as `validate` does.
        """

    def validate(self, batch: FrameBatch) -> None:
        """Makes each frame what is to be delivered, in place (10.6), or leaves it with a verdict why not.

        A frame that does not pass keeps offset and length, but not necessarily its Secure Data.
        """

    def install_transmit_sa(
        self, an: int, sak: Sak, next_pn: int = 1, ssci: int | None = None, last_pn: int | None = None
    ) -> None:
        """Transmits with this SAK from the next frame on, in place of any other.

        ssci, 32 bits, is given with an XPN suite and only then. The SA falls silent past `last_pn`, by
        default the suite's last. Raises SecYError also where this SAK has used `next_pn` or a later packet
        number before, on any AN, or another salt, and where a receive SC has the same SAK and SSCI.
        """

    def extend_transmit_sa(self, an: int, last_pn: int) -> None:
        """Lets an SA use packet numbers up to `last_pn`. Raises SecYError without one, or for fewer."""

    def install_receive_sa(
        self, sci: bytes, an: int, sak: Sak, lowest_pn: int = 1, ssci: int | None = None
    ) -> None:
        """Accepts frames of the transmitter `sci` under this AN; its receive SC begins with its first SA.

        Raises SecYError also for this SecY's own SCI, for one SC too many, where another SC has the same SAK
        and SSCI, and to lower lowestPN of an SA that has this SAK.
        """

    def remove_transmit_sa(self, an: int) -> None:
        """Forgets the key; if this SA is in use, nothing can be sent. Raises SecYError if there is none."""

    def remove_receive_sa(self, sci: bytes, an: int) -> None:
        """Forgets the key; the receive SC ends with its last SA. Raises SecYError if there is none."""

    @property
    def operational(self) -> bool:
        """MAC_Operational (10.7.4): frames can be sent. Without protectFrames always; else a transmit SA is
        in use and may use another packet number."""

    @property
    def transmit_state(self) -> TransmitState | None:
        """Of the SA that sends; None without one."""

    def receive_state(self, sci: bytes, an: int) -> ReceiveState:
        """Of a receive SA. Raises SecYError without one."""


def _check(what: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise SecYError(f"{what} {value}, expected {least} to {most}")


def check_sci(sci: bytes) -> None:
    """Raises SecYError unless `sci` can be a Secure Channel Identifier."""
    if len(sci) != SCI_OCTETS:
        raise SecYError(f"SCI of {len(sci)} octets, expected {SCI_OCTETS}: MAC address and Port Identifier")
    if sci == RESERVED_SCI:
        raise SecYError("SCI of all ones, expected any other: that one is reserved (9.9)")


def check_an(an: int) -> None:
    """Raises SecYError unless `an` is an association number."""
    _check("AN", an, 0, ASSOCIATION_NUMBERS - 1)


def check_pn(suite: CipherSuite, pn: int) -> None:
    """Raises SecYError unless `pn` is a packet number of the suite."""
    _check("packet number", pn, 1, suite.pn_end - 1)


def check_association(suite: CipherSuite, an: int, sak: Sak, pn: int, ssci: int | None) -> None:
    """Raises SecYError unless an SA of `suite` can have these parameters; never tells the key."""
    check_an(an)
    if len(sak.key) != suite.sak_octets:
        raise SecYError(f"SAK of {len(sak.key)} octets, expected {suite.sak_octets} for {suite.name}")
    check_pn(suite, pn)
    salt_octets = SALT_OCTETS if suite.xpn else 0
    if len(sak.salt) != salt_octets:
        raise SecYError(f"salt of {len(sak.salt)} octets, expected {salt_octets} for {suite.name}")
    if suite.xpn and ssci is None:
        raise SecYError(f"no SSCI, expected one for {suite.name}")
    if not suite.xpn and ssci is not None:
        raise SecYError(f"SSCI {ssci}, expected none for {suite.name}")
    if ssci is not None:
        _check("SSCI", ssci, 0, SSCI_END - 1)
    offsets = CONFIDENTIALITY_OFFSETS[:1] if suite.xpn else CONFIDENTIALITY_OFFSETS
    if sak.confidentiality_offset not in offsets:
        expected = " or ".join(map(str, offsets))
        raise SecYError(
            f"confidentiality offset {sak.confidentiality_offset}, expected {expected} for {suite.name}"
        )


def check_last_pn(suite: CipherSuite, next_pn: int, last_pn: int) -> None:
    """Raises SecYError unless an SA may use the packet numbers from one to the other."""
    check_pn(suite, last_pn)
    if last_pn < next_pn:
        raise shorter_reservation(last_pn)


def check_reconfiguration(before: SecYConfig, after: SecYConfig) -> None:
    """Raises SecYError unless a SecY without receive SAs can go from one to the other."""
    if after.sci != before.sci:
        raise SecYError(f"SCI {after.sci.hex()}, expected the SecY's own {before.sci.hex()}")
    if after.suite != before.suite:
        raise SecYError(f"cipher suite {after.cipher}, expected the SecY's own {before.cipher}")


def duplicates_change() -> SecYError:
    """The refusal to begin or end detecting duplicates where packet numbers have come in already."""
    return SecYError("detect_duplicates changes while a receive SA is installed, expected none")


def packet_number_used(pn: int) -> SecYError:
    """The refusal of a PN that the same SAK has already used to transmit, or that a receive SA has passed."""
    return SecYError(f"packet number {pn} with this SAK was used before, expected a later one or a fresh SAK")


def other_salt() -> SecYError:
    """The refusal of a salt that could make the nonces which the same SAK has used with another."""
    return SecYError("this SAK was used with another salt, expected that one or a fresh SAK")


def no_such_sa(an: int) -> SecYError:
    """The refusal of a request for what is not there."""
    return SecYError(f"no SA is installed under AN {an}, expected one")


def no_such_channel(sci: bytes) -> SecYError:
    """The refusal of a request for what is not there."""
    return SecYError(f"no receive SC has SCI {sci.hex()}, expected one")


def too_many_channels() -> SecYError:
    """The refusal of one receive SC too many."""
    return SecYError(f"{RECEIVE_CHANNEL_LIMIT} receive SCs are installed, expected no further one")


def own_sci(sci: bytes) -> SecYError:
    """The refusal of a peer that has this SecY's SCI."""
    return SecYError(f"SCI {sci.hex()} is this SecY's own, expected another: they are unique in a link")


def ssci_taken(ssci: int) -> SecYError:
    """The refusal of two SCs that would make the same nonces with one SAK (10.7.13)."""
    return SecYError(f"SSCI {ssci} belongs to another SC with this SAK, expected another")


def shorter_reservation(last_pn: int) -> SecYError:
    """The refusal to take back packet numbers that an SA was allowed to use."""
    return SecYError(f"last packet number {last_pn} is before the SA's own, expected a later one")
