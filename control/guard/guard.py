"""Which interfaces can carry traffic: the engine's signal and the kernel's carrier, whichever falls first.

The kernel may tell of a lost carrier up to a second late, and the engine may be another's network card: so an
interface is usable only while neither says it is down.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Witness(StrEnum):
    """Who saw the interface change."""

    ENGINE = "loss of signal"
    KERNEL = "carrier"


@dataclass(frozen=True, slots=True)
class Usability:
    """An interface became usable or stopped being so, at monotonic time t_ns."""

    node: str
    interface: str
    usable: bool
    witness: Witness
    t_ns: int


class Guard:
    """Turns what both witnesses say into one change each way. An interface starts as not usable."""

    def __init__(self, on_change: Callable[[Usability], None]) -> None:
        self._on_change = on_change
        self._up: dict[tuple[str, str], set[Witness]] = {}

    def hear(self, node: str, interface: str, witness: Witness, up: bool, t_ns: int) -> None:
        """One witness's word on one interface, of monotonic time t_ns; repeating it changes nothing."""
        witnesses = self._up.setdefault((node, interface), set())
        was_usable = self.usable(node, interface)
        if up:
            witnesses.add(witness)
        else:
            witnesses.discard(witness)
        usable = self.usable(node, interface)
        if usable != was_usable:
            self._on_change(Usability(node, interface, usable, witness, t_ns))

    def forget(self, node: str, interface: str) -> None:
        """The interface is gone; one that comes in its place starts anew."""
        self._up.pop((node, interface), None)

    def usable(self, node: str, interface: str) -> bool:
        """Whether both witnesses say the interface is up."""
        return len(self._up.get((node, interface), ())) == len(Witness)
