"""What the reference SecY knows: its Secure Associations, and how one protects frames (clause 14).

Python cannot wipe memory: a key is gone only when the interpreter reuses its place.
"""

from dataclasses import dataclass, field

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from numpy.typing import NDArray

from dataplane.macsec.counters import CHANNEL_COUNTERS, SLOTS
from dataplane.macsec.packet_numbers import ReplayWindow
from dataplane.macsec.sak import Sak
from dataplane.macsec.secy import SecYConfig, ValidateFrames


class Protection:
    """AES-GCM with one SAK for one SC (14.5 to 14.8)."""

    def __init__(self, sak: Sak, sci: bytes, ssci: int | None) -> None:
        self.sak_digest = sak.digest()
        self.ssci = ssci
        """32 bits with an XPN suite, None with the others."""
        self._cipher = AESGCM(sak.key)
        self._salt = sak.salt
        self._sci = sci
        self._confidentiality_offset = sak.confidentiality_offset

    def makes_the_same_nonces(self, other: "Protection") -> bool:
        """Whether, as another SC's, it would spend the same nonces on the same key (10.7.13)."""
        return self.ssci is not None and (self.sak_digest, self.ssci) == (other.sak_digest, other.ssci)

    def protect(self, pn: int, header: bytes, user_data: bytes, encrypt: bool) -> bytes:
        """Secure Data and ICV. `header`: addresses and SecTAG, which are authenticated only."""
        clear, secret = self._split(user_data, encrypt)
        return clear + self._cipher.encrypt(self._nonce(pn), secret, header + clear)

    def validate(
        self, pn: int, header: bytes, secure_data: bytes, icv: bytes, encrypted: bool
    ) -> bytes | None:
        """The User Data; None where the ICV is not that of header and Secure Data."""
        clear, secret = self._split(secure_data, encrypted)
        try:
            return clear + self._cipher.decrypt(self._nonce(pn), secret + icv, header + clear)
        except InvalidTag:
            return None

    def _split(self, data: bytes, encrypted: bool) -> tuple[bytes, bytes]:
        """What stays in clear, in front, and what is encrypted, which may be nothing."""
        clear_octets = self._confidentiality_offset if encrypted else len(data)
        return data[:clear_octets], data[clear_octets:]

    def _nonce(self, pn: int) -> bytes:
        """12 octets: the IV of 14.5 and 14.6, or of 14.7 and 14.8 with extended packet numbering."""
        if self.ssci is None:
            return self._sci + pn.to_bytes(4)
        counted = self.ssci.to_bytes(4) + pn.to_bytes(8)
        return bytes(a ^ b for a, b in zip(counted, self._salt, strict=True))


@dataclass(slots=True, repr=False)
class TransmitSA:
    """10.7.22"""

    an: int
    protection: Protection
    encrypt: bool
    last_pn: int


@dataclass(slots=True, repr=False)
class ReceiveSA:
    """10.7.14"""

    protection: Protection
    window: ReplayWindow


@dataclass(slots=True, repr=False)
class ReceiveChannel:
    """A receive SC (10.7.11)."""

    sas: dict[int, ReceiveSA] = field(default_factory=dict)
    """By AN."""
    counters: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CHANNEL_COUNTERS, 0))


@dataclass(slots=True, repr=False)
class SecYState:
    """Parameters, counters and associations of one SecY."""

    config: SecYConfig
    counters: NDArray[np.uint64]
    transmit_sas: dict[int, TransmitSA] = field(default_factory=dict)
    """By AN."""
    encoding_sa: TransmitSA | None = None
    next_pns: dict[bytes, int] = field(default_factory=dict)
    """By SAK digest, not by AN, and kept when the SA goes: no SAK may meet the same PN twice."""
    salts: dict[bytes, bytes] = field(default_factory=dict)
    """Likewise: with another, one packet number could make the nonce that another has made."""
    channels: dict[bytes, ReceiveChannel] = field(default_factory=dict)
    """Receive SCs by SCI."""

    @property
    def protecting(self) -> bool:
        """protectFrames, which validateFrames Null turns off (10.7.8)."""
        return self.config.protect_frames and self.config.validate_frames is not ValidateFrames.NULL

    def next_pn(self, sa: TransmitSA) -> int:
        """The packet number that the next frame of this SA takes."""
        return self.next_pns[sa.protection.sak_digest]

    def sendable_sa(self) -> TransmitSA | None:
        """The encoding SA, if it may use another packet number."""
        sa = self.encoding_sa
        return sa if sa is not None and self.next_pn(sa) <= sa.last_pn else None

    def count(self, counter: str, amount: int = 1) -> None:
        """Adds to one of the SecY's counters."""
        self.counters[SLOTS[counter]] += np.uint64(amount)
