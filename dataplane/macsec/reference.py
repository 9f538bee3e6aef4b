"""The readable SecY, IEEE 802.1AE-2018 clause 10: specification and oracle of the native one.

Python cannot wipe memory: a key is gone only when the interpreter reuses its place.
"""

import hashlib
from dataclasses import dataclass
from threading import Lock

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from numpy.typing import NDArray

from dataplane.frames import FrameBatch
from dataplane.macsec.counters import COUNTER_NAMES, Verdict, new_counters
from dataplane.macsec.sectag import (
    ADDRESS_OCTETS,
    ETHERNET_HEADER_OCTETS,
    ETHERTYPE,
    DecodeError,
    SecTag,
    short_length,
)
from dataplane.macsec.secy import (
    PN_END,
    RECEIVE_CHANNEL_LIMIT,
    SecYConfig,
    check_an,
    check_association,
    check_sci,
    no_such_sa,
    packet_number_used,
    too_many_channels,
)
from dataplane.macsec.suites import ICV_OCTETS

SECTAG_OCTETS = 16
"""With the SCI in it."""


@dataclass(slots=True, repr=False)
class _TransmitSA:
    an: int
    cipher: AESGCM
    sak_digest: bytes


@dataclass(slots=True, repr=False)
class _ReceiveSA:
    cipher: AESGCM
    sak_digest: bytes
    lowest_pn: int


class ReferenceSecY:
    """A `dataplane.macsec.secy.SecY` in plain Python."""

    def __init__(self, config: SecYConfig, counters: NDArray[np.uint64] | None = None) -> None:
        self.config = config
        self.counters = new_counters() if counters is None else counters
        self._lock = Lock()
        self._transmit_sas: dict[int, _TransmitSA] = {}
        self._encoding_sa: _TransmitSA | None = None
        self._next_pns: dict[bytes, int] = {}
        """By SAK digest, not by AN, and kept when the SA goes: no SAK may meet the same PN twice."""
        self._receive_channels: dict[bytes, dict[int, _ReceiveSA]] = {}

    def install_transmit_sa(self, an: int, sak: bytes, next_pn: int = 1) -> None:
        check_association(self.config.suite, an, sak, next_pn)
        sa = _TransmitSA(an, AESGCM(sak), hashlib.sha256(sak).digest())
        with self._lock:
            if next_pn < self._next_pns.get(sa.sak_digest, 1):
                raise packet_number_used(next_pn)
            self._next_pns[sa.sak_digest] = next_pn
            self._transmit_sas[an] = self._encoding_sa = sa

    def remove_transmit_sa(self, an: int) -> None:
        check_an(an)
        with self._lock:
            removed = self._transmit_sas.pop(an, None)
            if removed is None:
                raise no_such_sa(an)
            if removed is self._encoding_sa:
                self._encoding_sa = None

    def install_receive_sa(self, sci: bytes, an: int, sak: bytes, lowest_pn: int = 1) -> None:
        check_sci(sci)
        check_association(self.config.suite, an, sak, lowest_pn)
        sa = _ReceiveSA(AESGCM(sak), hashlib.sha256(sak).digest(), lowest_pn)
        with self._lock:
            if sci not in self._receive_channels and len(self._receive_channels) == RECEIVE_CHANNEL_LIMIT:
                raise too_many_channels()
            sas = self._receive_channels.setdefault(sci, {})
            replaced = sas.get(an)
            if replaced and replaced.sak_digest == sa.sak_digest and lowest_pn < replaced.lowest_pn:
                raise packet_number_used(lowest_pn)
            sas[an] = sa

    def remove_receive_sa(self, sci: bytes, an: int) -> None:
        check_sci(sci)
        check_an(an)
        with self._lock:
            sas = self._receive_channels.get(sci, {})
            if an not in sas:
                raise no_such_sa(an)
            del sas[an]
            if not sas:
                del self._receive_channels[sci]

    @property
    def encoding_sa(self) -> int | None:
        sa = self._encoding_sa
        return None if sa is None else sa.an

    @property
    def next_pn(self) -> int:
        sa = self._encoding_sa
        return 0 if sa is None else self._next_pns[sa.sak_digest]

    @property
    def operational(self) -> bool:
        return 1 <= self.next_pn < PN_END

    def protect(self, batch: FrameBatch) -> None:
        batch.check()
        with self._lock:
            for i in range(len(batch)):
                self._conclude(batch, i, self._protect_frame(batch, i))

    def validate(self, batch: FrameBatch) -> None:
        batch.check()
        with self._lock:
            for i in range(len(batch)):
                self._conclude(batch, i, self._validate_frame(batch, i))

    def _protect_frame(self, batch: FrameBatch, i: int) -> Verdict:
        """Secure frame generation (10.5)."""
        start, frame = int(batch.offset[i]), batch.frame(i)
        if start < SECTAG_OCTETS or start + len(frame) + ICV_OCTETS > batch.arena.size:
            return Verdict.NoRoom
        if len(frame) < ETHERNET_HEADER_OCTETS:
            return Verdict.OutDiscardsTooShort
        # 10.5.1 transmit SA assignment, 10.5.2 transmit PN assignment
        if not self.operational or self._encoding_sa is None:
            return Verdict.OutDiscardsNoTransmitSA
        sa, pn = self._encoding_sa, self.next_pn
        self._next_pns[sa.sak_digest] = pn + 1
        # 10.5.3 SecTAG encoding
        addresses, user_data = frame[:ADDRESS_OCTETS], frame[ADDRESS_OCTETS:]
        tag = SecTag(sa.an, short_length(len(user_data)), pn, self.config.sci).encode()
        # 10.5.4 cryptographic protection; the Secure Data and behind it the ICV
        protected = sa.cipher.encrypt(_nonce(self.config.sci, pn), user_data, addresses + tag)
        self._count("OutOctetsEncrypted", len(user_data))
        _replace(batch, i, start - SECTAG_OCTETS, addresses + tag + protected)
        return Verdict.OutPktsEncrypted

    def _validate_frame(self, batch: FrameBatch, i: int) -> Verdict:
        """Secure frame verification (10.6), box by box of Figure 10-4 with validateFrames strict."""
        frame = batch.frame(i)
        if len(frame) < ETHERNET_HEADER_OCTETS:
            return Verdict.InDiscardsTooShort
        addresses, mpdu = frame[:ADDRESS_OCTETS], frame[ADDRESS_OCTETS:]
        if int.from_bytes(mpdu[:2]) != ETHERTYPE:
            return Verdict.InPktsNoTag
        try:
            tag = SecTag.decode(mpdu)
        except DecodeError:
            return Verdict.InPktsBadTag
        if tag.encrypted and not tag.changed:
            return Verdict.InDiscardsKaY
        # 10.6.1 receive SA assignment; a tag without SCI names no SC
        sa = self._receive_channels.get(tag.sci, {}).get(tag.an) if tag.sci is not None else None
        if tag.sci is None or sa is None:
            return Verdict.InPktsNoSAError
        # 10.6.2 preliminary replay check. Figure 10-4 repeats it after validation, for an entity that
        # validates frames in parallel; here nothing moves lowestPN in between.
        if tag.pn < sa.lowest_pn:
            return Verdict.InPktsLate
        # 10.6.3 cryptographic validation; no suite here has integrity without confidentiality
        data = tag.secure_data(len(mpdu))
        if not tag.encrypted:
            self._count("InOctetsValidated", data.stop - data.start)
            return Verdict.InPktsNotValid
        self._count("InOctetsDecrypted", data.stop - data.start)
        secured = mpdu[data.start : data.stop + ICV_OCTETS]
        try:
            user_data = sa.cipher.decrypt(_nonce(tag.sci, tag.pn), secured, addresses + mpdu[: tag.octets])
        except InvalidTag:
            return Verdict.InPktsNotValid
        # 10.6.4 replay check update: only a valid frame moves lowestPN, and only up. The standard keeps
        # nextPN to the same end.
        sa.lowest_pn = max(sa.lowest_pn, tag.pn + 1 - self.config.replay_window)
        _replace(batch, i, int(batch.offset[i]) + tag.octets, addresses + user_data)
        return Verdict.InPktsOK

    def _count(self, counter: str, amount: int) -> None:
        self.counters[COUNTER_NAMES.index(counter)] += np.uint64(amount)

    def _conclude(self, batch: FrameBatch, i: int, verdict: Verdict) -> None:
        batch.verdict[i] = verdict
        if verdict is not Verdict.NoRoom:
            self._count(verdict.name, 1)


def _nonce(sci: bytes, pn: int) -> bytes:
    """The IV of suites with a 32-bit PN (14.5, 14.6)."""
    return sci + pn.to_bytes(4)


def _replace(batch: FrameBatch, i: int, start: int, frame: bytes) -> None:
    """Puts `frame` at `start` of the arena as frame i."""
    batch.arena[start : start + len(frame)] = np.frombuffer(frame, np.uint8)
    batch.offset[i] = start
    batch.length[i] = len(frame)
