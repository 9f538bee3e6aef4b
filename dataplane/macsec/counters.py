"""The SecY's counters, IEEE 802.1AE-2018 10.7.9 to 10.7.19, and the verdict a frame ends in.

Discards are outcomes for which the standard has no counter. Left out: a copy per SC or SA.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

TRANSMIT_COUNTERS = (
    "OutPktsUntagged",
    "OutPktsTooLong",
    "OutPktsProtected",
    "OutPktsEncrypted",
    "OutOctetsProtected",
    "OutOctetsEncrypted",
    "OutDiscardsNoTransmitSA",
    "OutDiscardsTooShort",
)
"""One cache line of 8, written by the transmit side only."""
RECEIVE_COUNTERS = (
    "InPktsUntagged",
    "InPktsNoTag",
    "InPktsBadTag",
    "InPktsNoSA",
    "InPktsNoSAError",
    "InPktsOverrun",
    "InPktsOK",
    "InPktsUnchecked",
    "InPktsDelayed",
    "InPktsLate",
    "InPktsInvalid",
    "InPktsNotValid",
    "InOctetsValidated",
    "InOctetsDecrypted",
    "InDiscardsKaY",
    "InDiscardsTooShort",
)
"""Two cache lines of 8, written by the receive side only."""
COUNTER_NAMES = TRANSMIT_COUNTERS + RECEIVE_COUNTERS
"""Slot by slot, what a SecY's array of counters counts."""


def _counted(name: str) -> int:
    return COUNTER_NAMES.index(name) + 1


class Verdict(IntEnum):
    """What became of a frame: the counter it ended in (its slot plus one), or one of two outcomes without."""

    PENDING = 0
    OutPktsEncrypted = _counted("OutPktsEncrypted")
    OutDiscardsNoTransmitSA = _counted("OutDiscardsNoTransmitSA")
    """There is no transmit SA in use, or its packet numbers are exhausted."""
    OutDiscardsTooShort = _counted("OutDiscardsTooShort")
    """Fewer than 14 octets are not an Ethernet frame."""
    InPktsNoTag = _counted("InPktsNoTag")
    InPktsBadTag = _counted("InPktsBadTag")
    InPktsNoSAError = _counted("InPktsNoSAError")
    InPktsOK = _counted("InPktsOK")
    InPktsLate = _counted("InPktsLate")
    InPktsNotValid = _counted("InPktsNotValid")
    InDiscardsKaY = _counted("InDiscardsKaY")
    """E set and C clear: for the key agreement entity, not for the Controlled Port (9.5)."""
    InDiscardsTooShort = _counted("InDiscardsTooShort")
    """Fewer than 14 octets are not an Ethernet frame."""
    NoRoom = len(COUNTER_NAMES) + 1
    """The arena has no room for SecTAG and ICV around the frame: the caller's fault, not counted."""

    @property
    def passes(self) -> bool:
        """Whether the frame goes on to the next stage."""
        return self in (Verdict.OutPktsEncrypted, Verdict.InPktsOK)


def new_counters() -> NDArray[np.uint64]:
    """An array of counters at zero."""
    return np.zeros(len(COUNTER_NAMES), np.uint64)


def counters_by_name(counters: NDArray[np.uint64]) -> dict[str, int]:
    """The counters of one SecY under the standard's names."""
    return dict(zip(COUNTER_NAMES, counters.tolist(), strict=True))
