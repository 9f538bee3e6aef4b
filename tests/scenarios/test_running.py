"""Many scenarios in few labs, and their results as a table, JSON and JUnit XML; no lab is made here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import pytest
from netns_lab.directory import LabDirectory, LabError
from netns_lab.measurement import Measurement
from netns_lab.output import Format, Output
from netns_lab.plan import LabPlan
from netns_lab.scenarios import running
from netns_lab.scenarios.junit import write_junit
from netns_lab.scenarios.loading import Scenario, load_scenario
from netns_lab.scenarios.performing import Performed
from netns_lab.scenarios.running import Result, report, run_all
from netns_lab.templates import SHIPPED
from netns_lab.topology import Topology

from tests.scenarios.test_observation import PLAN, fault, recording, window


def scenario(folder: Path, name: str, topology: str = "quad", expect: str = "{lost: 5}") -> Scenario:
    path = folder / f"{name}.yaml"
    path.write_text(
        f"name: {name}\ntopology: {SHIPPED}/{topology}.yaml\n"
        f"steps: [{{at: 1s, fail: {{link: ch1}}, expect: {expect}}}]\n"
    )
    return load_scenario(path)


@pytest.fixture
def labs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What ran in each lab that was made; a scenario called `broken` cannot run."""
    made: list[list[str]] = []

    @contextmanager
    def lab_for(topology: Topology, name: str | None, say: object) -> Iterator[tuple[LabDirectory, LabPlan]]:
        made.append([topology.name])
        yield LabDirectory("none"), PLAN

    def perform(scenario: Scenario, directory: LabDirectory, plan: LabPlan, say: object) -> Performed:
        made[-1].append(scenario.name)
        if scenario.name == "broken":
            raise LabError("the lab is not ready")
        lost = recording({0: [range(1000, 1050)]}, [fault(1000, "ch1")])
        return Performed(Measurement(lost), {"step 1": window(1000, 2000)}, ["late"])

    monkeypatch.setattr(running, "_lab_for", lab_for)
    monkeypatch.setattr(running, "perform", perform)
    return made


def run(*scenarios: Scenario) -> list[Result]:
    return run_all(scenarios, None, lambda text: None)


def test_scenarios_of_one_topology_share_a_lab_until_one_leaves_it_unfit(
    tmp_path: Path, labs: list[list[str]]
) -> None:
    names = (("one", "quad"), ("broken", "quad"), ("small", "pair"), ("last", "quad"))
    results = run(*(scenario(tmp_path, name, topology) for name, topology in names))
    assert labs == [["quad", "one", "broken"], ["quad", "last"], ["pair", "small"]]
    assert [result.scenario.name for result in results] == ["one", "broken", "small", "last"]
    assert [result.error for result in results] == [None, "the lab is not ready", None, None]


def test_results_are_told_to_people_programs_and_ci(
    tmp_path: Path, labs: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = scenario(tmp_path, "good"), scenario(tmp_path, "bad", expect="{lost: 5, dark: {min: 1}}")
    results = run(good, bad, scenario(tmp_path, "broken"))
    assert [result.passed for result in results] == [True, False, False]

    report(results, Output(Format.TABLE))
    printed = capsys.readouterr()
    assert ["bad", "step", "1", "dark", "at", "least", "1", "0", "FAILED"] in map(
        str.split, printed.out.splitlines()
    )
    assert "broken: could not run: the lab is not ready" in printed.out
    assert "good: late" in printed.err

    report(results, Output(Format.JSON))
    document = json.loads(capsys.readouterr().out)
    assert document["passed"] is False
    assert document["scenarios"][0]["windows"][0]["observed"]["lost"] == {"aws->gcp": 5, "gcp->aws": 0}

    file = tmp_path / "results.xml"
    write_junit(results, file)
    suites = ElementTree.parse(file).getroot()
    assert [suites.get(name) for name in ("tests", "failures", "errors")] == ["4", "1", "1"]
    cases = {
        (case.get("classname"), case.get("name")): [it.tag for it in case] for case in suites.iter("testcase")
    }
    assert cases == {
        ("good", "step 1: lost"): [],
        ("bad", "step 1: lost"): [],
        ("bad", "step 1: dark"): ["failure"],
        ("broken", "run"): ["error"],
    }
