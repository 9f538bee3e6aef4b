"""What each mode of validateFrames makes of each kind of frame (Figure 10-4), on every implementation."""

from dataclasses import replace
from typing import Any

import pytest

from dataplane.macsec.counters import CHANNEL_COUNTERS, Verdict
from dataplane.macsec.sak import Sak
from dataplane.macsec.secy import SecY, SecYConfig, ValidateFrames
from tests.macsec.traffic import (
    FRAME,
    INTEGRITY_SAK,
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

DISABLED, CHECK, STRICT = "disabled", "check", "strict"
MODES = (DISABLED, CHECK, STRICT)
LLDP = FRAME[:12] + bytes.fromhex("88cc") + FRAME[14:]
LAST_OCTET = FRAME[:-1] + bytes([FRAME[-1] ^ 1])
"""FRAME with its last octet changed."""


def changed(frame: bytes, at: int, octet: int) -> bytes:
    """The frame with one octet replaced."""
    start = at % len(frame)
    assert frame[start] != octet
    return frame[:start] + bytes([octet]) + frame[start + 1 :]


@pytest.fixture
def wires(make_secy: SecYMaker) -> dict[str, bytes]:
    """By name: frames that come to a SecY which knows AN 0 of SCI, and has accepted its packet number 9."""

    def wire(sci: bytes, an: int, sak: Sak, pn: int) -> bytes:
        sender = make_secy(SecYConfig(sci))
        sender.install_transmit_sa(an, sak, pn)
        return protected(sender, FRAME)[0]

    encrypted, integrity = wire(SCI, 0, SAK, 10), wire(SCI, 0, INTEGRITY_SAK, 10)
    return {
        "untagged": FRAME,
        "bypassing": LLDP,
        "EAPOL": FRAME[:12] + bytes.fromhex("888e") + FRAME[14:],
        "V set": changed(integrity, 14, 0xA0),
        "PN 0": integrity[:16] + bytes(4) + integrity[20:],
        "E without C": changed(encrypted, 14, 0x28),
        "C without E": changed(integrity, 14, 0x24),
        "encrypted": encrypted,
        "integrity": integrity,
        "encrypted, changed": changed(encrypted, -17, encrypted[-17] ^ 1),
        "integrity, changed": changed(integrity, -17, integrity[-17] ^ 1),
        "encrypted, unknown SC": wire(THIRD, 0, SAK, 10),
        "integrity, unknown SC": wire(THIRD, 0, INTEGRITY_SAK, 10),
        "encrypted, unknown AN": wire(SCI, 1, SAK, 10),
        "integrity, unknown AN": wire(SCI, 1, INTEGRITY_SAK, 10),
        "encrypted, below": wire(SCI, 0, SAK, 9),
        "integrity, below": wire(SCI, 0, INTEGRITY_SAK, 9),
    }


TABLE: dict[str, tuple[str, str, str]] = {
    # frame: its counter when disabled, check, strict; + delivers its User Data, = the frame as it came
    "untagged": ("=InPktsUntagged", "=InPktsUntagged", "InPktsNoTag"),
    "bypassing": ("=InPassesBypass", "=InPassesBypass", "=InPassesBypass"),
    "EAPOL": ("InDiscardsUncontrolled", "InDiscardsUncontrolled", "InDiscardsUncontrolled"),
    "V set": ("InPktsBadTag", "InPktsBadTag", "InPktsBadTag"),
    "PN 0": ("InPktsBadTag", "InPktsBadTag", "InPktsBadTag"),
    "E without C": ("InDiscardsKaY", "InDiscardsKaY", "InDiscardsKaY"),
    "C without E": ("InPktsNotValid", "InPktsNotValid", "InPktsNotValid"),
    "encrypted": ("InPktsNotValid", "+InPktsOK", "+InPktsOK"),
    "integrity": ("+InPktsUnchecked", "+InPktsOK", "+InPktsOK"),
    "encrypted, changed": ("InPktsNotValid", "InPktsNotValid", "InPktsNotValid"),
    "integrity, changed": ("+InPktsUnchecked", "+InPktsInvalid", "InPktsNotValid"),
    "encrypted, unknown SC": ("InPktsNoSAError", "InPktsNoSAError", "InPktsNoSAError"),
    "integrity, unknown SC": ("+InPktsNoSA", "+InPktsNoSA", "InPktsNoSAError"),
    "encrypted, unknown AN": ("InPktsNoSAError", "InPktsNoSAError", "InPktsNoSAError"),
    "integrity, unknown AN": ("+InPktsNoSA", "+InPktsNoSA", "InPktsNoSAError"),
    "encrypted, below": ("InPktsLate", "InPktsLate", "InPktsLate"),
    "integrity, below": ("InPktsLate", "InPktsLate", "InPktsLate"),
}
WITHOUT_REPLAY_PROTECT: dict[str, tuple[str, str, str]] = {
    "encrypted": TABLE["encrypted"],
    "integrity": TABLE["integrity"],
    "encrypted, below": ("InPktsNotValid", "+InPktsDelayed", "+InPktsDelayed"),
    "integrity, below": ("+InPktsDelayed", "+InPktsDelayed", "+InPktsDelayed"),
}
CASES = [
    pytest.param(frame, mode, replay_protect, counters[MODES.index(mode)], id=f"{frame}, {mode}, {replay}")
    for replay_protect, replay, table in (
        (True, "replay", TABLE),
        (False, "any order", WITHOUT_REPLAY_PROTECT),
    )
    for frame, counters in table.items()
    for mode in MODES
]


@pytest.mark.parametrize(("frame", "mode", "replay_protect", "expected"), CASES)
def test_figure_10_4(
    make_secy: SecYMaker, wires: dict[str, bytes], frame: str, mode: str, replay_protect: bool, expected: str
) -> None:
    config = SecYConfig(PEER, replay_protect=replay_protect, bypass=(0x88CC,))
    secy = make_secy(replace(config, validate_frames=ValidateFrames(mode)))
    secy.install_receive_sa(SCI, 0, SAK, 10)
    wire = wires[frame]
    [outcome] = validated(secy, wire)

    counter = expected.lstrip("=+")
    if expected.startswith("="):
        assert outcome == wire
    elif expected.startswith("+"):
        assert outcome == (LAST_OCTET if "changed" in frame else FRAME)
    else:
        assert outcome == Verdict[counter]

    also = {}
    if "AN" in frame:
        also["InPktsNotUsingSA" if counter == "InPktsNoSAError" else "InPktsUnusedSA"] = 1
    if mode != DISABLED and counter in ("InPktsOK", "InPktsDelayed", "InPktsInvalid", "InPktsNotValid"):
        also["InOctetsDecrypted" if "encrypted" in frame else "InOctetsValidated"] = USER_DATA_OCTETS
    assert counted(secy) == {counter: 1, **also}
    assert counted_of(secy, SCI) == {name: 1 for name in (counter, *also) if name in CHANNEL_COUNTERS}

    state, passed = secy.receive_state(SCI, 0), counter == "InPktsOK"
    assert state.next_pn == state.lowest_pn == (11 if passed else 10), "only a valid frame moves the window"


def test_null_delivers_everything_as_it_came(receiver: SecY, wires: dict[str, bytes]) -> None:
    receiver.configure(replace(receiver.config, validate_frames=ValidateFrames.NULL, bypass=(0x88CC,)))
    frames = [wire for name, wire in wires.items() if name != "EAPOL"]
    assert validated(receiver, *frames) == frames
    assert validated(receiver, wires["EAPOL"], FRAME[:13]) == [
        Verdict.InDiscardsUncontrolled,
        Verdict.InDiscardsTooShort,
    ]
    others = {"InDiscardsUncontrolled": 1, "InDiscardsTooShort": 1}
    assert counted(receiver) == {"InPassesNull": len(frames), **others}


@pytest.mark.parametrize("octets", range(2, 50))
def test_what_is_taken_away_unchecked(sender: SecY, receiver: SecY, octets: int) -> None:
    """SecTAG, ICV and padding go also where there is no key to check them with."""
    receiver.configure(replace(receiver.config, validate_frames=ValidateFrames.DISABLED))
    sender.install_transmit_sa(0, INTEGRITY_SAK)
    frame = FRAME[: 12 + octets]
    [wire] = protected(sender, frame)
    padded = wire.ljust(60, b"\xa5") if octets < 48 else wire
    assert validated(receiver, padded) == [frame]
    receiver.remove_receive_sa(SCI, 0)
    assert validated(receiver, padded) == [frame]
    assert counted(receiver) == {"InPktsUnchecked": 1, "InPktsNoSA": 1}


def test_only_the_first_ethertype_bypasses(receiver: SecY) -> None:
    receiver.configure(replace(receiver.config, bypass=(0x88CC, 0x8100), clear_tags=1))
    tag = bytes.fromhex("81000001")
    tagged_lldp = FRAME[:12] + bytes.fromhex("88a80001") + LLDP[12:]
    priority_tagged = FRAME[:12] + tag + FRAME[12:]
    assert validated(receiver, LLDP, tagged_lldp, priority_tagged) == [
        LLDP,
        Verdict.InPktsNoTag,
        priority_tagged,
    ]


@pytest.mark.parametrize("config", [{"validate_frames": ValidateFrames.CHECK}, {}], ids=str)
def test_vlan_tags_in_clear(make_secy: SecYMaker, config: dict[str, Any]) -> None:
    """They come through, are not protected, and end where the receiver is told that they end."""
    vlan_tags = bytes.fromhex("88a80001 81000002")
    frame = FRAME[:12] + vlan_tags + FRAME[12:]
    sender = make_secy(SecYConfig(SCI, clear_tags=2))
    sender.install_transmit_sa(0, SAK)
    receivers = [make_secy(SecYConfig(PEER, clear_tags=clear_tags, **config)) for clear_tags in (0, 1, 2)]
    for receiver in receivers:
        receiver.install_receive_sa(SCI, 0, SAK)
    [wire] = protected(sender, frame)
    remarked = wire[:14] + bytes.fromhex("a0ff") + wire[16:]
    for receiver in receivers[:2]:
        assert validated(receiver, wire) == [wire if config else Verdict.InPktsNoTag]
    untagged = wire[:12] + wire[20:]
    assert validated(receivers[2], remarked) == [frame[:14] + bytes.fromhex("a0ff") + frame[16:]]
    assert counted(receivers[2]) == {"InPktsOK": 1, "InOctetsDecrypted": USER_DATA_OCTETS}
    assert validated(receivers[0], untagged) == [FRAME]
    receivers[2].install_receive_sa(SCI, 0, OTHER_SAK)
    assert validated(receivers[2], wire) == [Verdict.InPktsNotValid]
