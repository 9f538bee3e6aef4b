"""The list of counters, and that the C core has the same one."""

import re

import numpy as np
import pytest

from dataplane._core import lib
from dataplane.macsec.counters import (
    COUNTER_NAMES,
    TRANSMIT_COUNTERS,
    Verdict,
    counters_by_name,
    new_counters,
)


def _in_c(name: str) -> str:
    """OutPktsNoSAError -> QL_OUT_PKTS_NO_SA_ERROR."""
    words = re.findall(r"KaY|NoSA|SA|OK|[A-Z][a-z]+", name)
    assert "".join(words) == name
    return "QL_" + "_".join({"NoSA": "NO_SA"}.get(word, word.upper()) for word in words)


def test_two_sides_share_no_cache_line() -> None:
    assert len(TRANSMIT_COUNTERS) == 8
    assert len(COUNTER_NAMES) == lib.QL_SECY_COUNTERS == 24
    assert len(set(COUNTER_NAMES)) == 24


@pytest.mark.parametrize("slot", range(24))
def test_the_core_counts_in_the_same_slots(slot: int) -> None:
    assert getattr(lib, _in_c(COUNTER_NAMES[slot])) == slot + 1


@pytest.mark.parametrize("verdict", Verdict)
def test_the_core_gives_the_same_verdicts(verdict: Verdict) -> None:
    assert getattr(lib, _in_c(verdict.name) if verdict else "QL_PENDING") == verdict
    assert bool(lib.ql_verdict_passes(verdict)) is verdict.passes
    assert verdict.passes is (verdict.name in ("OutPktsEncrypted", "InPktsOK"))


def test_counters_by_name() -> None:
    counters = new_counters()
    counters[:] = np.arange(24)
    assert counters_by_name(counters)["OutPktsEncrypted"] == 3
    assert list(counters_by_name(counters).items()) == list(zip(COUNTER_NAMES, range(24), strict=True))
