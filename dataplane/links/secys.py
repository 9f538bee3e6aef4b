"""The two SecYs of a MACsec link: how they are set, their key, and the packet numbers that they may use."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from secrets import token_bytes

import numpy as np
from numpy.typing import NDArray

from dataplane.interface import ChannelState, SecYState
from dataplane.links.specification import AUTO, LinkSpecification, MacsecSpecification
from dataplane.macsec.ledger import Ledger, LedgerError, LedgerUnusable, PacketNumbers
from dataplane.macsec.native import NativeSecY
from dataplane.macsec.sak import Sak
from dataplane.macsec.secy import SecYConfig, ValidateFrames, check_association
from dataplane.macsec.suites import SALT_OCTETS, CipherSuite, cipher_suite

AN = 0
PORT_IDENTIFIER = 1
log = logging.getLogger("engine")


@dataclass(slots=True)
class SecureEnd:
    """A SecY of a link.

    `salt` is of its SAK; `numbers` are reserved for it, None for a fresh SAK and without a ledger.
    """

    secy: NativeSecY
    suite: CipherSuite
    ssci: int | None
    far_sci: bytes
    far_ssci: int | None
    salt: bytes
    numbers: PacketNumbers | None
    pending_since_ns: int | None = None

    def state(self) -> SecYState:
        """What management may know of it."""
        secy = self.secy
        state = secy.transmit_state
        channel = secy.receive_state(self.far_sci, AN)
        return SecYState(
            sci=secy.config.sci.hex(),
            ssci=self.ssci,
            cipher_library=secy.cipher_library,
            operational=secy.operational,
            an=state.an if state else None,
            next_pn=state.next_pn if state else 0,
            last_pn=state.last_pn if state else 0,
            pending_since_ns=self.pending_since_ns,
            channels=(
                ChannelState(
                    sci=self.far_sci.hex(),
                    ssci=self.far_ssci,
                    an=AN,
                    next_pn=channel.next_pn,
                    lowest_pn=channel.lowest_pn,
                    counters=secy.channel_counters(self.far_sci),
                ),
            ),
        )

    def look(self, now_ns: int) -> bool:
        """Reserves packet numbers ahead of their use and has the core tell when to look again.

        True once, when the SAK should be replaced: pending PN exhaustion (IEEE 802.1X-2020 9.8). Raises
        LedgerError where none can be reserved: the SA falls silent behind those that are.
        """
        state = self.secy.transmit_state
        if state is None:
            return False
        pending = self.pending_since_ns is None and state.next_pn >= self.suite.pending_pn
        if pending:
            self.pending_since_ns = now_ns
        alarm_pns = [self.suite.pending_pn] if self.pending_since_ns is None else []
        try:
            if (numbers := self.numbers) is not None and numbers.reserved_pn < self.suite.pn_end:
                if state.next_pn >= numbers.half_used_pn:
                    numbers.reserve(numbers.reserved_pn)
                    self.secy.extend_transmit_sa(state.an, numbers.reserved_pn - 1)
                alarm_pns.append(numbers.half_used_pn)
        finally:
            self.secy.set_alarm_pn(min(alarm_pns, default=None))
        return pending

    def close(self) -> None:
        """Wipes the keys and gives back the packet numbers that were not used. No wire may use it any more.

        Raises LedgerError where that cannot be written down; they then count as used.
        """
        state = self.secy.transmit_state
        self.secy.close()
        if self.numbers is not None and state is not None:
            self.numbers.give_back(state.next_pn)


def sci_of(mac: bytes) -> bytes:
    """The SCI of a port's SecY: its MAC address and port identifier 1 (IEEE 802.1AE-2018 7.1.2)."""
    return mac + PORT_IDENTIFIER.to_bytes(2)


def make_secys(
    specification: LinkSpecification,
    counters: Sequence[NDArray[np.uint64]],
    given: Sak | None,
    ledger: Ledger,
) -> list[SecureEnd]:
    """The SecYs of a MACsec link, each with its own transmit SA and the other's as receive SA; a raw end has
    none.

    `given`, of which key and salt count, or a fresh SAK. Raises ValueError for what a SecY cannot be and
    LedgerError where a given SAK's packet numbers are not to be had.
    """
    macsec = specification.macsec
    if macsec is None:
        return []
    suite = cipher_suite(macsec.cipher)
    sak = replace(
        given or _fresh(suite),
        encrypt=macsec.encrypt,
        confidentiality_offset=macsec.confidentiality_offset,
    )
    scis = [_peer_sci(macsec, given) if end.raw else sci_of(end.mac) for end in specification.ends]
    own = [index for index, end in enumerate(specification.ends) if not end.raw]
    # The highest SCI has SSCI 1 (IEEE 802.1AE-2018 10.7.13): both ends find that by themselves.
    sscis = [1 + sorted(scis, reverse=True).index(sci) if suite.xpn else None for sci in scis]
    library = None if macsec.cipher_library == AUTO else macsec.cipher_library
    with ExitStack() as undo:
        secys, numbers, first_pns = [], [], []
        for end in own:
            config = secy_config(macsec, scis[end], specification.common_port_mtu)
            secys.append(NativeSecY(config, counters[end], library))
            undo.callback(secys[-1].close)
            check_association(suite, AN, sak, macsec.next_pn or 1, sscis[end])
        for end in own:
            first_pn, reserved = macsec.next_pn or 1, None
            if given is not None:
                first_pn, reserved = _reserve(ledger, suite, sak, scis[end], sscis[end], macsec.next_pn)
            if reserved is not None:
                undo.callback(reserved.give_back, reserved.opened_pn)
            numbers.append(reserved)
            first_pns.append(first_pn)
        for end in own:
            far, reserved = 1 - end, numbers[end]
            last_pn = None if reserved is None else reserved.reserved_pn - 1
            far_first_pn = first_pns[far] if far in own else 1  # a stranger may begin anywhere
            secys[end].install_receive_sa(scis[far], AN, sak, far_first_pn, sscis[far])
            secys[end].install_transmit_sa(AN, sak, first_pns[end], sscis[end], last_pn)
        undo.pop_all()
    return [
        SecureEnd(secys[end], suite, sscis[end], scis[1 - end], sscis[1 - end], sak.salt, numbers[end])
        for end in own
    ]


def _peer_sci(macsec: MacsecSpecification, given: Sak | None) -> bytes:
    """Of who is beyond a raw end, and has the same SAK; raises ValueError."""
    if given is None or macsec.peer_sci is None:
        raise ValueError(
            "nobody of this lab is beyond an Ethernet device, expected a given SAK and a peer_sci"
        )
    return bytes.fromhex(macsec.peer_sci)


def _reserve(
    ledger: Ledger, suite: CipherSuite, sak: Sak, sci: bytes, ssci: int | None, next_pn: int | None
) -> tuple[int, PacketNumbers | None]:
    """The first packet number of a given SAK and the block from there on; without a ledger next_pn, which the
    user answers for, and no block."""
    with ExitStack() as undo:
        try:
            numbers = ledger.open(suite, sak, sci, ssci)
            undo.callback(numbers.close)
            first_pn = next_pn or numbers.reserved_pn
            if first_pn < numbers.reserved_pn:
                raise LedgerError(
                    f"next_pn {next_pn} may have been used with this SAK before, "
                    f"expected {numbers.reserved_pn} or later, or no next_pn"
                )
            if first_pn >= suite.pn_end:
                raise LedgerError("this SAK may have used all its packet numbers, expected a fresh one")
            numbers.reserve(first_pn)
        except LedgerUnusable as error:
            if next_pn is None:
                raise LedgerError(
                    f"{error}; without it a given SAK needs next_pn, the first packet number it has not used"
                ) from None
            log.warning(
                "what SCI %s sends from packet number %d on is not kept: %s", sci.hex(), next_pn, error
            )
            return next_pn, None
        undo.pop_all()
    return first_pn, numbers


def secy_config(macsec: MacsecSpecification, sci: bytes, mtu: int | None = None) -> SecYConfig:
    """The management parameters of the SecY `sci` of a link; mtu is its Common Port's."""
    return SecYConfig(
        sci=sci,
        cipher=macsec.cipher,
        validate_frames=ValidateFrames(macsec.validate),
        protect_frames=macsec.protect,
        replay_protect=macsec.replay_protect,
        replay_window=macsec.replay_window,
        detect_duplicates=macsec.detect_duplicates,
        always_include_sci=macsec.send_sci,
        use_es=macsec.end_station,
        clear_tags=macsec.clear_tags,
        bypass=macsec.bypass,
        mtu=mtu,
    )


def _fresh(suite: CipherSuite) -> Sak:
    return Sak(token_bytes(suite.sak_octets), token_bytes(SALT_OCTETS) if suite.xpn else b"")
