"""How much `bench link` measures."""

from dataclasses import dataclass

from bench import impairment


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured; the defaults take some minutes."""

    rounds: int = 5
    """Samples of each figure."""
    tcp_s: int = 2
    tcp_omitted_s: int = 1
    """While a connection finds its speed."""
    delayed_tcp_omitted_s: int = 3
    """The same where its round trip takes 20 ms."""
    links: int = 256
    round_trips: int = 1000
    warm_round_trips: int = 100
    """Before any is counted: addresses are resolved, caches are warm."""
    idle_s: float = 5.0
    flood_s: float = 1.0
    trials: int = 6
    """Rates tried to find what a path carries."""
    trial_s: float = 0.25
    latency_s: float = 0.5
    latency_sizes: tuple[int, ...] = (64, 1500)
    latency_shares_percent: tuple[int, ...] = (10, 50, 90)
    load_s: float = 1.0
    lossy_frames: int = 100_000
    queue_rounds: int = impairment.ROUNDS


FULL = Effort()
QUICK = Effort(
    rounds=1,
    tcp_s=1,
    tcp_omitted_s=0,
    delayed_tcp_omitted_s=0,
    links=4,
    round_trips=20,
    warm_round_trips=2,
    idle_s=0.2,
    flood_s=0.1,
    trials=1,
    trial_s=0.02,
    latency_s=0.02,
    latency_sizes=(64,),
    latency_shares_percent=(50,),
    load_s=0.1,
    lossy_frames=1000,
    queue_rounds=1,
)
"""Enough to see that everything runs."""
