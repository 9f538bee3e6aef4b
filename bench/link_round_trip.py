"""Round trips over an idle link beside bare veth, in three modes, and what an idle engine takes of a core."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from bench.consumption import pin, run_time_s
from bench.figures import Figure, figure
from bench.link_effort import Effort
from bench.link_lab import Settings, link_lab
from bench.pairs import Pair, veth_pair
from bench.sampling import in_turn, two_cores
from dataplane.probes.histogram import HIGHEST_NS, Histogram
from dataplane.probes.round_trips import LIMIT_S, measure_round_trips

INTERVAL_S = 0.001
"""From one round trip to the next: long enough for everybody to fall asleep again."""
IDLE_GOAL_PERCENT = 2
SETTLED_S = 1.0
BUSY_POLL: Settings = {"engine": {"workers": 1, "busy_poll": True}}


@dataclass(frozen=True, slots=True)
class Mode:
    """How engine and endpoints wait for a packet, and by how many us a link may be slower than veth then.

    An engine that polls has a core for itself, the endpoints share the other.
    """

    name: str
    settings: Settings
    spin: bool
    goals_us: dict[float, float]
    """By percentile."""


MODES = (
    Mode("spinning endpoints, busy-polling engine", BUSY_POLL, True, {50: 8, 99: 40}),
    Mode("blocking endpoints, busy-polling engine", BUSY_POLL, False, {50: 45, 99: 120}),
    Mode("blocking endpoints, default engine", {}, False, {50: 60, 99: 350}),
)


def round_trips(effort: Effort) -> list[Figure]:
    """What an idle link adds to the round trip of bare veth."""
    return [figure for mode in MODES for figure in _in_mode(mode, effort)]


def _in_mode(mode: Mode, effort: Effort) -> list[Figure]:
    with link_lab({"link": {}}, mode.settings) as lab, veth_pair() as veth:
        cores: tuple[int, int] | None = None
        if mode.settings:
            first, last = two_cores()
            pin(lab.engine_pid(), first)
            cores = (last, last)
        ways = {"veth": veth, "link": lab.pair("link")}
        for pair in ways.values():
            _measure(pair, mode.spin, cores, effort.warm_round_trips)
        works: dict[str, Callable[[], Histogram]] = {
            name: partial(_measure, pair, mode.spin, cores, effort.round_trips) for name, pair in ways.items()
        }
        times = in_turn(works, effort.rounds)
    figures = []
    for percentile, goal_us in mode.goals_us.items():
        where = f"round trip p{percentile:g}, {mode.name}"
        veth_us, link_us = ([_percentile_us(entry, percentile) for entry in times[way]] for way in ways)
        reference = figure(f"{where}: veth", "us", veth_us)
        added_us = [link - bare for link, bare in zip(link_us, veth_us, strict=True)]
        added = figure(f"{where}: added by a link", "us", added_us, goal_us, "at most", reference)
        figures += [reference, added]
    return figures


def _measure(pair: Pair, spin: bool, cores: tuple[int, int] | None, count: int) -> Histogram:
    """The times there and back; what was lost counts as having taken as long as was waited for it."""
    measured = measure_round_trips(pair.flow(), count, INTERVAL_S, spin=spin, cores=cores or (None, None))
    counts = measured.times.counts.copy()
    counts[np.searchsorted(HIGHEST_NS, round(LIMIT_S * 1e9))] += measured.lost
    return Histogram(counts)


def _percentile_us(times: Histogram, percentile: float) -> float:
    value = times.percentile_us(percentile)
    assert value is not None  # each was counted
    return value


def idle(effort: Effort) -> list[Figure]:
    """Processor time of the engine of a lab that nobody uses, in percent of one core."""
    with link_lab({"link": {}}) as lab:
        pid = lab.engine_pid()
        time.sleep(SETTLED_S)
        samples = [_idle_percent(pid, effort.idle_s) for _ in range(effort.rounds)]
    return [figure("idle engine, default mode", "% of a core", samples, IDLE_GOAL_PERCENT)]


def _idle_percent(pid: int, duration_s: float) -> float:
    before_s, start_s = run_time_s(pid), time.monotonic()
    time.sleep(duration_s)
    return 100 * (run_time_s(pid) - before_s) / (time.monotonic() - start_s)
