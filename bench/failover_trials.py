"""One event at a time, under probe flows between two sites: what it cost, and the lab whole again."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from netns_lab.api import ControllerClient
from netns_lab.builder import RunningLab
from netns_lab.directory import NotReady
from netns_lab.measurement import Measurement
from netns_lab.stopwatch import Stopwatch

from bench.figures import Figure, figure, p99
from bench.ready_lab import READY_TIMEOUT_S
from bench.running import Say

PACKETS_PER_S_AND_FLOW = 500
"""An outage is known to the 2 ms between two packets of a flow."""
POLL_INTERVAL_S = 0.01
MAXIMUM_FAILURES = 5
SLACK_S = 20.0
"""For what a measurement does before and after it watches."""

Act = Callable[[Stopwatch], int]
"""Makes something happen; its monotonic time in ns."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured; the defaults take most of an hour."""

    trials: int = 20
    prefixes: tuple[int, ...] = (1, 10_000, 100_000)
    stopped_s: float = 30.0
    """How long the controller stands still before it is killed."""
    silence_s: float = 12.0
    """Before a channel is healed: by then what tries to connect to the other end tries rarely."""
    observed_s: float = 1.0
    """After a fault that is found in tens of milliseconds."""
    packets_per_s_and_flow: int = PACKETS_PER_S_AND_FLOW


FULL = Effort()
QUICK = Effort(trials=1, prefixes=(1, 1000), stopped_s=2.0, silence_s=2.0)
"""Enough to see that everything runs."""


def measured(lab: RunningLab, effort: Effort, act: Act, observe_s: float) -> Measurement:
    """What an act does to flows that are under way."""
    limit_s = observe_s + SLACK_S
    with Stopwatch(
        lab.directory, lab.plan, limit_s=limit_s, packets_per_s_and_flow=effort.packets_per_s_and_flow
    ) as stopwatch:
        return stopwatch.measure(partial(act, stopwatch), observe_s)


def fail(stopwatch: Stopwatch, kind: str, name: str, mode: str) -> int:
    """Begins a fault."""
    t_ns: int = stopwatch.controller.call("fail", kind=kind, name=name, mode=mode)["t_ns"]
    return t_ns


def fail_busiest(mode: str) -> Act:
    """Fails the channel that carries most flows."""
    return lambda stopwatch: fail(stopwatch, "link", stopwatch.busiest_link(), mode)


def repeated(
    lab: RunningLab,
    event: str,
    acts: Sequence[Act],
    effort: Effort,
    say: Say,
    whole: Callable[[], bool],
    observe_s: float | None = None,
) -> tuple[list[Measurement], list[float]]:
    """Each act on a lab that is whole, and undone: what they did, and how long the lab then took to be whole.

    Where the probes' receiver lost packets itself nothing can be told, and the act is done once more. Raises
    NotReady.
    """
    measurements: list[Measurement] = []
    healed_s: list[float] = []
    failures = 0
    while len(measurements) < len(acts):
        number = len(measurements)
        say(f"bench: {event}, {number + 1} of {len(acts)}")
        measurement = measured(lab, effort, acts[number], observe_s or effort.observed_s)
        took_s = _heal(lab, whole)
        if not measurement.recording.instrument_lost:
            measurements.append(measurement)
            healed_s.append(took_s)
            continue
        failures += 1
        if failures > MAXIMUM_FAILURES:
            raise NotReady(f"{event}: the probes' receiver lost packets itself, {failures} times")
    return measurements, healed_s


def _heal(lab: RunningLab, whole: Callable[[], bool]) -> float:
    start = time.monotonic()
    with ControllerClient(lab.directory) as controller:
        controller.call("heal")
    while not whole():
        if time.monotonic() - start > READY_TIMEOUT_S:
            raise NotReady(f"the lab is not whole again {READY_TIMEOUT_S:.0f} s after it was healed")
        time.sleep(POLL_INTERVAL_S)
    return time.monotonic() - start


def outage_figures(
    event: str,
    trials: list[Measurement],
    goals_ms: tuple[float, float] | None = None,
    reference: Figure | None = None,
) -> list[Figure]:
    """The longest outage of any flow in each trial, and what the machine itself did beside them.

    A flow's outage is its longest unbroken run of losses: what a busy machine loses here and there is none.
    """
    outage_ms = [
        max((r.outage.longest_ms for r in trial.results if not r.partitioned), default=0.0)
        for trial in trials
    ]
    median_goal, p99_goal = goals_ms or (None, None)
    return [
        figure(f"{event}: outage, median", "ms", outage_ms, median_goal, reference=reference),
        figure(f"{event}: outage, p99", "ms", outage_ms, p99_goal, of=p99),
        figure(f"{event}: packets lost, median", "", [trial.lost for trial in trials]),
        machine_figure(event, trials),
    ]


def loss_figures(event: str, trials: list[Measurement]) -> list[Figure]:
    """For what must lose nothing: the packets lost in the worst trial."""
    lost = [trial.lost for trial in trials]
    return [
        figure(f"{event}: packets lost, most", "", lost, 0, of=max),
        machine_figure(event, trials),
    ]


def machine_figure(event: str, trials: list[Measurement]) -> Figure:
    """The longest pause of the machine in each trial: no shorter outage can be told from it."""
    return figure(f"{event}: the machine's own pause, p99", "ms", [t.host.jitter_ms for t in trials], of=p99)
