"""The events of `bench failover`: what is done to which lab, and the figures that must come of it."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from netns_lab import templates
from netns_lab.api import ControllerClient
from netns_lab.builder import RunningLab
from netns_lab.readiness import missing
from netns_lab.stopwatch import Stopwatch

from bench import clos as clos_lab
from bench.announcing import Announcing
from bench.failover_trials import (
    Effort,
    fail,
    fail_busiest,
    loss_figures,
    outage_figures,
    repeated,
)
from bench.figures import Figure, figure, p99
from bench.kernel_watch import KernelWatch
from bench.ready_lab import ready_lab
from bench.running import Say

SITES = ("aws", "gcp")
CHANNELS = 4
CARRIER_GOALS_MS = (5, 20)
SILENT_GOALS_MS = {10: (35, 50), 50: (150, 180)}
"""By the interval of BFD, which gives a path up after three."""
MULTIPLIER = 3
FACILITIES_GOALS_MS = (20, 60)
FACILITIES_PACKETS_PER_S = 200
"""A flow: every packet crosses three links of one engine, and three kernels forward it."""
HEALED = "healed, until all paths are in use"
HEALED_GOAL_S = 3
CLOS_GOAL_S = 15
DRAINED_OBSERVED_S = 5.0
RESTARTED_OBSERVED_S = 5.0
"""After the controller was killed: the next one is there, and has looked at everything."""
EDGES = tuple(f"{cloud}-e{n}" for n in range(1, 5) for cloud in SITES)
FACILITIES = ("facility-a", "facility-b")


def _name() -> str:
    return f"failover{os.getpid()}"


@contextmanager
def _quad(topology: str = "") -> Iterator[tuple[RunningLab, Callable[[], bool]]]:
    """A quad, with more of a topology file, and whether all channels are in use at both ends."""
    with ready_lab(templates.quad(_name()) + topology) as lab, ExitStack() as opened:
        kernels = [opened.enter_context(KernelWatch.of(lab.plan.node(router).namespace)) for router in SITES]
        yield (
            lab,
            lambda: all(
                groups and all(len(hops) == CHANNELS for hops in groups.values())
                for groups in [kernel.groups() for kernel in kernels]
            ),
        )


def carrier(effort: Effort, say: Say) -> list[Figure]:
    """A channel of quad loses carrier, with few and with many prefixes behind it."""
    figures: list[Figure] = []
    acts = [fail_busiest("carrier")] * effort.trials
    for prefixes in effort.prefixes:
        event = f"carrier cut, {prefixes:,} prefix{'es' if prefixes > 1 else ''}"
        with _quad() as (lab, whole), Announcing.between(lab, "gcp", "aws", prefixes - 1) as announcing:
            if prefixes > 1:
                announcing.announce()
            both = partial(_both, whole, announcing.is_installed)
            measurements, healed_s = repeated(lab, event, acts, effort, say, both)
        reference = figures[0] if figures else None
        figures += outage_figures(event, measurements, CARRIER_GOALS_MS, reference)
        goal_s = None if reference else HEALED_GOAL_S
        figures.append(figure(f"{event}: {HEALED}", "s", healed_s, goal_s))
    return figures


def _both(one: Callable[[], bool], other: Callable[[], bool]) -> bool:
    return one() and other()


def silent(effort: Effort, say: Say) -> list[Figure]:
    """A channel of quad loses every frame, and only BFD can tell."""
    figures = []
    acts = [fail_busiest("silent")] * effort.trials
    for interval_ms, goals_ms in SILENT_GOALS_MS.items():
        event = f"silent cut, BFD {interval_ms} ms x {MULTIPLIER}"
        bfd = f"{{interval: {interval_ms}ms, multiplier: {MULTIPLIER}}}"
        with _quad(f"defaults: {{node: {{bgp: {{bfd: {bfd}}}}}}}\n") as (lab, whole):
            measurements, _ = repeated(lab, event, acts, effort, say, whole)
        figures += outage_figures(event, measurements, goals_ms)
    return figures


def healed(effort: Effort, say: Say) -> list[Figure]:
    """A channel of quad that has been silent for long comes back."""
    event = f"silent for {effort.silence_s:.0f} s"
    acts = [fail_busiest("silent")] * effort.trials
    with _quad() as (lab, whole):
        _, healed_s = repeated(lab, event, acts, effort, say, whole, effort.silence_s)
    return [
        figure(f"{event}: {HEALED}, median", "s", healed_s, HEALED_GOAL_S),
        figure(f"{event}: {HEALED}, p99", "s", healed_s, of=p99),
    ]


def maintenance(effort: Effort, say: Say) -> list[Figure]:
    """A channel of quad is drained, then cut."""
    event = "maintenance drain"
    acts = [fail_busiest("maintenance")] * effort.trials
    with _quad() as (lab, whole):
        measurements, _ = repeated(lab, event, acts, effort, say, whole, DRAINED_OBSERVED_S)
    return loss_figures(event, measurements)


def controller(effort: Effort, say: Say) -> list[Figure]:
    """The controller of quad stands still, is killed, and the next one takes over."""
    event = f"controller stopped for {effort.stopped_s:.0f} s, killed, restarted"
    with _quad() as (lab, whole):
        act = partial(_stop_controller, lab, effort.stopped_s)
        observe_s = effort.stopped_s + RESTARTED_OBSERVED_S
        measurements, _ = repeated(lab, event, [act] * effort.trials, effort, say, whole, observe_s)
    return loss_figures(event, measurements)


def _stop_controller(lab: RunningLab, stopped_s: float, _: Stopwatch) -> int:
    with ControllerClient(lab.directory) as client:
        pid = client.pid
    t_ns = time.monotonic_ns()
    os.kill(pid, signal.SIGSTOP)
    threading.Timer(stopped_s, os.kill, (pid, signal.SIGKILL)).start()
    return t_ns


def facilities(effort: Effort, say: Say) -> list[Figure]:
    """An edge router of quad-facilities dies, and a facility is lost: two channels, four routers."""
    topology = templates.quad_facilities(_name())
    effort = replace(effort, packets_per_s_and_flow=FACILITIES_PACKETS_PER_S)
    figures = []
    for event, kind, names, mode in (
        ("edge router dead", "node", EDGES, "dead"),
        ("facility lost", "group", FACILITIES, "carrier"),
    ):
        chosen = islice(cycle(names), effort.trials)
        acts = [partial(fail, kind=kind, name=name, mode=mode) for name in chosen]
        with ready_lab(topology) as lab:
            ready = partial(_is_ready, lab)
            measurements, _ = repeated(lab, event, acts, effort, say, ready)
        figures += outage_figures(event, measurements, FACILITIES_GOALS_MS)
    return figures


def _is_ready(lab: RunningLab) -> bool:
    with ControllerClient(lab.directory) as client:
        return not missing(client, lab.directory)


def clos(effort: Effort, say: Say) -> list[Figure]:
    """A Clos comes up, from the command until every leaf has every other's prefixes over every spine."""
    routers = clos_lab.SPINES + clos_lab.LEAVES
    event = f"Clos of {routers} routers: up, until converged"
    took_s = []
    with TemporaryDirectory() as folder:
        file = Path(folder) / "clos.yaml"
        file.write_text(clos_lab.topology(_name()))
        for number in range(effort.trials):
            say(f"bench: {event}, {number + 1} of {effort.trials}")
            took_s.append(clos_lab.convergence_s(_name(), str(file)))
    return [
        figure(f"{event}, median", "s", took_s, CLOS_GOAL_S),
        figure(f"{event}, p99", "s", took_s, of=p99),
    ]
