"""Recovery of packet numbers and the replay window on their own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.macsec.packet_numbers import LAST_PN, ReplayWindow, recovered_pn


@pytest.mark.parametrize(
    ("lowest_pn", "pn", "recovered"),
    [
        (0x7_1234_5678, 0x2A2B5051, 0x7_2A2B_5051),
        (0x7_8234_5678, 0x2A2B5051, 0x8_2A2B_5051),
        (0x7_8234_5678, 0x9A2B5051, 0x7_9A2B_5051),
        (0x7_2234_5678, 0x9A2B5051, 0x7_9A2B_5051),
        (0x7_FFFF_FFFF, 0, 0x8_0000_0000),
        (LAST_PN, 0xFFFFFFFF, LAST_PN),
        (LAST_PN, 5, 5),
    ],
)
def test_table_10_2(lowest_pn: int, pn: int, recovered: int) -> None:
    assert recovered_pn(lowest_pn, pn) == recovered


@given(st.integers(1, LAST_PN), st.integers(0, 2**31))
def test_what_is_recovered(lowest_pn: int, ahead: int) -> None:
    pn = min(lowest_pn + ahead, LAST_PN)
    assert recovered_pn(lowest_pn, pn & 0xFFFFFFFF) == pn


@given(st.integers(0, 8), st.lists(st.integers(1, 30)))
def test_the_window_accepts_each_number_once_and_none_below(replay_window: int, arriving: list[int]) -> None:
    window = ReplayWindow(1, 1, detect_duplicates=True)
    accepted: set[int] = set()
    for pn in arriving:
        lowest_pn = max(1, max(accepted, default=0) + 1 - replay_window)
        refused = window.is_late(pn) or window.is_duplicate(pn)
        assert refused == (pn < lowest_pn or pn in accepted)
        if not refused:
            accepted.add(pn)
            window.update(pn, replay_window)


def test_behind_the_last_packet_number_everything_is_late() -> None:
    window = ReplayWindow(LAST_PN, LAST_PN, detect_duplicates=False)
    window.update(LAST_PN, 1)
    assert (window.next_pn, window.lowest_pn, window.is_late(LAST_PN)) == (1 << 64, LAST_PN, False)
    window = ReplayWindow(LAST_PN, LAST_PN, detect_duplicates=False)
    window.update(LAST_PN, 0)
    assert (window.next_pn, window.lowest_pn, window.is_late(LAST_PN)) == (1 << 64, LAST_PN, True)
