"""Packets between namespaces at a set rate: what arrives, when, and what a path carries at most."""

from collections.abc import Callable

from netns_lab.directory import LabError

from bench.pairs import Pair
from dataplane.probes.load import Load
from dataplane.probes.statistics import ProbeStatistics, StatisticsSession, WayStatistics

HEADER_OCTETS = 42
"""Ethernet, IPv4 and UDP."""
END_TIMEOUT_S = 20.0
GRACE_S = 0.2
CARRIED_LOSS = 0.001
"""A path that loses more than this share is offered too much."""
KEPT_PACE = 0.99
"""So much of the asked rate the sender must have reached."""


def payload_octets(frame_octets: int) -> int:
    """The UDP payload of an IPv4 frame of that size, without FCS."""
    return frame_octets - HEADER_OCTETS


def send(pair: Pair, load: Load) -> ProbeStatistics:
    """Sends a load over the pair. LabError where the instrument lost packets, so that losses say nothing."""
    with StatisticsSession([pair.flow()], load) as session:
        session.wait(load.duration_s + END_TIMEOUT_S)
        statistics = session.stop(GRACE_S)
    if statistics.overruns:
        raise LabError(f"the receiver had no room for {statistics.overruns} probe packets")
    return statistics


def way(statistics: ProbeStatistics) -> WayStatistics:
    """The only direction of what `send` measured."""
    (only,) = statistics.ways
    return only


def is_carried(statistics: ProbeStatistics, packets_per_s: int) -> bool:
    """Whether the sender kept its pace and what it sent arrived, but for CARRIED_LOSS."""
    kept_pace = statistics.packets_per_s >= KEPT_PACE * packets_per_s
    return kept_pace and way(statistics).loss_share <= CARRIED_LOSS


def highest_rate(carried: Callable[[int], bool], lowest: int, highest: int, steps: int) -> int:
    """The highest rate found that is carried, by bisection on a scale of ratios; `lowest` where none is."""
    for _ in range(steps):
        middle = round((lowest * highest) ** 0.5)
        if carried(middle):
            lowest = middle
        else:
            highest = middle
    return lowest
