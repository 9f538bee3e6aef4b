"""Packet numbers on the receive side (10.6.2 to 10.6.5), each test on every implementation."""

from dataclasses import replace

import pytest

from dataplane.macsec.counters import Verdict
from dataplane.macsec.sak import Sak
from dataplane.macsec.secy import ReceiveState, SecY, SecYConfig, SecYError
from tests.macsec.traffic import (
    FRAME,
    OTHER_SAK,
    PEER,
    SAK,
    SALT,
    SCI,
    USER_DATA_OCTETS,
    SecYMaker,
    counted,
    protected,
    validated,
)

LAST_PN = 2**64 - 1
XPN_SAK = Sak(SAK.key, SALT)


def wires_with(make_secy: SecYMaker, packet_numbers: list[int], cipher: str = "GCM-AES-256") -> list[bytes]:
    """FRAME as SCI sends it with each of these packet numbers."""
    wires = []
    for pn in packet_numbers:
        sender = make_secy(SecYConfig(SCI, cipher))
        xpn = sender.config.suite.xpn
        sender.install_transmit_sa(0, XPN_SAK if xpn else SAK, pn, ssci=1 if xpn else None)
        wires += protected(sender, FRAME)
    return wires


def late(secy: SecY, packet_numbers: list[int], wires: list[bytes]) -> list[int]:
    """Those that are late; all others must be delivered."""
    results = validated(secy, *wires)
    assert all(result in (FRAME, Verdict.InPktsLate) for result in results)
    return [pn for pn, result in zip(packet_numbers, results, strict=True) if result == Verdict.InPktsLate]


@pytest.mark.parametrize(
    ("window", "lowest_pn", "arriving", "refused"),
    [
        (0, 1, [1, 2, 3, 5, 4], [4]),
        (0, 1, [1, 1], [1]),
        (0, 5, [4, 5, 6], [4]),
        (32, 1, [2, 75, 50, 3], [3]),
        (0, 1, [2, 75, 50, 3], [50, 3]),
        (32, 1, [75, 44, 43], [43]),
        (1, 1, [10, 10, 9], [9]),
        (64, 1, [64, 1, 65, 1, 66, 2], [1, 2]),
        (100, 50, [60, 49], [49]),
        (20, 50, [60, 45], [45]),
        (20, 50, [60, 80, 59, 61], [59]),
        (5, 1, [20, 18, 16, 15], [15]),
        (2**32 - 1, 1, [2**32 - 1, 1], []),
        (2**32 - 2, 1, [2**32 - 1, 1], [1]),
        (0, 1, [2**32 - 1, 2**32 - 1], [2**32 - 1]),
    ],
)
def test_replay(
    make_secy: SecYMaker, window: int, lowest_pn: int, arriving: list[int], refused: list[int]
) -> None:
    """The last of equal numbers is the late one; inside the window the standard accepts repetition."""
    receiver = make_secy(SecYConfig(PEER, replay_window=window))
    receiver.install_receive_sa(SCI, 0, SAK, lowest_pn)
    assert late(receiver, arriving, wires_with(make_secy, arriving)) == refused
    assert counted(receiver).get("InPktsLate", 0) == len(refused)
    assert counted(receiver)["InOctetsDecrypted"] == USER_DATA_OCTETS * (len(arriving) - len(refused))


@pytest.mark.parametrize(
    ("window", "arriving", "refused"),
    [
        (0, [1, 2, 2, 3], [2]),
        (1, [1, 1, 2, 2], [1, 2]),
        (4, [4, 2, 3, 2, 4, 5, 1, 2], [2, 4, 1, 2]),
        (64, [64, 1, 1, 128, 65, 65, 64, 128], [1, 65, 64, 128]),
        (100, [70, 1, 140, 70, 41, 40, 139, 139], [70, 40, 139]),
        (4096, [4096, 1, 4097, 1, 2, 4096, 2], [1, 4096, 2]),
        (4096, [5, 5000, 904, 905, 905, 5000, 13192, 9097, 9096, 9097], [904, 905, 5000, 9096, 9097]),
        (4096, [1, 2**32 - 1, 2**32 - 4096, 2**32 - 1, 2**32 - 4096], [2**32 - 1, 2**32 - 4096]),
    ],
)
def test_detecting_duplicates(
    make_secy: SecYMaker, window: int, arriving: list[int], refused: list[int]
) -> None:
    config = SecYConfig(PEER, replay_window=window, detect_duplicates=True)
    receiver = make_secy(config)
    receiver.install_receive_sa(SCI, 0, SAK)
    wires = wires_with(make_secy, arriving)
    assert late(receiver, arriving, wires) == refused
    # What was accepted stays so when the same SA is installed again, under any parameters of the SecY.
    newest = max(arriving)
    receiver.configure(replace(config, always_include_sci=False))
    receiver.install_receive_sa(SCI, 0, SAK, receiver.receive_state(SCI, 0).lowest_pn)
    assert late(receiver, [newest], wires_with(make_secy, [newest])) == [newest]


def test_a_duplicate_is_one_only_if_the_first_was_valid(make_secy: SecYMaker) -> None:
    receiver = make_secy(SecYConfig(PEER, replay_window=8, detect_duplicates=True))
    receiver.install_receive_sa(SCI, 0, SAK)
    [wire] = wires_with(make_secy, [7])
    forged = wire[:-1] + bytes([wire[-1] ^ 1])
    assert validated(receiver, forged, wire, wire) == [Verdict.InPktsNotValid, FRAME, Verdict.InPktsLate]


def test_without_replay_protect_what_is_below_is_delayed(make_secy: SecYMaker) -> None:
    receiver = make_secy(SecYConfig(PEER, replay_protect=False, replay_window=2))
    receiver.install_receive_sa(SCI, 0, SAK, 5)
    assert validated(receiver, *wires_with(make_secy, [4, 8, 7, 6, 8])) == [FRAME] * 5
    assert receiver.receive_state(SCI, 0) == ReceiveState(next_pn=9, lowest_pn=7)
    assert counted(receiver) == {
        "InPktsDelayed": 2,
        "InPktsOK": 3,
        "InOctetsDecrypted": 5 * USER_DATA_OCTETS,
    }


def test_another_window_takes_effect_with_the_next_frame(make_secy: SecYMaker) -> None:
    config = SecYConfig(PEER, replay_window=10)
    receiver = make_secy(config)
    receiver.install_receive_sa(SCI, 0, SAK)
    wires = wires_with(make_secy, [20, 12, 21, 20, 22, 13])
    assert validated(receiver, *wires[:2]) == [FRAME] * 2
    receiver.configure(replace(config, replay_window=1))
    assert receiver.receive_state(SCI, 0) == ReceiveState(next_pn=21, lowest_pn=11)
    assert validated(receiver, *wires[1:4]) == [FRAME, FRAME, Verdict.InPktsLate]
    receiver.configure(replace(config, replay_window=100))
    assert validated(receiver, *wires[4:]) == [FRAME, Verdict.InPktsLate]
    assert receiver.receive_state(SCI, 0) == ReceiveState(next_pn=23, lowest_pn=21)


@pytest.mark.parametrize(
    ("lowest_pn", "pn"),
    [
        (1, 1),
        (1, 0xFFFFFFFF),
        (0xFFFFFFFF, 0x1_0000_0000),
        (0xFFFFFFFF, 0x1_7FFF_FFFF),
        (0x7_1234_5678, 0x7_2A2B_5051),
        (0x7_8234_5678, 0x8_2A2B_5051),
        (0x7_8234_5678, 0x7_9A2B_5051),
        (0x7_2234_5678, 0x7_9A2B_5051),
        (0xFFFF_FFFF_8000_0000, LAST_PN),
    ],
)
def test_the_upper_half_of_an_extended_packet_number(make_secy: SecYMaker, lowest_pn: int, pn: int) -> None:
    """It is in no frame (Table 10-2), but in the nonce: only the right one makes the frame valid."""
    receiver = make_secy(SecYConfig(PEER, "GCM-AES-XPN-256"))
    receiver.install_receive_sa(SCI, 0, XPN_SAK, lowest_pn, ssci=1)
    [wire] = wires_with(make_secy, [pn], "GCM-AES-XPN-256")
    assert wire[16:20] == pn.to_bytes(8)[4:]
    assert validated(receiver, wire) == [FRAME]
    assert receiver.receive_state(SCI, 0).next_pn == pn + 1


def test_beyond_what_can_be_recovered(make_secy: SecYMaker) -> None:
    """From 2**31 and more behind lowestPN on; what it is taken for is late or not valid."""
    receiver = make_secy(SecYConfig(PEER, "GCM-AES-XPN-256"))
    receiver.install_receive_sa(SCI, 0, XPN_SAK, 0x7_2234_5678, ssci=1)
    wires = wires_with(make_secy, [0x8_1234_5678, 0x8_2234_5678, 0x6_9A2B_5051], "GCM-AES-XPN-256")
    assert validated(receiver, *wires) == [
        Verdict.InPktsLate,
        Verdict.InPktsNotValid,
        Verdict.InPktsNotValid,
    ]
    receiver.install_receive_sa(SCI, 0, XPN_SAK, 0x7_F234_5678, ssci=1)
    assert validated(receiver, *wires[:2]) == [FRAME, FRAME]


@pytest.mark.parametrize(("window", "replayed"), [(0, Verdict.InPktsLate), (1, FRAME)])
def test_the_last_extended_packet_number(
    make_secy: SecYMaker, window: int, replayed: bytes | Verdict
) -> None:
    config = SecYConfig(PEER, "GCM-AES-XPN-256", replay_window=window)
    receiver = make_secy(config)
    receiver.install_receive_sa(SCI, 0, XPN_SAK, LAST_PN - 1, ssci=1)
    wires = wires_with(make_secy, [LAST_PN - 1, LAST_PN], "GCM-AES-XPN-256")
    assert validated(receiver, *wires, *wires) == [FRAME, FRAME, Verdict.InPktsLate, replayed]
    assert receiver.receive_state(SCI, 0) == ReceiveState(next_pn=1 << 64, lowest_pn=LAST_PN)
    if window == 0:
        with pytest.raises(SecYError, match="used before"):
            receiver.install_receive_sa(SCI, 0, XPN_SAK, LAST_PN, ssci=1)
    receiver.configure(replace(config, replay_protect=False))
    assert validated(receiver, wires[1]) == [FRAME]
    assert counted(receiver).get("InPktsDelayed", 0) == (1 if window == 0 else 0)


def test_the_last_packet_number_of_32_bits(make_secy: SecYMaker) -> None:
    receiver = make_secy(SecYConfig(PEER))
    receiver.install_receive_sa(SCI, 0, SAK, 2**32 - 1)
    [wire] = wires_with(make_secy, [2**32 - 1])
    assert validated(receiver, wire, wire) == [FRAME, Verdict.InPktsLate]
    assert receiver.receive_state(SCI, 0) == ReceiveState(next_pn=2**32, lowest_pn=2**32)
    with pytest.raises(SecYError, match="used before"):
        receiver.install_receive_sa(SCI, 0, SAK, 2**32 - 1)
    receiver.install_receive_sa(SCI, 0, OTHER_SAK)
    assert receiver.receive_state(SCI, 0) == ReceiveState(next_pn=1, lowest_pn=1)


def test_each_sa_has_its_own_packet_numbers(make_secy: SecYMaker) -> None:
    """Old and new key interleave while the peer rolls over, AN 3 to AN 0."""
    receiver = make_secy(SecYConfig(PEER))
    sender = make_secy(SecYConfig(SCI))
    sender.install_transmit_sa(3, SAK, 100)
    receiver.install_receive_sa(SCI, 3, SAK, 100)
    receiver.install_receive_sa(SCI, 0, OTHER_SAK)
    old = protected(sender, FRAME, FRAME)
    sender.install_transmit_sa(0, OTHER_SAK)
    new = protected(sender, FRAME, FRAME)
    assert validated(receiver, old[0], new[0], old[1], new[1]) == [FRAME] * 4
    assert receiver.receive_state(SCI, 3) == ReceiveState(102, 102)
    assert receiver.receive_state(SCI, 0) == ReceiveState(3, 3)
    assert validated(receiver, old[1], new[1]) == [Verdict.InPktsLate] * 2
    receiver.remove_receive_sa(SCI, 3)
    assert validated(receiver, old[0], *protected(sender, FRAME)) == [Verdict.InPktsNoSAError, FRAME]
