"""Secure frame verification of the reference SecY, IEEE 802.1AE-2018 10.6, box by box of Figure 10-4."""

from typing import NamedTuple

from dataplane.macsec.associations import ReceiveChannel, ReceiveSA, SecYState
from dataplane.macsec.counters import Verdict
from dataplane.macsec.outcome import Outcome
from dataplane.macsec.packet_numbers import recovered_pn
from dataplane.macsec.sectag import (
    ADDRESS_OCTETS,
    ETHERNET_HEADER_OCTETS,
    SINGLE_COPY_BROADCAST_PORT,
    DecodeError,
    SecTag,
    clear_header_octets,
    ethertype,
)
from dataplane.macsec.secy import EAPOL_ETHERTYPE, MACSEC_ETHERTYPE, ValidateFrames
from dataplane.macsec.suites import ICV_OCTETS

_MAC_ADDRESS_OCTETS = 6


class _Received(NamedTuple):
    """A frame with a valid SecTAG, taken apart; padding behind the ICV is left out."""

    header: bytes
    """Addresses and VLAN tags in clear."""
    tag: SecTag
    authenticated: bytes
    """Addresses and SecTAG."""
    secure_data: bytes
    icv: bytes

    @property
    def source(self) -> bytes:
        return self.header[_MAC_ADDRESS_OCTETS:ADDRESS_OCTETS]


def verify(state: SecYState, frame: bytes) -> Outcome:
    """Makes a frame of the Common Port what the Controlled Port is to deliver."""
    config = state.config
    if len(frame) < ETHERNET_HEADER_OCTETS:
        return Outcome(Verdict.InDiscardsTooShort)
    if ethertype(frame[ADDRESS_OCTETS:]) == EAPOL_ETHERTYPE:
        return Outcome(Verdict.InDiscardsUncontrolled)
    if config.validate_frames is ValidateFrames.NULL:
        return Outcome(Verdict.InPassesNull)
    header_octets = clear_header_octets(frame, config.clear_tags)
    header, mpdu = frame[:header_octets], frame[header_octets:]
    if ethertype(mpdu) != MACSEC_ETHERTYPE:
        if ethertype(frame[ADDRESS_OCTETS:]) in config.bypass:
            return Outcome(Verdict.InPassesBypass)
        strict = config.validate_frames is ValidateFrames.STRICT
        return Outcome(Verdict.InPktsNoTag if strict else Verdict.InPktsUntagged)
    try:
        tag = SecTag.decode(mpdu)
    except DecodeError:
        return Outcome(Verdict.InPktsBadTag)
    if tag.pn == 0 and not config.suite.xpn:
        return Outcome(Verdict.InPktsBadTag)
    if tag.encrypted and not tag.changed:
        return Outcome(Verdict.InDiscardsKaY)
    data = tag.secure_data(len(mpdu))
    received = _Received(
        header=header,
        tag=tag,
        authenticated=header[:ADDRESS_OCTETS] + mpdu[: tag.octets],
        secure_data=mpdu[data],
        icv=mpdu[data.stop : data.stop + ICV_OCTETS],
    )
    verdict, user_data = _verify_tagged(state, received)
    return Outcome(verdict, header + user_data, tag.octets) if verdict.passes else Outcome(verdict)


def _verify_tagged(state: SecYState, received: _Received) -> tuple[Verdict, bytes]:
    """The verdict, and for a frame that passes it the User Data."""
    tag = received.tag
    # What is changed text cannot be delivered unless it is valid.
    only_valid = state.config.validate_frames is ValidateFrames.STRICT or tag.changed
    # 10.6.1 receive SA assignment
    channel = find_channel(state, tag, received.source)
    sa = None if channel is None else channel.sas.get(tag.an)
    if channel is None or sa is None:
        if channel is not None:
            counter = "InPktsNotUsingSA" if only_valid else "InPktsUnusedSA"
            channel.counters[counter] += 1
            state.count(counter)
        return Verdict.InPktsNoSAError if only_valid else Verdict.InPktsNoSA, received.secure_data
    verdict, user_data = _verify_with_sa(state, received, sa, only_valid)
    channel.counters[verdict.name] += 1
    return verdict, user_data


def find_channel(state: SecYState, tag: SecTag, source: bytes) -> ReceiveChannel | None:
    """The SC that a SecTAG names, or the only one that it can mean (9.5, 9.9), in a frame of this source."""
    if tag.sci is not None:
        return state.channels.get(tag.sci)
    if tag.end_station:
        return state.channels.get(tag.end_station_sci(source))
    candidates = [
        channel
        for sci, channel in state.channels.items()
        if not tag.single_copy_broadcast or sci.endswith(SINGLE_COPY_BROADCAST_PORT)
    ]
    return candidates[0] if len(candidates) == 1 else None


def _verify_with_sa(
    state: SecYState, received: _Received, sa: ReceiveSA, only_valid: bool
) -> tuple[Verdict, bytes]:
    config, tag, window = state.config, received.tag, sa.window
    # 10.6.2 PN recovery and preliminary replay check. Figure 10-4 repeats the check after validation, for an
    # entity that validates frames in parallel; here nothing moves lowestPN in between.
    pn = recovered_pn(window.lowest_pn, tag.pn) if config.suite.xpn else tag.pn
    late = window.is_late(pn)
    if config.replay_protect and (late or window.is_duplicate(pn)):
        return Verdict.InPktsLate, b""
    # 10.6.3 cryptographic validation, unless it is disabled
    if config.validate_frames is ValidateFrames.DISABLED:
        if only_valid:
            return Verdict.InPktsNotValid, b""
        return Verdict.InPktsDelayed if late else Verdict.InPktsUnchecked, received.secure_data
    state.count("InOctetsDecrypted" if tag.encrypted else "InOctetsValidated", len(received.secure_data))
    user_data = sa.protection.validate(
        pn, received.authenticated, received.secure_data, received.icv, tag.encrypted
    )
    if user_data is None:
        return Verdict.InPktsNotValid if only_valid else Verdict.InPktsInvalid, received.secure_data
    # 10.6.5 receive SA update: only a valid frame moves the window
    window.update(pn, config.replay_window)
    return Verdict.InPktsDelayed if late else Verdict.InPktsOK, user_data
