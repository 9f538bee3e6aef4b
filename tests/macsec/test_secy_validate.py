"""Secure frame verification (10.6) with validateFrames strict, each test on every implementation."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.frames import FrameBatch
from dataplane.macsec.counters import Verdict
from dataplane.macsec.sak import Sak
from dataplane.macsec.secy import SecY, SecYConfig, SecYError
from tests.macsec.traffic import (
    FRAME,
    OTHER_SAK,
    PEER,
    SAK,
    SCI,
    THIRD,
    USER_DATA_OCTETS,
    SecYMaker,
    counted,
    counted_of,
    protected,
    validated,
)

ethernet_frames = st.binary(min_size=14, max_size=200) | st.binary(min_size=1400, max_size=1600)
DECRYPTED = {"InOctetsDecrypted": USER_DATA_OCTETS}


@pytest.mark.parametrize("octets", range(14, 70))
def test_padding_behind_the_icv_is_cut(sender: SecY, receiver: SecY, octets: int) -> None:
    frame = FRAME[:octets]
    [wire] = protected(sender, frame)
    padded = wire.ljust(80, b"\xa5") if octets < 60 else wire
    assert validated(receiver, padded) == [frame]


@pytest.mark.parametrize("octets", range(14, 70))
def test_the_last_octet_missing(sender: SecY, receiver: SecY, octets: int) -> None:
    [wire] = protected(sender, FRAME[:octets])
    expected = Verdict.InPktsBadTag if octets - 12 <= 48 else Verdict.InPktsNotValid
    assert validated(receiver, wire[:-1]) == [expected]


def test_padding_of_48_octets_and_more_belongs_to_the_secure_data(sender: SecY, receiver: SecY) -> None:
    [wire] = protected(sender, FRAME[:60])
    assert validated(receiver, wire + b"\0") == [Verdict.InPktsNotValid]


@pytest.mark.parametrize(("with_sci", "tag_octets"), [(True, 16), (False, 8)])
@pytest.mark.parametrize("clear_tags", [0, 1, 2])
def test_everything_happens_in_place(
    make_secy: SecYMaker, with_sci: bool, tag_octets: int, clear_tags: int
) -> None:
    """And nothing outside the frames, 16 octets in front and 16 behind is touched."""
    sender = make_secy(SecYConfig(SCI, always_include_sci=with_sci, clear_tags=clear_tags))
    sender.install_transmit_sa(0, SAK)
    receiver = make_secy(SecYConfig(PEER, clear_tags=clear_tags))
    receiver.install_receive_sa(SCI, 0, SAK)
    tagged = FRAME[:12] + bytes.fromhex("81000001 81000002") + FRAME[12:]
    frames = [tagged[:24], tagged, tagged * 20]
    before = FrameBatch.from_frames(frames, headroom=48, tailroom=48)
    arena = np.full_like(before.arena, 0xA5)
    for start, octets in zip(before.offset, before.length, strict=True):
        arena[start : start + octets] = before.arena[start : start + octets]
    before.arena = arena
    batch = before.copy()

    sender.protect(batch)
    assert (before.offset - batch.offset).tolist() == [tag_octets] * 3
    assert (batch.length - before.length).tolist() == [tag_octets + 16] * 3
    assert all(wire[12 + 4 * clear_tags :].startswith(b"\x88\xe5") for wire in batch.frames())
    receiver.validate(batch)
    assert batch.offset.tolist() == before.offset.tolist()
    assert batch.frames() == frames
    for i in range(len(batch)):
        start, end = int(batch.offset[i]), int(batch.offset[i] + batch.length[i])
        batch.arena[start - 16 : end + 16] = before.arena[start - 16 : end + 16]
    assert batch.arena.tobytes() == before.arena.tobytes()


@settings(max_examples=100)
@given(frame=ethernet_frames, data=st.data())
def test_any_flipped_bit_is_refused(make_secy: SecYMaker, frame: bytes, data: st.DataObject) -> None:
    sender, receiver = make_secy(SecYConfig(SCI)), make_secy(SecYConfig(PEER))
    sender.install_transmit_sa(0, SAK)
    receiver.install_receive_sa(SCI, 0, SAK)
    [wire] = protected(sender, frame)
    bit = data.draw(st.integers(0, 8 * len(wire) - 1))
    flipped = bytearray(wire)
    flipped[bit // 8] ^= 1 << bit % 8
    [refused] = validated(receiver, bytes(flipped))
    assert isinstance(refused, Verdict)
    assert validated(receiver, wire) == [frame], "a frame that is not valid moves no mark"


@pytest.mark.parametrize(
    ("at", "octets", "verdict", "others"),
    [
        (0, "03", Verdict.InPktsNotValid, DECRYPTED),
        (12, "0800", Verdict.InPktsNoTag, {}),
        (12, "88e6", Verdict.InPktsNoTag, {}),
        (12, "888e", Verdict.InDiscardsUncontrolled, {}),
        (14, "ac", Verdict.InPktsBadTag, {}),
        (14, "6c", Verdict.InPktsBadTag, {}),
        (14, "3c", Verdict.InPktsBadTag, {}),
        (14, "28", Verdict.InDiscardsKaY, {}),
        (14, "24", Verdict.InPktsNotValid, {"InOctetsValidated": USER_DATA_OCTETS}),
        (14, "20", Verdict.InPktsNotValid, {"InOctetsValidated": USER_DATA_OCTETS}),
        (14, "2d", Verdict.InPktsNoSAError, {"InPktsNotUsingSA": 1}),
        (14, "0c", Verdict.InPktsNotValid, {"InOctetsDecrypted": USER_DATA_OCTETS + 8}),
        (14, "4c", Verdict.InPktsNotValid, {"InOctetsDecrypted": USER_DATA_OCTETS + 8}),
        (14, "5c", Verdict.InPktsNoSAError, {}),
        (14, "1c", Verdict.InPktsNoSAError, {}),
        (15, "30", Verdict.InPktsBadTag, {}),
        (15, "40", Verdict.InPktsBadTag, {}),
        (15, "80", Verdict.InPktsBadTag, {}),
        (15, "2f", Verdict.InPktsNotValid, {"InOctetsDecrypted": 47}),
        (16, "00000000", Verdict.InPktsBadTag, {}),
        (16, "00000002", Verdict.InPktsNotValid, DECRYPTED),
        (20, "0200000000020001", Verdict.InPktsNoSAError, {}),
        (20, "ffffffffffffffff", Verdict.InPktsNoSAError, {}),
        (-1, "00", Verdict.InPktsNotValid, DECRYPTED),
    ],
)
def test_the_counter_of_figure_10_4(
    sender: SecY, receiver: SecY, at: int, octets: str, verdict: Verdict, others: dict[str, int]
) -> None:
    [wire] = protected(sender, FRAME)
    start, patch = at % len(wire), bytes.fromhex(octets)
    changed = wire[:start] + patch + wire[start + len(patch) :]
    assert changed != wire
    assert validated(receiver, changed) == [verdict]
    assert counted(receiver) == {verdict.name: 1, **others}


@pytest.mark.parametrize("octets", range(29))
def test_a_frame_cut_short(sender: SecY, receiver: SecY, octets: int) -> None:
    [wire] = protected(sender, FRAME)
    expected = Verdict.InDiscardsTooShort if octets < 14 else Verdict.InPktsBadTag
    assert validated(receiver, wire[:octets]) == [expected]
    assert counted(receiver) == {expected.name: 1}


def test_a_wrong_key(sender: SecY, make_secy: SecYMaker) -> None:
    receiver = make_secy(SecYConfig(PEER))
    receiver.install_receive_sa(SCI, 0, OTHER_SAK)
    [wire] = protected(sender, FRAME)
    assert validated(receiver, wire) == [Verdict.InPktsNotValid]


def test_what_failed_is_not_left_in_clear(sender: SecY, receiver: SecY) -> None:
    [wire] = protected(sender, FRAME)
    batch = FrameBatch.from_frames([wire[:-1] + bytes([wire[-1] ^ 1])])
    receiver.validate(batch)
    assert batch.verdict.tolist() == [Verdict.InPktsNotValid]
    assert batch.length.tolist() == [len(wire)]
    left = batch.frame(0)[28:]
    assert all(FRAME[at : at + 4] not in left for at in range(12, len(FRAME) - 3))


@pytest.mark.parametrize("peers", [1, 9, 1024])
def test_several_peers(make_secy: SecYMaker, peers: int) -> None:
    receiver = make_secy(SecYConfig(PEER))
    scis = [bytes([2, 0, 0, 1, i >> 8, i & 0xFF, 0, 1]) for i in range(peers)]
    saks = [Sak(i.to_bytes(32)) for i in range(peers)]
    for sci, sak in zip(scis, saks, strict=True):
        receiver.install_receive_sa(sci, 2, sak)
    wires = []
    for sci, sak in [*zip(scis, saks, strict=True)][:: max(1, peers // 9)]:
        sender = make_secy(SecYConfig(sci))
        sender.install_transmit_sa(2, sak)
        wires += protected(sender, FRAME)
    assert validated(receiver, *wires) == [FRAME] * len(wires)
    receiver.remove_receive_sa(scis[0], 2)
    assert validated(receiver, wires[0]) == [Verdict.InPktsNoSAError]


def test_one_sc_too_many(make_secy: SecYMaker) -> None:
    receiver = make_secy(SecYConfig(PEER))
    scis = [bytes([2, 0, 0, 1, i >> 8, i & 0xFF, 0, 1]) for i in range(1025)]
    for sci in scis[:1024]:
        receiver.install_receive_sa(sci, 0, SAK)
    with pytest.raises(SecYError, match="1024 receive SCs are installed"):
        receiver.install_receive_sa(scis[1024], 0, SAK)
    receiver.install_receive_sa(scis[0], 1, SAK)
    receiver.remove_receive_sa(scis[7], 0)
    receiver.install_receive_sa(scis[1024], 0, SAK)


SCB_PORT = b"\0\0"


@pytest.mark.parametrize(
    ("scis", "found"),
    [
        # which SC is found where the tag has: the SCI, ES, SCB, ES and SCB, nothing
        ([SCI], [SCI, SCI, None, None, SCI]),
        ([THIRD], [None, None, None, None, THIRD]),
        ([SCI, THIRD], [SCI, SCI, None, None, None]),
        ([SCI, SCI[:6] + SCB_PORT], [SCI, SCI, SCI[:6] + SCB_PORT, SCI[:6] + SCB_PORT, None]),
        ([THIRD[:6] + SCB_PORT], [None, None, THIRD[:6] + SCB_PORT, None, THIRD[:6] + SCB_PORT]),
        ([SCI[:6] + SCB_PORT, THIRD[:6] + SCB_PORT], [None, None, None, SCI[:6] + SCB_PORT, None]),
        ([SCI[:6] + b"\1\0", THIRD], [None, None, None, None, None]),
        ([], [None] * 5),
    ],
)
def test_the_sc_that_a_tag_names(make_secy: SecYMaker, scis: list[bytes], found: list[bytes | None]) -> None:
    """The SCI that is found makes the nonce, so that a frame is valid only if it was sent with that SCI."""
    tags: list[dict[str, Any]] = [
        {"always_include_sci": True},
        {"use_es": True},
        {"use_scb": True},
        {"use_es": True, "use_scb": True},
        {},
    ]
    for tag, sci in zip(tags, found, strict=True):
        receiver = make_secy(SecYConfig(PEER))
        for other in scis:
            receiver.install_receive_sa(other, 0, SAK)
        sender = make_secy(SecYConfig(sci or SCI, **{"always_include_sci": False, **tag}))
        sender.install_transmit_sa(0, SAK)
        [wire] = protected(sender, FRAME)
        assert validated(receiver, wire) == [FRAME if sci else Verdict.InPktsNoSAError]
        assert [counted_of(receiver, other) for other in scis] == [
            {"InPktsOK": 1} if other == sci else {} for other in scis
        ]


def test_the_only_sc_comes_and_goes(make_secy: SecYMaker, receiver: SecY) -> None:
    sender = make_secy(SecYConfig(SCI, always_include_sci=False))
    sender.install_transmit_sa(0, SAK)
    receiver.install_receive_sa(THIRD, 0, OTHER_SAK)
    unknown = Verdict.InPktsNoSAError
    assert validated(receiver, *protected(sender, FRAME)) == [unknown]
    receiver.remove_receive_sa(THIRD, 0)
    assert validated(receiver, *protected(sender, FRAME)) == [FRAME]
    receiver.remove_receive_sa(SCI, 0)
    assert validated(receiver, *protected(sender, FRAME)) == [unknown]
    receiver.install_receive_sa(THIRD, 0, SAK)
    assert validated(receiver, *protected(sender, FRAME)) == [Verdict.InPktsNotValid]
