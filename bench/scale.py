"""How large a lab may be: time and memory of rings of routers and stars of hosts, and how they grow."""

import math
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from netns_lab import templates
from netns_lab.api import ControllerClient
from netns_lab.directory import LabDirectory

from bench.consumption import cpu_s, lab_pids, memory_mb, resident_mb
from bench.figures import Figure, figure
from bench.running import Say
from bench.shell import timed_command

ROUTERS = (10, 20, 30, 100)
HOSTS = (10, 100, 1000)
QUAD_ROUNDS = 3
UP_LIMIT_S = 300
SETTLED_S = 5.0
IDLE_S = 20.0
UP_GOALS_S = {"quad": 5, "ring of 20 routers": 15, "star of 1000 hosts": 15}
DOWN_GOAL_S = 2
INSPECT_GOAL_S = 0.3
CONTROLLER_GOAL_MB = 120
ENGINE_GOAL_MB = 80
IDLE_GOAL_PERCENT = 5


@dataclass(frozen=True, slots=True)
class Run:
    """One lab from `up` to `down`."""

    up_s: float
    inspect_s: float
    down_s: float
    memory_mb: float
    controller_mb: float
    engine_mb: float
    idle_percent: float | None


def run(say: Say) -> list[Figure]:
    """All figures, measured one after the other on labs of its own."""
    lab = f"scale{os.getpid()}"
    with TemporaryDirectory() as folder:
        file = Path(folder) / "topology.yaml"
        file.write_text(templates.quad(lab))
        quads = []
        for number in range(QUAD_ROUNDS):
            say(f"bench: quad {number + 1} of {QUAD_ROUNDS}")
            quads.append(_measure(lab, file, idle=True))
        figures = _figures("quad", quads) + _process_figures(quads)
        rings = {}
        for routers in ROUTERS:
            say(f"bench: ring of {routers} routers")
            file.write_text(templates.ring(lab, routers))
            rings[routers] = _measure(lab, file)
            figures += _figures(f"ring of {routers} routers", [rings[routers]])
        stars = {}
        for hosts in HOSTS:
            say(f"bench: star of {hosts} hosts")
            file.write_text(templates.star(lab, hosts))
            stars[hosts] = _measure(lab, file)
            figures += _figures(f"star of {hosts} hosts", [stars[hosts]])
    return [*figures, *_growth("routers", rings), *_growth("hosts", stars)]


def _measure(lab: str, file: Path, idle: bool = False) -> Run:
    up_s = timed_command("up", "--timeout", f"{UP_LIMIT_S}s", str(file))
    with _ended(lab):
        pids = lab_pids(lab)
        with ControllerClient(LabDirectory(lab)) as controller:
            known = controller.call("inspect", topic="nodes")["pids"]
        inspect_s = timed_command("--name", lab, "inspect", "links")
        measured = (memory_mb(pids), resident_mb(known["controller"]), resident_mb(known["engine"]))
        idle_percent = _idle_percent(pids) if idle else None
        down_s = timed_command("down", "--name", lab)
    return Run(up_s, inspect_s, down_s, *measured, idle_percent)


@contextmanager
def _ended(lab: str) -> Iterator[None]:
    """Takes the lab down where the block does not come to do so."""
    try:
        yield
    except BaseException:
        timed_command("down", "--name", lab)
        raise


def _idle_percent(pids: list[int]) -> float:
    """Processor time of a lab that nobody uses, in percent of one core."""
    time.sleep(SETTLED_S)
    before_s, start = cpu_s(pids), time.monotonic()
    time.sleep(IDLE_S)
    return 100 * (cpu_s(pids) - before_s) / (time.monotonic() - start)


def _figures(name: str, runs: list[Run]) -> list[Figure]:
    up_goal_s = UP_GOALS_S.get(name)
    known = up_goal_s is not None
    return [
        figure(f"{name}: up", "s", [run.up_s for run in runs], up_goal_s),
        figure(f"{name}: down", "s", [run.down_s for run in runs], DOWN_GOAL_S if known else None),
        figure(
            f"{name}: inspect at the shell",
            "s",
            [run.inspect_s for run in runs],
            INSPECT_GOAL_S if known else None,
        ),
        figure(f"{name}: memory of all processes (PSS)", "MB", [run.memory_mb for run in runs]),
    ]


def _process_figures(runs: list[Run]) -> list[Figure]:
    idle = [run.idle_percent for run in runs if run.idle_percent is not None]
    return [
        figure("quad: controller (RSS)", "MB", [run.controller_mb for run in runs], CONTROLLER_GOAL_MB),
        figure("quad: engine (RSS)", "MB", [run.engine_mb for run in runs], ENGINE_GOAL_MB),
        figure("quad: idle, all processes", "% of a core", idle, IDLE_GOAL_PERCENT),
    ]


def _growth(what: str, runs: dict[int, Run]) -> list[Figure]:
    """The powers of the size with which time and memory grow."""
    measured = {
        "up time": [run.up_s for run in runs.values()],
        "down time": [run.down_s for run in runs.values()],
        "memory": [run.memory_mb for run in runs.values()],
    }
    return [
        figure(f"{name} grows with {what} to the power of", "", [fitted_power(list(runs), values)])
        for name, values in measured.items()
    ]


def fitted_power(sizes: list[int], values: list[float]) -> float:
    """The exponent of the power law through the points, by least squares of their logarithms."""
    fit = statistics.linear_regression(list(map(math.log, sizes)), list(map(math.log, values)))
    return fit.slope
