"""`quadlink run` in a lab that is up and in one of its own: exit codes, documents, and all as it was."""

import json
import signal
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.lab.harness import QUAD, Lab, interrupted, processes_of

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]
CUT = f"""\
name: cut
topology: {QUAD}
traffic: {{rate: 100, flows: 16}}
steps:
  - at: 100ms
    fail: {{link: ch1}}
    for: 500ms
    expect:
      dark: 0
      path: {{uses: [ch2, ch3, ch4], avoids: [ch1]}}
      events: {{some: [fault, interface-down]}}
expect: {{partitioned: 0}}
"""


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    path = tmp_path / "cut.yaml"
    path.write_text(CUT)
    return path


def test_a_lab_that_is_up_is_whole_again_after_a_scenario_that_fails_without_its_fault(
    quad: Lab, cut: Path, tmp_path: Path
) -> None:
    answer = quad.run("run", str(cut), "--format", "json")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    (scenario,) = json.loads(answer.stdout)["scenarios"]
    assert [window["window"] for window in scenario["windows"]] == ["step 1", "whole run"]
    assert scenario["windows"][0]["observed"]["links"] == ["ch2", "ch3", "ch4"]
    assert quad.whole()

    junit = tmp_path / "results.xml"
    answer = quad.run("run", str(cut), "--no-faults", "--junit", str(junit))
    assert answer.returncode == 1, answer.stdout + answer.stderr
    suites = ElementTree.parse(junit).getroot()
    failed = [case.get("name") for case in suites.iter("testcase") if case.find("failure") is not None]
    assert failed == ["step 1: path.avoids", "step 1: events.fault", "step 1: events.interface-down"]
    assert (suites.get("failures"), suites.get("errors")) == ("3", "0")
    for name in failed:
        assert str(name).removeprefix("step 1: ") in answer.stdout


def test_a_lab_that_is_broken_already_or_another_cannot_run_it(quad: Lab, cut: Path, tmp_path: Path) -> None:
    quad.run("fail", "link", "ch2")
    answer = quad.run("run", str(cut))
    assert answer.returncode == 2
    assert "has faults (link ch2)" in answer.stdout
    assert quad.json("inspect", "faults")["faults"]
    other = tmp_path / "pair.yaml"
    other.write_text(CUT.replace("quad.yaml", "pair.yaml").replace("[ch2, ch3, ch4]", "[ch1]"))
    answer = quad.run("run", str(other))
    assert answer.returncode == 2
    assert "is not of the scenario's topology" in answer.stdout


def test_an_interrupted_run_leaves_nothing(cut: Path) -> None:
    run = interrupted(signal.SIGTERM, "link ch1 fails", "run", str(cut))
    assert run.returncode == 128 + signal.SIGTERM
    assert processes_of(f"run-{run.pid}") == []
    assert not list(Path("/run/netns").glob(f"run-{run.pid}-*"))
