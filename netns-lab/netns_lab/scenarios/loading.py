"""From a scenario file to a checked `Scenario`; everything wrong with the file is reported at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from netns_lab.faults.model import FaultKind
from netns_lab.names import unknown
from netns_lab.planning import plan_lab
from netns_lab.reading import Place, Report
from netns_lab.scenarios.model import ACTS, Expectations, ScenarioFile, Step, Target, Traffic
from netns_lab.scenarios.rehearsal import Refused, rehearse
from netns_lab.scenarios.schedule import Act, expand
from netns_lab.source import read_source
from netns_lab.topology import Topology, load_topology

SETTLED_S = 1.0
"""How long a run goes on after its last act where the file does not say."""
WHOLE = "whole run"
Complaint = tuple[Place, str]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A checked scenario; `duration_s` is how long the run takes."""

    file: Path
    name: str
    topology: Topology
    seed: int
    traffic: Traffic
    duration_s: float
    steps: tuple[Step, ...]
    acts: tuple[Act, ...]
    expect: Expectations

    @property
    def expectations(self) -> dict[str, Expectations]:
        """By window: `step 1` and so on, and the whole run."""
        of_steps = {f"step {number}": step.expect for number, step in enumerate(self.steps, 1)}
        every = {**of_steps, WHOLE: self.expect}
        return {window: expect for window, expect in every.items() if expect and expect.model_fields_set}

    def without_faults(self) -> Scenario:
        """The same expectations of a lab to which nothing is done."""
        return replace(self, acts=())


def is_scenario(path: Path) -> bool:
    """Whether a YAML file means to be a scenario. Raises TopologyError where it is no YAML."""
    return read_source(path).get("steps") is not None


def load_scenario(path: Path, seed: int | None = None) -> Scenario:
    """The scenario of a file; `TopologyError` lists all that is wrong with it, or with its topology.

    `seed` is for the draw in place of the file's.
    """
    source = read_source(path)
    report = Report(source, str(path))
    shape = report.read(ScenarioFile, ())
    items = source.get("steps")
    count = len(items.data) if items and isinstance(items.data, list) else 0
    steps = [step for index in range(count) if (step := report.read(Step, ("steps", index)))]
    report.finish()
    assert shape is not None, "a shape that cannot be read is a problem"

    place = path.parent / shape.topology
    if not place.exists():
        problem = f"found no file {place}, expected the topology's, relative to this one"
        report.add(("topology",), problem)
        report.finish()
    topology = load_topology(place)
    for where, message in _complaints(shape, steps, topology):
        report.add(where, message)
    report.finish()

    drawn = shape.seed if seed is None else seed
    acts: list[Act] = []
    try:
        acts = rehearse(expand(steps, drawn), plan_lab(topology, lambda octets: bytes(octets)))
    except Refused as error:
        report.add(("steps", error.act.step, error.act.request), str(error))
    done_s = max([*(act.ends_s or act.at_s for act in acts), *(step.times_s[-1] for step in steps)])
    if shape.duration_s is not None and shape.duration_s <= done_s:
        problem = f"found {shape.duration_s:g} s, expected more than {done_s:g} s, when all is done"
        report.add(("duration",), problem)
    report.finish()
    return Scenario(
        file=path,
        name=shape.name,
        topology=topology,
        seed=drawn,
        traffic=shape.traffic,
        duration_s=shape.duration_s or done_s + SETTLED_S,
        steps=tuple(steps),
        acts=tuple(acts),
        expect=shape.expect,
    )


def _complaints(shape: ScenarioFile, steps: list[Step], topology: Topology) -> Iterator[Complaint]:
    """What is wrong with values that are right by themselves, as far as no act must be rehearsed for it."""
    for index, (step, following) in enumerate(pairwise([*steps, None])):
        assert step is not None
        place: Place = ("steps", index)
        yield from ((place + where, message) for where, message in _of_step(step, following, topology))
    if not any(step.fail or step.announce for step in steps):
        yield ("steps",), "found no fault, expected one at least"
    expectations = [shape.expect, *(step.expect for step in steps if step.expect)]
    if not any(it.model_fields_set for it in expectations):
        yield (), "found no expectation, expected one at least"
    yield from ((("expect", *where), message) for where, message in _of_expectations(shape.expect, topology))


def _of_step(step: Step, following: Step | None, topology: Topology) -> Iterator[Complaint]:
    acts = [name for name in ACTS if getattr(step, name) is not None]
    if len(acts) > 1:
        yield (acts[1],), f"found {' and '.join(acts)} in one step, expected a step for each"
    if not acts and step.expect is None:
        yield (), "found neither an act nor expectations, expected one of them"
    for name in ("fail", "heal"):
        target: Target | None = getattr(step, name)
        if target and len(target.names) != 1:
            found = " and ".join(target.names) or "nothing"
            yield (name,), f"found {found}, expected one of {', '.join(FaultKind)}"
    if step.fail and step.fail.controller and step.fail.mode:
        yield ("fail", "mode"), "found a mode, expected it as in `controller: stalled`"
    if step.for_s is not None and not (step.fail or step.announce):
        yield ("for",), "found a duration of nothing, expected a fault beside it"
    if (step.every_s is None) != (step.count is None):
        yield (), "found one of `every` and `count`, expected both or neither"
    elif step.every_s is not None and not acts:
        yield ("every",), "found nothing that is to be repeated, expected a fault beside it"
    if following is not None and following.at_s <= step.times_s[-1]:
        yield (
            ("at",),
            f"found an act at {step.times_s[-1]:g} s, expected it before the next step's at "
            f"{following.at_s:g} s",
        )
    if step.expect:
        yield from (
            (("expect", *where), message) for where, message in _of_expectations(step.expect, topology)
        )


def _of_expectations(expect: Expectations, topology: Topology) -> Iterator[Complaint]:
    for name in expect.prefixes:
        yield from _known("node", ("prefixes", name), name, topology.nodes)
    links = [link.name for link in topology.links]
    for key, names in expect.path or ():
        for index, name in enumerate(names):
            yield from _known("link", ("path", key, index), name, links)


def _known(kind: str, place: Place, name: str, known: Iterable[str]) -> Iterator[Complaint]:
    names = list(known)
    if name not in names:
        yield place, unknown(kind, name, names)
