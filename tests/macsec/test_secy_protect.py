"""Secure frame generation (10.5), each test on every implementation."""

from dataclasses import replace
from typing import Any

import pytest

from dataplane.frames import FrameBatch
from dataplane.macsec.counters import Verdict
from dataplane.macsec.sak import Sak
from dataplane.macsec.secy import SecY, SecYConfig, SecYError, TransmitState, ValidateFrames
from tests.macsec.traffic import (
    FRAME,
    INTEGRITY_SAK,
    OTHER_SAK,
    PEER,
    PN_END,
    SAK,
    SALT,
    SCI,
    THIRD,
    USER_DATA_OCTETS,
    SecYMaker,
    counted,
    next_pn,
    protected,
    sent,
)

LLDP = FRAME[:12] + bytes.fromhex("88cc") + bytes(range(100))


def test_layout(sender: SecY) -> None:
    [frame] = protected(sender, FRAME)
    assert frame[:28] == FRAME[:12] + bytes.fromhex("88e52c0000000001") + SCI
    assert len(frame) == len(FRAME) + 32
    assert counted(sender) == {"OutPktsEncrypted": 1, "OutOctetsEncrypted": USER_DATA_OCTETS}


def test_integrity_only(sender: SecY) -> None:
    sender.install_transmit_sa(1, INTEGRITY_SAK)
    [frame] = protected(sender, FRAME)
    assert frame[:-16] == FRAME[:12] + bytes.fromhex("88e5210000000001") + SCI + FRAME[12:]
    assert counted(sender) == {"OutPktsProtected": 1, "OutOctetsProtected": USER_DATA_OCTETS}


def test_packet_numbers_count_up_across_batches(sender: SecY) -> None:
    frames = protected(sender, FRAME, FRAME) + protected(sender, FRAME)
    assert [int.from_bytes(frame[16:20]) for frame in frames] == [1, 2, 3]
    assert next_pn(sender) == 4


@pytest.mark.parametrize(("octets", "short_length"), [(2, 2), (47, 47), (48, 0), (49, 0)])
def test_short_length(sender: SecY, octets: int, short_length: int) -> None:
    assert protected(sender, FRAME[: 12 + octets])[0][15] == short_length


@pytest.mark.parametrize("peers", [0, 1, 2])
@pytest.mark.parametrize(
    ("always", "use_es", "use_scb", "tci"),
    [
        (True, False, False, ["2c", "2c", "2c"]),
        (True, True, True, ["2c", "2c", "2c"]),
        (False, False, False, ["0c", "0c", "2c"]),
        (False, True, False, ["4c", "4c", "4c"]),
        (False, False, True, ["1c", "1c", "1c"]),
        (False, True, True, ["5c", "5c", "5c"]),
    ],
)
def test_table_10_1(
    sender: SecY, peers: int, always: bool, use_es: bool, use_scb: bool, tci: list[str]
) -> None:
    """By how many receive SCs there are."""
    sender.configure(
        replace(sender.config, always_include_sci=always, use_es=use_es, use_scb=use_scb, mtu=2000)
    )
    for peer in (PEER, THIRD)[:peers]:
        sender.install_receive_sa(peer, 0, OTHER_SAK)
    [frame] = protected(sender, FRAME)
    assert frame[14:15].hex() == tci[peers]
    assert len(frame) - len(FRAME) == (32 if tci[peers] == "2c" else 24)
    for peer in (PEER, THIRD)[:peers]:
        sender.remove_receive_sa(peer, 0)
    assert protected(sender, FRAME)[0][14:15].hex() == tci[0]


def test_a_frame_that_is_none_takes_no_packet_number(sender: SecY) -> None:
    too_short = Verdict.OutDiscardsTooShort
    [*refused, frame] = sent(sender, FRAME[:13], b"", FRAME[:14])
    assert refused == [too_short, too_short]
    assert isinstance(frame, bytes)
    assert next_pn(sender) == 2


@pytest.mark.parametrize(("headroom", "tailroom", "fits"), [(16, 16, True), (15, 16, False), (16, 15, False)])
def test_room_in_the_arena(sender: SecY, headroom: int, tailroom: int, fits: bool) -> None:
    batch = FrameBatch.from_frames([FRAME], headroom, tailroom)
    batch.arena = batch.arena[: headroom + len(FRAME) + tailroom].copy()
    sender.protect(batch)
    assert batch.verdict.tolist() == [Verdict.OutPktsEncrypted if fits else Verdict.NoRoom]
    assert bool(counted(sender)) is fits
    assert fits or batch.frames() == [FRAME]


def test_room_is_asked_for_before_anything_else(sender: SecY) -> None:
    sender.configure(replace(sender.config, bypass=(0x88CC,), protect_frames=False))
    batch = FrameBatch.from_frames([FRAME, LLDP, b""], headroom=0)
    sender.protect(batch)
    assert batch.verdict.tolist()[0] == Verdict.NoRoom
    assert batch.frames() == [FRAME, LLDP, b""]


def test_no_transmit_sa(make_secy: SecYMaker) -> None:
    secy = make_secy(SecYConfig(SCI))
    assert sent(secy, FRAME) == [Verdict.OutDiscardsNoTransmitSA]
    assert (secy.operational, secy.transmit_state) == (False, None)
    assert counted(secy) == {"OutDiscardsNoTransmitSA": 1}


@pytest.mark.parametrize("cipher", ["GCM-AES-256", "GCM-AES-XPN-256"])
def test_exhaustion_is_silent(make_secy: SecYMaker, cipher: str) -> None:
    sender = make_secy(SecYConfig(SCI, cipher))
    pn_end, xpn = sender.config.suite.pn_end, sender.config.suite.xpn
    sak, other_sak = (Sak(key.key, SALT if xpn else b"") for key in (SAK, OTHER_SAK))
    ssci = 1 if xpn else None
    sender.install_transmit_sa(0, sak, pn_end - 2, ssci)
    assert sender.operational
    discarded = Verdict.OutDiscardsNoTransmitSA
    wires = protected(sender, FRAME, FRAME)
    assert [wire[16:20].hex() for wire in wires] == ["fffffffe", "ffffffff"]
    assert sent(sender, FRAME, FRAME) == [discarded, discarded]
    assert not sender.operational
    assert sender.transmit_state == TransmitState(0, pn_end, pn_end - 1)
    with pytest.raises(SecYError, match="used before"):
        sender.install_transmit_sa(1, sak, pn_end - 1, ssci)
    sender.install_transmit_sa(1, other_sak, ssci=ssci)
    assert sender.operational
    assert protected(sender, FRAME)[0][14] & 3 == 1


def test_a_reserved_block_of_packet_numbers(sender: SecY) -> None:
    sender.install_transmit_sa(2, OTHER_SAK, 10, last_pn=11)
    discarded = Verdict.OutDiscardsNoTransmitSA
    assert sent(sender, *[FRAME] * 3)[2] == discarded
    assert (sender.operational, sender.transmit_state) == (False, TransmitState(2, 12, 11))
    sender.extend_transmit_sa(2, 11)
    assert sent(sender, FRAME) == [discarded]
    sender.extend_transmit_sa(2, 12)
    assert sender.operational
    assert protected(sender, FRAME)[0][16:20].hex() == "0000000c"
    assert sent(sender, FRAME) == [discarded]
    assert counted(sender)["OutDiscardsNoTransmitSA"] == 3


def test_the_sa_installed_last_is_used(sender: SecY) -> None:
    sender.install_transmit_sa(3, OTHER_SAK, 77)
    assert sender.transmit_state == TransmitState(3, 77, PN_END - 1)
    assert protected(sender, FRAME)[0][14:20].hex() == "2f000000004d"
    sender.remove_transmit_sa(0)
    assert protected(sender, FRAME)[0][14:20].hex() == "2f000000004e"
    sender.remove_transmit_sa(3)
    assert not sender.operational
    assert sender.transmit_state is None


@pytest.mark.parametrize(
    "change", [{"protect_frames": False}, {"validate_frames": ValidateFrames.NULL}], ids=str
)
def test_without_protect_frames(sender: SecY, change: dict[str, Any]) -> None:
    sender.configure(replace(sender.config, **change))
    sender.remove_transmit_sa(0)
    assert sender.operational
    assert sent(sender, FRAME, FRAME[:13]) == [FRAME, Verdict.OutDiscardsTooShort]
    assert counted(sender) == {"OutPktsUntagged": 1, "OutDiscardsTooShort": 1}
    sender.configure(SecYConfig(SCI))
    assert not sender.operational
    assert sent(sender, FRAME) == [Verdict.OutDiscardsNoTransmitSA]


def test_bypass(sender: SecY) -> None:
    sender.configure(replace(sender.config, bypass=(0x8809, 0x88CC), mtu=60, clear_tags=1))
    tagged = LLDP[:12] + bytes.fromhex("81000001") + LLDP[12:]
    [lldp, within_vlan] = sent(sender, LLDP, tagged[:40])
    assert lldp == LLDP
    assert within_vlan != tagged[:40], "only the first EtherType counts"
    sender.remove_transmit_sa(0)
    assert sent(sender, LLDP) == [LLDP]
    assert counted(sender) == {"OutPassesBypass": 2, "OutPktsEncrypted": 1, "OutOctetsEncrypted": 24}


@pytest.mark.parametrize("clear_tags", [0, 1, 2])
@pytest.mark.parametrize("tags", ["", "8100 0001", "88a8 0001 8100 0002", "88a8 0001 8100 0002 8100 0003"])
def test_vlan_tags_in_clear(sender: SecY, tags: str, clear_tags: int) -> None:
    sender.configure(replace(sender.config, clear_tags=clear_tags))
    vlan_tags = bytes.fromhex(tags)
    in_clear = min(clear_tags, len(vlan_tags) // 4) * 4
    [frame] = protected(sender, FRAME[:12] + vlan_tags + FRAME[12:])
    assert frame[:12] == FRAME[:12]
    assert frame[12 : 12 + in_clear] == vlan_tags[:in_clear]
    assert frame[12 + in_clear :][:2].hex() == "88e5"
    assert counted(sender)["OutOctetsEncrypted"] == USER_DATA_OCTETS + len(vlan_tags) - in_clear


@pytest.mark.parametrize(
    ("config", "overhead"),
    [
        ({}, 32),
        ({"always_include_sci": False}, 24),
        ({"protect_frames": False}, 0),
        ({"validate_frames": ValidateFrames.NULL}, 0),
    ],
    ids=str,
)
@pytest.mark.parametrize("tags", ["", "81000001", "88a8000181000002"])
def test_the_mtu_of_the_common_port(sender: SecY, config: dict[str, Any], overhead: int, tags: str) -> None:
    """It counts what lies behind the Ethernet header; VLAN tags count if they are not in clear."""
    sender.configure(replace(sender.config, mtu=100, clear_tags=1, **config))
    vlan_tags = bytes.fromhex(tags)
    longest = 14 + min(4, len(vlan_tags)) + 100 - overhead
    frame = (FRAME[:12] + vlan_tags + FRAME[12:]).ljust(longest + 1, b"\0")
    [fits, too_long] = sent(sender, frame[:longest], frame)
    assert isinstance(fits, bytes)
    assert len(fits) == longest + overhead
    assert too_long == Verdict.OutPktsTooLong
    assert counted(sender)["OutPktsTooLong"] == 1
    assert next_pn(sender) == (2 if overhead else 1), "a frame that is too long takes no packet number"


def test_a_lack_of_keys_shows_before_a_lack_of_space(sender: SecY) -> None:
    sender.configure(replace(sender.config, mtu=1))
    assert sent(sender, FRAME) == [Verdict.OutPktsTooLong]
    sender.remove_transmit_sa(0)
    assert sent(sender, FRAME) == [Verdict.OutDiscardsNoTransmitSA]
