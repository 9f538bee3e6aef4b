"""Received packet numbers, IEEE 802.1AE-2018 10.6.2 to 10.6.5: recovery and the replay window of one SA."""

from dataclasses import dataclass

LAST_PN = (1 << 64) - 1
"""No packet number is behind this one, of an XPN suite."""


def recovered_pn(lowest_pn: int, pn: int) -> int:
    """The 64-bit packet number of which an XPN frame carries the low 32 bits (10.6.2, Table 10-2).

    Right for a frame from lowestPN to 2**31 beyond it.
    """
    high = lowest_pn >> 32
    if lowest_pn & 0x80000000 and not pn & 0x80000000:
        high += 1
    return (high << 32 | pn) & LAST_PN


@dataclass(slots=True)
class ReplayWindow:
    """Which packet numbers a receive SA has seen; the standard's nextPN and lowestPN."""

    next_pn: int
    """One past the highest packet number of a valid frame."""
    lowest_pn: int
    """What is below is late."""
    detect_duplicates: bool
    exhausted: bool = False
    """The last packet number of all was valid and lowestPN cannot pass it: everything is late."""
    _accepted: int = 0
    """If duplicates are detected: bit i says that a frame of lowestPN + i was valid."""

    def is_late(self, pn: int) -> bool:
        """Whether the packet number is below the window."""
        return self.exhausted or pn < self.lowest_pn

    def is_duplicate(self, pn: int) -> bool:
        """Whether a packet number that is not late was accepted before, as far as that is remembered."""
        return bool(self._accepted >> (pn - self.lowest_pn) & 1)

    def update(self, pn: int, replay_window: int) -> None:
        """A frame of this packet number was valid (10.6.5): nothing else moves the window, and only up."""
        if pn >= self.next_pn:
            self.next_pn = pn + 1
            lowest_pn = max(self.lowest_pn, self.next_pn - replay_window)
            self.exhausted = lowest_pn > LAST_PN
            self.raise_lowest(min(lowest_pn, LAST_PN))
        if self.detect_duplicates and pn >= self.lowest_pn:
            self._accepted |= 1 << (pn - self.lowest_pn)

    def raise_lowest(self, lowest_pn: int) -> None:
        """Moves lowestPN up to `lowest_pn`, and nextPN with it if need be."""
        self._accepted >>= lowest_pn - self.lowest_pn
        self.lowest_pn = lowest_pn
        self.next_pn = max(self.next_pn, lowest_pn)
