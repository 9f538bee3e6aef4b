"""The list of counters, and that the C core has the same one."""

import re

import numpy as np
import pytest

from dataplane._core import lib
from dataplane.macsec.counters import (
    CHANNEL_COUNTERS,
    RECEIVE_COUNTERS,
    SLOTS,
    TRANSMIT_COUNTERS,
    TRANSMIT_SLOTS,
    Verdict,
    counters_by_name,
    linux_counters,
    new_counters,
)


def _in_c(name: str) -> str:
    """OutPktsNoSAError -> QL_OUT_PKTS_NO_SA_ERROR."""
    words = re.findall(r"KaY|NoSA|SA|OK|[A-Z][a-z]+", name)
    assert "".join(words) == name
    return "QL_" + "_".join({"NoSA": "NO_SA"}.get(word, word.upper()) for word in words)


def test_two_sides_share_no_cache_line() -> None:
    assert new_counters().shape == (lib.QL_SECY_COUNTERS,) == (40,)
    assert all(SLOTS[name] < TRANSMIT_SLOTS == 16 for name in TRANSMIT_COUNTERS)
    assert all(SLOTS[name] >= TRANSMIT_SLOTS for name in RECEIVE_COUNTERS)
    assert len(set(SLOTS.values())) == len(TRANSMIT_COUNTERS + RECEIVE_COUNTERS)


@pytest.mark.parametrize("name", SLOTS)
def test_the_core_counts_in_the_same_slots(name: str) -> None:
    assert getattr(lib, _in_c(name)) == SLOTS[name] + 1


def test_the_core_counts_as_much_for_an_sc() -> None:
    assert len(CHANNEL_COUNTERS) == lib.QL_SECY_CHANNEL_COUNTERS


@pytest.mark.parametrize("verdict", Verdict)
def test_the_core_gives_the_same_verdicts(verdict: Verdict) -> None:
    assert getattr(lib, _in_c(verdict.name) if verdict else "QL_PENDING") == verdict
    assert bool(lib.ql_verdict_passes(verdict)) is verdict.passes


def test_every_verdict_that_is_counted_has_a_counter() -> None:
    without = {Verdict.PENDING, Verdict.NoRoom}
    assert {verdict.name for verdict in set(Verdict) - without} <= set(SLOTS)
    assert {name for name in SLOTS if name not in Verdict.__members__} == {
        *("OutOctetsProtected", "OutOctetsEncrypted", "InOctetsValidated", "InOctetsDecrypted"),
        *("InPktsOverrun", "InPktsUnusedSA", "InPktsNotUsingSA"),
    }


def test_counters_by_name() -> None:
    counters = new_counters()
    counters[:] = np.arange(40)
    named = counters_by_name(counters)
    assert (named["OutPktsEncrypted"], named["InPktsUntagged"]) == (3, 16)
    assert named == SLOTS


def test_the_names_that_linux_keeps() -> None:
    counters = dict.fromkeys(SLOTS, 0)
    counters |= {"InPktsNoSA": 10, "InPktsUnusedSA": 3, "InPktsNoSAError": 20, "InPktsNotUsingSA": 4}
    counters |= {"InPktsOK": 5, "InDiscardsKaY": 9}
    assert {name: value for name, value in linux_counters(counters).items() if value} == {
        **{"InPktsUnknownSCI": 7, "InPktsUnusedSA": 3, "InPktsNoSCI": 16, "InPktsNotUsingSA": 4},
        "InPktsOK": 5,
    }
