"""What holds for every frame, cipher suite and option of a SecY."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.frames import FrameBatch
from dataplane.macsec.counters import Verdict
from dataplane.macsec.sak import Sak
from dataplane.macsec.sectag import SecTag
from dataplane.macsec.secy import SecY, SecYConfig, ValidateFrames
from dataplane.macsec.suites import CipherSuite
from tests.macsec.strategies import (
    MACS,
    ans,
    configs,
    frames,
    packet_numbers,
    saks,
    sscis,
    suites,
)

SecYMaker = Callable[[SecYConfig], SecY]

PEER_SCI = MACS[1] + b"\0\2"


class Association(NamedTuple):
    """What two SecYs agree on, and what the first sends."""

    sender: SecYConfig
    receiver: SecYConfig
    sak: Sak
    an: int
    pn: int
    ssci: int | None
    frame: bytes

    def connect(self, make_secy: SecYMaker) -> tuple[SecY, SecY]:
        """The sender and the receiver."""
        sender, receiver = make_secy(self.sender), make_secy(self.receiver)
        sender.install_transmit_sa(self.an, self.sak, self.pn, self.ssci)
        receiver.install_receive_sa(self.sender.sci, self.an, self.sak, self.pn, self.ssci)
        return sender, receiver

    @property
    def clear_octets(self) -> int:
        """Addresses, and the VLAN tags that stay in clear."""
        at = 12
        while at < 12 + 4 * self.sender.clear_tags and self.frame[at : at + 2] in (b"\x81\0", b"\x88\xa8"):
            if len(self.frame) < at + 6:
                break
            at += 4
        return at


@st.composite
def associations(draw: st.DrawFn) -> Association:
    """The sender's parameters are any under which the receiver can tell who it is."""
    suite: CipherSuite = draw(suites)
    config = draw(configs(suite))
    port = b"\0\1" if config.use_es and not config.use_scb else b"\0\0"
    sender = replace(
        config,
        sci=MACS[0] + port,
        validate_frames=ValidateFrames.STRICT,
        protect_frames=True,
        bypass=(),
        mtu=None,
    )
    receiver = replace(
        draw(configs(suite)),
        sci=PEER_SCI,
        validate_frames=draw(st.sampled_from([ValidateFrames.CHECK, ValidateFrames.STRICT])),
        clear_tags=sender.clear_tags,
        bypass=(),
    )
    return Association(
        sender,
        receiver,
        draw(saks(suite)),
        draw(ans),
        draw(packet_numbers(suite)),
        draw(sscis(suite)),
        draw(frames(source=MACS[0])),
    )


def sent(secy: SecY, frame: bytes) -> bytes:
    batch = FrameBatch.from_frames([frame])
    secy.protect(batch)
    assert Verdict(batch.verdict[0]) in (Verdict.OutPktsProtected, Verdict.OutPktsEncrypted)
    return batch.frame(0)


def received(secy: SecY, frame: bytes) -> tuple[Verdict, bytes]:
    batch = FrameBatch.from_frames([frame])
    secy.validate(batch)
    return Verdict(batch.verdict[0]), batch.frame(0)


@given(associations(), st.integers(0, 60))
def test_what_is_sent_is_received(make_secy: SecYMaker, association: Association, padding: int) -> None:
    sender, receiver = association.connect(make_secy)
    clear = association.clear_octets
    wire = sent(sender, association.frame)
    assert wire[:clear] == association.frame[:clear]
    if len(association.frame) - clear < 48:
        wire += bytes(padding)  # SL says where the ICV is
    assert received(receiver, wire) == (Verdict.InPktsOK, association.frame)
    assert receiver.receive_state(association.sender.sci, association.an).next_pn == association.pn + 1
    config = association.receiver
    if config.replay_protect and (config.detect_duplicates or config.replay_window == 0):
        assert received(receiver, wire)[0] not in (Verdict.InPktsOK, Verdict.InPktsDelayed)


@given(associations())
def test_the_tag_and_the_text_are_what_was_agreed(make_secy: SecYMaker, association: Association) -> None:
    sender, _ = association.connect(make_secy)
    clear, sak = association.clear_octets, association.sak
    mpdu = sent(sender, association.frame)[clear:]
    user_data = association.frame[clear:]
    tag = SecTag.decode(mpdu)
    assert (tag.an, tag.pn) == (association.an, association.pn & 0xFFFFFFFF)
    assert tag.sci == (association.sender.sci if association.sender.always_include_sci else None)
    assert tag.encrypted == tag.changed == sak.encrypt
    assert len(mpdu) == tag.octets + len(user_data) + 16
    in_clear = sak.confidentiality_offset if sak.encrypt else len(user_data)
    assert mpdu[tag.octets :].startswith(user_data[:in_clear])
    if len(user_data) >= in_clear + 16:  # so many octets are not encrypted to themselves
        assert mpdu[tag.octets + in_clear : -16] != user_data[in_clear:]


@settings(max_examples=25)
@given(associations())
def test_any_flipped_bit_is_refused(make_secy: SecYMaker, association: Association) -> None:
    sender, receiver = association.connect(make_secy)
    wire = sent(sender, association.frame)
    in_clear = range(8 * 12, 8 * association.clear_octets)
    flipped = []
    for bit in range(8 * len(wire)):
        if bit not in in_clear:
            octets = bytearray(wire)
            octets[bit // 8] ^= 0x80 >> bit % 8
            flipped.append(bytes(octets))
    batch = FrameBatch.from_frames(flipped)
    before = receiver.receive_state(association.sender.sci, association.an)
    receiver.validate(batch)
    verdicts = {Verdict(verdict) for verdict in batch.verdict.tolist()}
    if association.receiver.validate_frames is ValidateFrames.STRICT:
        assert not any(verdict.passes for verdict in verdicts)
    else:
        assert not verdicts & {Verdict.InPktsOK, Verdict.InPktsDelayed}
    assert receiver.receive_state(association.sender.sci, association.an) == before
    assert received(receiver, wire) == (Verdict.InPktsOK, association.frame)
