"""The readable SecY, IEEE 802.1AE-2018 clause 10: specification and oracle of the native one."""

from collections.abc import Iterable
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from dataplane.frames import FrameBatch
from dataplane.macsec.associations import Protection, ReceiveChannel, ReceiveSA, SecYState, TransmitSA
from dataplane.macsec.counters import Verdict, new_counters
from dataplane.macsec.generation import SECTAG_OCTETS, generate
from dataplane.macsec.outcome import Outcome
from dataplane.macsec.packet_numbers import ReplayWindow
from dataplane.macsec.sak import Sak
from dataplane.macsec.secy import (
    RECEIVE_CHANNEL_LIMIT,
    ReceiveState,
    SecYConfig,
    TransmitState,
    check_an,
    check_association,
    check_last_pn,
    check_pn,
    check_reconfiguration,
    check_sci,
    duplicates_change,
    no_such_channel,
    no_such_sa,
    other_salt,
    own_sci,
    packet_number_used,
    shorter_reservation,
    ssci_taken,
    too_many_channels,
)
from dataplane.macsec.suites import ICV_OCTETS
from dataplane.macsec.verification import verify


class ReferenceSecY:
    """A `dataplane.macsec.secy.SecY` in plain Python."""

    def __init__(self, config: SecYConfig, counters: NDArray[np.uint64] | None = None) -> None:
        self.counters = new_counters() if counters is None else counters
        self._state = SecYState(config, self.counters)
        self._lock = Lock()

    @property
    def config(self) -> SecYConfig:
        return self._state.config

    def configure(self, config: SecYConfig) -> None:
        with self._lock:
            check_reconfiguration(self._state.config, config)
            if self._state.channels and config.detect_duplicates != self._state.config.detect_duplicates:
                raise duplicates_change()
            self._state.config = config

    def install_transmit_sa(
        self, an: int, sak: Sak, next_pn: int = 1, ssci: int | None = None, last_pn: int | None = None
    ) -> None:
        suite = self._state.config.suite
        check_association(suite, an, sak, next_pn, ssci)
        last_pn = suite.pn_end - 1 if last_pn is None else last_pn
        check_last_pn(suite, next_pn, last_pn)
        with self._lock:
            protection = Protection(sak, self._state.config.sci, ssci)
            receive_sas = (sa for channel in self._state.channels.values() for sa in channel.sas.values())
            _check_ssci(protection, [sa.protection for sa in receive_sas])
            if self._state.salts.setdefault(protection.sak_digest, sak.salt) != sak.salt:
                raise other_salt()
            if next_pn < self._state.next_pns.get(protection.sak_digest, 1):
                raise packet_number_used(next_pn)
            self._state.next_pns[protection.sak_digest] = next_pn
            self._state.encoding_sa = TransmitSA(an, protection, sak.encrypt, last_pn)
            self._state.transmit_sas[an] = self._state.encoding_sa

    def extend_transmit_sa(self, an: int, last_pn: int) -> None:
        check_an(an)
        check_pn(self._state.config.suite, last_pn)
        with self._lock:
            sa = self._state.transmit_sas.get(an)
            if sa is None:
                raise no_such_sa(an)
            if last_pn < sa.last_pn:
                raise shorter_reservation(last_pn)
            sa.last_pn = last_pn

    def remove_transmit_sa(self, an: int) -> None:
        check_an(an)
        with self._lock:
            removed = self._state.transmit_sas.pop(an, None)
            if removed is None:
                raise no_such_sa(an)
            if removed is self._state.encoding_sa:
                self._state.encoding_sa = None

    def install_receive_sa(
        self, sci: bytes, an: int, sak: Sak, lowest_pn: int = 1, ssci: int | None = None
    ) -> None:
        check_sci(sci)
        check_association(self._state.config.suite, an, sak, lowest_pn, ssci)
        if sci == self._state.config.sci:
            raise own_sci(sci)
        with self._lock:
            if sci not in self._state.channels and len(self._state.channels) == RECEIVE_CHANNEL_LIMIT:
                raise too_many_channels()
            protection = Protection(sak, sci, ssci)
            others = (channel for other, channel in self._state.channels.items() if other != sci)
            _check_ssci(
                protection,
                [sa.protection for channel in others for sa in channel.sas.values()]
                + [sa.protection for sa in self._state.transmit_sas.values()],
            )
            channel = self._state.channels.get(sci, ReceiveChannel())
            window = ReplayWindow(lowest_pn, lowest_pn, self._state.config.detect_duplicates)
            replaced = channel.sas.get(an)
            if replaced is not None and replaced.protection.sak_digest == protection.sak_digest:
                window = replaced.window
                if window.is_late(lowest_pn):
                    raise packet_number_used(lowest_pn)
                window.raise_lowest(lowest_pn)
            channel.sas[an] = ReceiveSA(protection, window)
            self._state.channels[sci] = channel

    def remove_receive_sa(self, sci: bytes, an: int) -> None:
        check_sci(sci)
        check_an(an)
        with self._lock:
            channel = self._state.channels.get(sci)
            if channel is None or an not in channel.sas:
                raise no_such_sa(an)
            del channel.sas[an]
            if not channel.sas:
                del self._state.channels[sci]

    @property
    def operational(self) -> bool:
        with self._lock:
            return not self._state.protecting or self._state.sendable_sa() is not None

    @property
    def transmit_state(self) -> TransmitState | None:
        with self._lock:
            sa = self._state.encoding_sa
            return None if sa is None else TransmitState(sa.an, self._state.next_pn(sa), sa.last_pn)

    def receive_state(self, sci: bytes, an: int) -> ReceiveState:
        check_sci(sci)
        check_an(an)
        with self._lock:
            channel = self._state.channels.get(sci)
            if channel is None or an not in channel.sas:
                raise no_such_sa(an)
            window = channel.sas[an].window
            return ReceiveState(window.next_pn, window.lowest_pn)

    def channel_counters(self, sci: bytes) -> dict[str, int]:
        check_sci(sci)
        with self._lock:
            if sci not in self._state.channels:
                raise no_such_channel(sci)
            return dict(self._state.channels[sci].counters)

    def protect(self, batch: FrameBatch) -> None:
        batch.check()
        with self._lock:
            for i in range(len(batch)):
                start, end = int(batch.offset[i]), int(batch.offset[i] + batch.length[i])
                if start < SECTAG_OCTETS or end + ICV_OCTETS > batch.arena.size:
                    batch.verdict[i] = Verdict.NoRoom
                else:
                    self._conclude(batch, i, generate(self._state, batch.frame(i)))

    def validate(self, batch: FrameBatch) -> None:
        batch.check()
        with self._lock:
            for i in range(len(batch)):
                self._conclude(batch, i, verify(self._state, batch.frame(i)))

    def _conclude(self, batch: FrameBatch, i: int, outcome: Outcome) -> None:
        self._state.count(outcome.verdict.name)
        batch.verdict[i] = outcome.verdict
        if outcome.frame is not None:
            start = int(batch.offset[i]) + outcome.shift
            batch.arena[start : start + len(outcome.frame)] = np.frombuffer(outcome.frame, np.uint8)
            batch.offset[i] = start
            batch.length[i] = len(outcome.frame)


def _check_ssci(protection: Protection, others: Iterable[Protection]) -> None:
    """Raises SecYError where one of these, each another SC's, spends the same nonces with the same SAK."""
    if protection.ssci is not None and any(map(protection.makes_the_same_nonces, others)):
        raise ssci_taken(protection.ssci)
