"""Packet numbers on the receive side (10.6.2 to 10.6.5), each test on every implementation."""

import pytest

from dataplane.macsec.counters import Verdict
from dataplane.macsec.secy import SecYConfig
from tests.macsec.traffic import (
    FRAME,
    PEER,
    SAK,
    SCI,
    USER_DATA_OCTETS,
    SecYMaker,
    counted,
    protected,
    validated,
)


@pytest.mark.parametrize(
    ("window", "lowest_pn", "arriving", "late"),
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
    make_secy: SecYMaker, window: int, lowest_pn: int, arriving: list[int], late: list[int]
) -> None:
    """The last of equal numbers is the late one; inside the window the standard accepts repetition."""
    wires = []
    for pn in arriving:
        sender = make_secy(SecYConfig(SCI))
        sender.install_transmit_sa(0, SAK, pn)
        wires += protected(sender, FRAME)
    receiver = make_secy(SecYConfig(PEER, replay_window=window))
    receiver.install_receive_sa(SCI, 0, SAK, lowest_pn)
    results = validated(receiver, *wires)
    assert [pn for pn, result in zip(arriving, results, strict=True) if result == Verdict.InPktsLate] == late
    assert results.count(FRAME) == len(arriving) - len(late)
    assert counted(receiver).get("InPktsLate", 0) == len(late)
    assert counted(receiver)["InOctetsDecrypted"] == USER_DATA_OCTETS * (len(arriving) - len(late))
