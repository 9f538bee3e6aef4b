"""How much `bench link` measures, and what its parts are given."""

from collections.abc import Callable
from dataclasses import dataclass

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured; the defaults take some minutes."""

    rounds: int = 5
    """Samples of each figure."""
    tcp_s: int = 2
    tcp_omitted_s: int = 1
    """While a connection finds its speed."""
    links: int = 256
    round_trips: int = 1000
    warm_round_trips: int = 100
    """Before any is counted: addresses are resolved, caches are warm."""
    idle_s: float = 5.0


FULL = Effort()
QUICK = Effort(
    rounds=1,
    tcp_s=1,
    tcp_omitted_s=0,
    links=4,
    round_trips=20,
    warm_round_trips=2,
    idle_s=0.2,
)
"""Enough to see that everything runs."""
