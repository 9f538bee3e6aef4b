"""`quadlink run`: scenarios in throw-away labs, one lab for all of the same topology, and their results."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from netns_lab.builder import built_lab
from netns_lab.directory import LabDirectory, LabError
from netns_lab.output import Output, table_text
from netns_lab.plan import LabPlan
from netns_lab.planning import plan_lab
from netns_lab.scenarios.expectations import Observation, Verdict, judge
from netns_lab.scenarios.loading import Scenario
from netns_lab.scenarios.observation import observe
from netns_lab.scenarios.performing import READY_TIMEOUT_S, Performed, perform
from netns_lab.state import load_plan
from netns_lab.topology import Topology

RESULT = "scenario.json"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a scenario: what was seen in each window and the verdicts, or why it could not run."""

    scenario: Scenario
    took_s: float
    observations: dict[str, Observation]
    verdicts: dict[str, list[Verdict]]
    doubts: list[str]
    """Sentences that say what the measurement cannot tell."""
    error: str | None = None

    @property
    def passed(self) -> bool:
        return self.error is None and all(verdict.passed for verdict in self.every())

    def every(self) -> list[Verdict]:
        """The verdicts of all windows."""
        return [verdict for verdicts in self.verdicts.values() for verdict in verdicts]

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.scenario.name,
            "file": str(self.scenario.file),
            "seed": self.scenario.seed,
            "passed": self.passed,
            "error": self.error,
            "took_s": round(self.took_s, 1),
            "doubts": self.doubts,
            "windows": [
                {
                    "window": window,
                    "observed": asdict(self.observations[window]),
                    "expectations": [asdict(verdict) for verdict in verdicts],
                }
                for window, verdicts in self.verdicts.items()
            ],
        }


def run_all(
    scenarios: Sequence[Scenario], name: str | None, say: Say, save: Path | None = None
) -> list[Result]:
    """Runs every scenario, in the lab `name` or in throw-away ones; results in the order given.

    `save` gets a directory for each, named as it is, with its measurement and result.
    """
    results: dict[int, Result] = {}
    by_topology: dict[int, list[int]] = {}
    for at in range(len(scenarios)):
        by_topology.setdefault(_first_like(scenarios, at), []).append(at)
    for waiting in by_topology.values():
        while waiting:
            results |= _run_some(scenarios, waiting, name, say, save)
            waiting = [at for at in waiting if at not in results]
    return [results[at] for at in range(len(scenarios))]


def _first_like(scenarios: Sequence[Scenario], at: int) -> int:
    """The first scenario of the same topology."""
    return next(index for index, it in enumerate(scenarios) if it.topology == scenarios[at].topology)


def _run_some(
    scenarios: Sequence[Scenario], places: Sequence[int], name: str | None, say: Say, save: Path | None
) -> dict[int, Result]:
    """Runs scenarios in one lab until one of them leaves it unfit for the next."""
    results: dict[int, Result] = {}
    try:
        with _lab_for(scenarios[places[0]].topology, name, say) as (directory, plan):
            for at in places:
                begun_s = time.monotonic()
                performed = perform(scenarios[at], directory, plan, say)
                results[at] = _judged(scenarios[at], performed, time.monotonic() - begun_s)
                if save is not None:
                    _save(results[at], performed, save / scenarios[at].name)
    except (LabError, OSError) as error:
        if len(results) == len(places):
            raise
        at = places[len(results)]
        results[at] = Result(scenarios[at], 0.0, {}, {}, [], str(error))
    return results


@contextmanager
def _lab_for(topology: Topology, name: str | None, say: Say) -> Iterator[tuple[LabDirectory, LabPlan]]:
    """A lab of the topology: the running one of that name, or one for the time of the block."""
    if name is not None:
        directory = LabDirectory(name)
        plan = load_plan(directory)
        wanted = plan_lab(topology, lambda octets: bytes(octets))
        if [node.name for node in plan.nodes] != [node.name for node in wanted.nodes] or [
            link.name for link in plan.links
        ] != [link.name for link in wanted.links]:
            raise LabError(
                f"lab {name} is not of the scenario's topology; leave out --name to have one built"
            )
        yield directory, plan
        return
    own = topology.model_copy(update={"name": f"run-{os.getpid()}"})
    with built_lab(own, say, READY_TIMEOUT_S, keep=False) as lab:
        yield lab.directory, lab.plan


def _judged(scenario: Scenario, performed: Performed, took_s: float) -> Result:
    observations = {
        name: observe(performed.measurement, performed.windows[name]) for name in scenario.expectations
    }
    verdicts = {
        name: list(judge(expect, observations[name])) for name, expect in scenario.expectations.items()
    }
    unsaid = [
        f"{name}: {observed.partitioned} flows had no way left; only `partitioned` counts them"
        for name, observed in observations.items()
        if observed.partitioned and scenario.expectations[name].partitioned is None
    ]
    return Result(scenario, took_s, observations, verdicts, performed.doubts + unsaid)


def _save(result: Result, performed: Performed, directory: Path) -> None:
    performed.measurement.save(directory)
    (directory / RESULT).write_text(json.dumps(result.as_json(), indent=1) + "\n")


def report(results: Sequence[Result], output: Output) -> None:
    """Prints every expectation, and a line for each scenario."""
    rows = [
        (
            result.scenario.name,
            window,
            verdict.what,
            verdict.expected,
            verdict.measured,
            _word(verdict.passed),
        )
        for result in results
        for window, verdicts in result.verdicts.items()
        for verdict in verdicts
    ]
    table = table_text(("scenario", "when", "what", "expected", "measured", ""), rows)
    lines = [f"{result.scenario.name}: {_summary(result)}" for result in results]
    for result in results:
        for doubt in result.doubts:
            output.warn(f"{result.scenario.name}: {doubt}")
    output.document(
        {
            "passed": all(result.passed for result in results),
            "scenarios": [result.as_json() for result in results],
        },
        "\n".join([*([table, ""] if rows else []), *lines]),
    )


def _summary(result: Result) -> str:
    if result.error is not None:
        return f"could not run: {result.error}"
    verdicts = result.every()
    failed = sum(not verdict.passed for verdict in verdicts)
    return (
        f"{failed} of {len(verdicts)} expectations failed" if failed else f"passed in {result.took_s:.1f} s"
    )


def _word(passed: bool) -> str:
    return "ok" if passed else "FAILED"
