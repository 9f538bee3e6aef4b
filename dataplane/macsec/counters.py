"""The SecY's counters, IEEE 802.1AE-2018 10.7.9 to 10.7.19 and Figure 10-4, and the verdict a frame ends in.

Passes and Discards are outcomes for which the standard has no counter. InPktsOverrun stays 0: this SecY
validates every frame before it takes the next.
"""

from collections.abc import Mapping
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
    "OutPassesBypass",
)
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
    "InPktsUnusedSA",
    "InPktsNotUsingSA",
    "InDiscardsKaY",
    "InDiscardsUncontrolled",
    "InDiscardsTooShort",
    "InPassesBypass",
    "InPassesNull",
)
TRANSMIT_SLOTS = 16
"""Two cache lines of 8, written by the transmit side only; those past the names stay 0."""
RECEIVE_SLOTS = 24
"""Three cache lines of 8, written by the receive side only."""
COUNTER_SLOTS = TRANSMIT_SLOTS + RECEIVE_SLOTS
SLOTS = {name: slot for slot, name in enumerate(TRANSMIT_COUNTERS)} | {
    name: TRANSMIT_SLOTS + slot for slot, name in enumerate(RECEIVE_COUNTERS)
}
"""Counter name to its slot in a SecY's array of counters."""
OUR_COUNTERS = frozenset(
    name for name in SLOTS if name.startswith(("OutDiscards", "OutPasses", "InDiscards", "InPasses"))
)
"""Of outcomes for which the standard has no counter."""
ONLY_2006 = ("InPktsUnusedSA", "InPktsNotUsingSA")
"""Of the 2006 edition: the part of InPktsNoSA and of InPktsNoSAError whose SC is known."""

CHANNEL_COUNTERS = (
    "InPktsOK",
    "InPktsUnchecked",
    "InPktsDelayed",
    "InPktsLate",
    "InPktsInvalid",
    "InPktsNotValid",
    "InPktsUnusedSA",
    "InPktsNotUsingSA",
)
"""What is also counted for each receive SC, in this order; the SecY's own are the sums over all its SCs."""


class Verdict(IntEnum):
    """What became of a frame: the counter it ended in (its slot plus one), or one of two outcomes without."""

    PENDING = 0
    OutPktsUntagged = SLOTS["OutPktsUntagged"] + 1
    OutPktsTooLong = SLOTS["OutPktsTooLong"] + 1
    OutPktsProtected = SLOTS["OutPktsProtected"] + 1
    OutPktsEncrypted = SLOTS["OutPktsEncrypted"] + 1
    OutDiscardsNoTransmitSA = SLOTS["OutDiscardsNoTransmitSA"] + 1
    """There is no transmit SA in use, or it may use no further packet number."""
    OutDiscardsTooShort = SLOTS["OutDiscardsTooShort"] + 1
    """Fewer than 14 octets are not an Ethernet frame."""
    OutPassesBypass = SLOTS["OutPassesBypass"] + 1
    """Sent as it is: of an EtherType that bypasses the SecY."""
    InPktsUntagged = SLOTS["InPktsUntagged"] + 1
    InPktsNoTag = SLOTS["InPktsNoTag"] + 1
    InPktsBadTag = SLOTS["InPktsBadTag"] + 1
    InPktsNoSA = SLOTS["InPktsNoSA"] + 1
    InPktsNoSAError = SLOTS["InPktsNoSAError"] + 1
    InPktsOK = SLOTS["InPktsOK"] + 1
    InPktsUnchecked = SLOTS["InPktsUnchecked"] + 1
    InPktsDelayed = SLOTS["InPktsDelayed"] + 1
    InPktsLate = SLOTS["InPktsLate"] + 1
    InPktsInvalid = SLOTS["InPktsInvalid"] + 1
    InPktsNotValid = SLOTS["InPktsNotValid"] + 1
    InDiscardsKaY = SLOTS["InDiscardsKaY"] + 1
    """E set and C clear: for the key agreement entity, not for the Controlled Port (9.5)."""
    InDiscardsUncontrolled = SLOTS["InDiscardsUncontrolled"] + 1
    """EAPOL: for the Uncontrolled Port, not for the Controlled Port (IEEE 802.1X-2020 6.4)."""
    InDiscardsTooShort = SLOTS["InDiscardsTooShort"] + 1
    """Fewer than 14 octets are not an Ethernet frame."""
    InPassesBypass = SLOTS["InPassesBypass"] + 1
    """Delivered as it came: untagged and of an EtherType that bypasses the SecY."""
    InPassesNull = SLOTS["InPassesNull"] + 1
    """Delivered as it came, because validateFrames is Null."""
    NoRoom = COUNTER_SLOTS + 1
    """The arena has no room for SecTAG and ICV around the frame: the caller's fault, not counted."""

    @property
    def passes(self) -> bool:
        """Whether the frame goes on to the next stage."""
        return self in PASSING


PASSING = frozenset(
    (
        Verdict.OutPktsUntagged,
        Verdict.OutPktsProtected,
        Verdict.OutPktsEncrypted,
        Verdict.OutPassesBypass,
        Verdict.InPktsUntagged,
        Verdict.InPktsNoSA,
        Verdict.InPktsOK,
        Verdict.InPktsUnchecked,
        Verdict.InPktsDelayed,
        Verdict.InPktsInvalid,
        Verdict.InPassesBypass,
        Verdict.InPassesNull,
    )
)
"""The verdicts of frames that go on to the next stage."""


def new_counters() -> NDArray[np.uint64]:
    """An array of counters at zero."""
    return np.zeros(COUNTER_SLOTS, np.uint64)


def counters_by_name(counters: NDArray[np.uint64]) -> dict[str, int]:
    """The counters of one SecY under the standard's names."""
    return {name: int(counters[slot]) for name, slot in SLOTS.items()}


def linux_counters(counters: Mapping[str, int]) -> dict[str, int]:
    """The same under the names of IEEE 802.1AE-2006, which Linux keeps.

    The 2006 edition counts a missing SC apart from a missing SA; the 2018 edition counts them as one.
    """
    split = ("InPktsNoSA", "InPktsNoSAError")
    kept = [name for name in SLOTS if name not in OUR_COUNTERS and name not in split]
    return {name: counters[name] for name in kept} | {
        "InPktsUnknownSCI": counters["InPktsNoSA"] - counters["InPktsUnusedSA"],
        "InPktsNoSCI": counters["InPktsNoSAError"] - counters["InPktsNotUsingSA"],
    }
