"""Secure frame generation of the reference SecY, IEEE 802.1AE-2018 10.5."""

from dataplane.macsec.associations import SecYState, TransmitSA
from dataplane.macsec.counters import Verdict
from dataplane.macsec.outcome import Outcome
from dataplane.macsec.sectag import (
    ADDRESS_OCTETS,
    ETHERNET_HEADER_OCTETS,
    SecTag,
    clear_header_octets,
    ethertype,
    short_length,
)
from dataplane.macsec.secy import SecYConfig
from dataplane.macsec.suites import ICV_OCTETS

SECTAG_OCTETS = 16
"""With the SCI in it."""
_PN_FIELD = 0xFFFFFFFF


def generate(state: SecYState, frame: bytes) -> Outcome:
    """Makes a frame of the Controlled Port what the Common Port is to send."""
    config = state.config
    if len(frame) < ETHERNET_HEADER_OCTETS:
        return Outcome(Verdict.OutDiscardsTooShort)
    if ethertype(frame[ADDRESS_OCTETS:]) in config.bypass:
        return Outcome(Verdict.OutPassesBypass)
    header_octets = clear_header_octets(frame, config.clear_tags)
    if not state.protecting:
        too_long = _too_long(config, len(frame) - header_octets)
        return Outcome(Verdict.OutPktsTooLong if too_long else Verdict.OutPktsUntagged)
    header, user_data = frame[:header_octets], frame[header_octets:]
    # 10.5.1 transmit SA assignment
    sa = state.sendable_sa()
    if sa is None:
        return Outcome(Verdict.OutDiscardsNoTransmitSA)
    # 10.5.2 transmit PN assignment; a frame that is too long does not spend it
    pn = state.next_pn(sa)
    # 10.5.3 SecTAG encoding
    tag = _encoded_tag(state, sa, pn, len(user_data))
    if _too_long(config, len(tag) + len(user_data) + ICV_OCTETS):
        return Outcome(Verdict.OutPktsTooLong)
    state.next_pns[sa.protection.sak_digest] = pn + 1
    # 10.5.4 cryptographic protection: the addresses are authenticated, VLAN tags in clear are not
    protected = sa.protection.protect(pn, frame[:ADDRESS_OCTETS] + tag, user_data, sa.encrypt)
    state.count("OutOctetsEncrypted" if sa.encrypt else "OutOctetsProtected", len(user_data))
    verdict = Verdict.OutPktsEncrypted if sa.encrypt else Verdict.OutPktsProtected
    return Outcome(verdict, header + tag + protected, -len(tag))


def _encoded_tag(state: SecYState, sa: TransmitSA, pn: int, data_octets: int) -> bytes:
    """The SecTAG, with or without SCI as Table 10-1 has it for one transmit SC."""
    config = state.config
    implied = config.use_es or config.use_scb
    include_sci = config.always_include_sci or (len(state.channels) > 1 and not implied)
    return SecTag(
        an=sa.an,
        short_length=short_length(data_octets),
        pn=pn & _PN_FIELD,
        sci=config.sci if include_sci else None,
        encrypted=sa.encrypt,
        changed=sa.encrypt,
        end_station=config.use_es and not include_sci,
        single_copy_broadcast=config.use_scb and not include_sci,
    ).encode()


def _too_long(config: SecYConfig, mpdu_octets: int) -> bool:
    """Whether the Common Port cannot carry a frame with so much from its EtherType on."""
    return config.mtu is not None and mpdu_octets - 2 > config.mtu
