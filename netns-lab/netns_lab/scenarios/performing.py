"""Runs one scenario in a lab that is up: acts in time, samples between the steps, reverts in the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dataplane.client import EngineClient
from dataplane.counters import map_counters
from dataplane.links.link import LinkCounters
from dataplane.macsec.counters import counters_by_name
from netns_lab.api import ControllerClient
from netns_lab.directory import LabDirectory, LabError
from netns_lab.measurement import Measurement
from netns_lab.plan import LabPlan, family_of
from netns_lab.readiness import wait_until_ready
from netns_lab.route_views import routes_of
from netns_lab.scenarios.loading import WHOLE, Scenario
from netns_lab.scenarios.observation import Sample, Window
from netns_lab.scenarios.schedule import Act, agenda
from netns_lab.stopwatch import OBSERVED_BEFORE_S, Stopwatch

READY_TIMEOUT_S = 30.0
SPARE_S = 30.0
"""How much longer the probes could go on than they need to: requests may be slow on a busy machine."""
LATE_S = 0.2
NS_PER_S = 1e9


@dataclass(frozen=True, slots=True)
class Performed:
    """A run: the measurement and its windows, by the names of `Scenario.expectations`."""

    measurement: Measurement
    windows: dict[str, Window]
    doubts: list[str]
    """Sentences that say what it cannot tell."""


def perform(
    scenario: Scenario, directory: LabDirectory, plan: LabPlan, say: Callable[[str], None]
) -> Performed:
    """Runs the scenario in a lab that is whole and leaves it so, however it ends. Raises LabError."""
    _check_whole(directory)
    run = _Run(scenario, directory, plan, say)
    stopwatch = Stopwatch(
        directory,
        plan,
        limit_s=OBSERVED_BEFORE_S + scenario.duration_s + SPARE_S,
        packets_per_s_and_flow=scenario.traffic.rate,
        flows_each_way=scenario.traffic.flows,
    )
    try:
        with stopwatch:
            measurement = stopwatch.measure(run.perform, 0, scenario.name)
    finally:
        run.revert()
    _check_whole(directory)
    windows = run.windows(measurement)
    whole = measurement.recording.between(windows[WHOLE].t_ns, windows[WHOLE].until_ns)
    return Performed(measurement, windows, run.doubts() + Measurement(whole).doubts())


def _check_whole(directory: LabDirectory) -> None:
    """Raises LabError where a fault is active or, after some time, something is not as it should be."""
    if active := _ask(directory, "inspect", topic="faults")["faults"]:
        failed = ", ".join(f"{fault['kind']} {fault['name']}" for fault in active)
        raise LabError(
            f"lab {directory.name} has faults ({failed}); `quadlink heal --name {directory.name}` undoes them"
        )
    if missing := wait_until_ready(directory, READY_TIMEOUT_S):
        raise LabError(f"lab {directory.name} is not ready after {READY_TIMEOUT_S:.0f} s: {missing[0]}")


def _ask(directory: LabDirectory, request: str, **arguments: object) -> Any:  # noqa: ANN401 - JSON
    """What the controller answers that there is now: a fault may have ended the one that was asked before."""
    with ControllerClient(directory) as controller:
        return controller.call(request, **arguments)


class _Run:
    """The acts of one run, and when they really were."""

    def __init__(
        self, scenario: Scenario, directory: LabDirectory, plan: LabPlan, say: Callable[[str], None]
    ) -> None:
        self._scenario = scenario
        self._sampler = _Sampler(scenario, directory, plan)
        self._directory = directory
        self._say = say
        self._started_s = 0.0
        self._late_s = 0.0
        self._samples: list[Sample] = []
        self._begun_ns: list[int] = []
        """When each step began."""
        self._settled_ns: dict[int, int] = {}
        """By step, when its first fault was to end by itself."""
        self._announced: dict[str, frozenset[str]] = {}

    def perform(self) -> int:
        """Does everything in its time; the time of the first act."""
        self._started_s = time.monotonic()
        times_ns = []
        for at_s, act in agenda(self._scenario.steps, self._scenario.acts):
            self._wait_until(at_s)
            if act is not None:
                times_ns.append(self._do(act))
            else:
                self._samples.append(self._sampler.take())
                self._begun_ns.append(time.monotonic_ns())
        self._wait_until(self._scenario.duration_s)
        self._samples.append(self._sampler.take())
        return (times_ns or self._begun_ns)[0]

    def revert(self) -> None:
        """Ends every fault and withdraws what is still announced."""
        _ask(self._directory, "heal")
        for node, prefixes in self._announced.items():
            if prefixes:
                _ask(self._directory, "withdraw", node=node, prefixes=sorted(prefixes), split=None)

    def windows(self, measurement: Measurement) -> dict[str, Window]:
        """Those of the steps and that of the whole run."""
        ends_ns = [*self._begun_ns[1:], measurement.recording.until_ns]
        steps = [
            Window(
                begun_ns,
                until_ns,
                min(self._settled_ns.get(index, until_ns), until_ns),
                self._samples[index],
                self._samples[index + 1],
            )
            for index, (begun_ns, until_ns) in enumerate(zip(self._begun_ns, ends_ns, strict=True))
        ]
        first, last = steps[0], steps[-1]
        whole = Window(first.t_ns, last.until_ns, last.until_ns, first.before, last.after)
        return {f"step {number}": window for number, window in enumerate(steps, 1)} | {WHOLE: whole}

    def doubts(self) -> list[str]:
        """Sentences that say where the run was not as it should be."""
        late = self._late_s > LATE_S
        return [f"this machine was {self._late_s:.1f} s late with a step"] if late else []

    def _do(self, act: Act) -> int:
        self._say(f"{self._scenario.name}: {act.text}")
        answer = _ask(self._directory, act.request, **act.arguments)
        t_ns: int = answer.get("t_ns") or time.monotonic_ns()
        self._announced |= act.announced(self._announced)
        if act.ends_s is not None:
            self._settled_ns.setdefault(act.step, t_ns + round((act.ends_s - act.at_s) * NS_PER_S))
        return t_ns

    def _wait_until(self, at_s: float) -> None:
        left_s = self._started_s + at_s - time.monotonic()
        self._late_s = max(self._late_s, -left_s)
        time.sleep(max(0.0, left_s))


class _Sampler:
    """Takes samples of a lab, of what the scenario's expectations need."""

    def __init__(self, scenario: Scenario, directory: LabDirectory, plan: LabPlan) -> None:
        asked = {node for expect in scenario.expectations.values() for node in expect.prefixes}
        self._asked = [node for node in plan.nodes if node.name in asked]
        self._directory = directory
        self._counters = map_counters(directory.counters)
        engine = EngineClient(directory.engine_socket)
        self._slots = [state.slot for state in engine.links() if state.macsec is not None]
        engine.close()

    def take(self) -> Sample:
        """The lab now."""
        ends: dict[tuple[str, ...], list[bool]] = {}
        for it in _ask(self._directory, "inspect", topic="bgp")["sessions"]:
            key = (it["link"], family_of(it["neighbor"]), *sorted((it["node"], it["peer"])))
            ends.setdefault(key, []).append(it["state"] == "established")
        prefixes = {node.name: len(routes_of(node)) for node in self._asked}
        counters: dict[str, int] = {}
        for slot in self._slots:
            for secy in LinkCounters.at(self._counters, slot).secys:
                for name, count in counters_by_name(secy).items():
                    counters[name] = counters.get(name, 0) + count
        return Sample(sum(map(all, ends.values())), prefixes, counters)
