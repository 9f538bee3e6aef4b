"""Which interfaces can carry traffic: by signal, by carrier and by BFD, whichever falls first.

The kernel may tell of a lost carrier up to a second late, and the engine may be another's network card: so an
interface is usable only while neither says it is down. BFD speaks for one family, and only where a session
was Up: a path is lost when it fails, until it is Up again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from control.routes.model import FAMILIES


class Witness(StrEnum):
    """Who saw the interface change."""

    ENGINE = "loss of signal"
    KERNEL = "carrier"
    BFD = "BFD"


PHYSICAL = frozenset({Witness.ENGINE, Witness.KERNEL})
"""Both have to say that an interface is up; they speak for both families."""


@dataclass(frozen=True, slots=True)
class Usability:
    """An interface became usable in some families, or stopped being so, at monotonic time t_ns."""

    node: str
    interface: str
    families: tuple[str, ...]
    usable: bool
    witness: Witness
    t_ns: int


class Guard:
    """Turns what all witnesses say into one change each way. An interface starts as not usable."""

    def __init__(self, on_change: Callable[[Usability], None]) -> None:
        self._on_change = on_change
        self._up: dict[tuple[str, str], set[Witness]] = {}
        self._lost_paths: dict[tuple[str, str], set[str]] = {}

    def hear(self, node: str, interface: str, witness: Witness, up: bool, t_ns: int) -> None:
        """A physical witness's word on an interface, of monotonic time t_ns; repeating it changes nothing."""
        before = self.usable(node, interface)
        witnesses = self._up.setdefault((node, interface), set())
        if up:
            witnesses.add(witness)
        else:
            witnesses.discard(witness)
        self._tell(node, interface, before, witness, t_ns)

    def hear_bfd(self, node: str, interface: str, family: str, lost: bool, t_ns: int) -> None:
        """BFD's word on one family of an interface; repeating it changes nothing."""
        before = self.usable(node, interface)
        families = self._lost_paths.setdefault((node, interface), set())
        if lost:
            families.add(family)
        else:
            families.discard(family)
        self._tell(node, interface, before, Witness.BFD, t_ns)

    def forget(self, node: str, interface: str) -> None:
        """The interface is gone; one that comes in its place starts anew."""
        self._up.pop((node, interface), None)
        self._lost_paths.pop((node, interface), None)

    def usable(self, node: str, interface: str) -> frozenset[str]:
        """The families that the interface can carry."""
        if self._up.get((node, interface), set()) < PHYSICAL:
            return frozenset()
        return frozenset(FAMILIES) - self._lost_paths.get((node, interface), set())

    def _tell(self, node: str, interface: str, before: frozenset[str], witness: Witness, t_ns: int) -> None:
        after = self.usable(node, interface)
        for families, usable in ((before - after, False), (after - before, True)):
            if families:
                self._on_change(Usability(node, interface, tuple(sorted(families)), usable, witness, t_ns))
