"""Scenario files: those that ship are right, and each refusal names line, field and what was expected."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from netns_lab.scenarios.loading import load_scenario
from netns_lab.source import TopologyError
from netns_lab.templates import SHIPPED

from tests.scenarios.record import FILES

CUT = f"""\
name: cut
topology: {SHIPPED}/quad.yaml
steps:
  - at: 500ms
    fail: {{link: ch1, mode: silent}}
    for: 1s
    expect: {{outage_ms: {{max: 50}}, path: {{avoids: [ch1]}}}}
  - at: 3s
    expect: {{sessions: 8}}
"""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_ships_is_right_and_named_as_its_file(path: Path) -> None:
    assert load_scenario(path).name == path.stem


def test_the_one_in_the_documents_is_right(tmp_path: Path) -> None:
    document = (SHIPPED.parents[1] / "docs" / "scenarios.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", document, re.DOTALL)
    file = tmp_path / "example.yaml"
    file.write_text(example.replace("../netns-lab/topologies", str(SHIPPED)))
    assert [act.request for act in load_scenario(file).acts] == ["fail"]


def test_a_run_lasts_until_all_is_done_or_as_long_as_the_file_says(tmp_path: Path) -> None:
    file = tmp_path / "cut.yaml"
    file.write_text(CUT)
    assert load_scenario(file).duration_s == 4.0
    file.write_text(f"duration: 5s\n{CUT}")
    assert load_scenario(file).duration_s == 5.0


REFUSALS = {
    "unknown key": (("mode: silent", "mod: silent"), "5: steps[0].fail.mod: unknown key, nearest is 'mode'"),
    "mode": (("mode: silent", "mode: loud"), "5: steps[0].fail.mode: found 'loud', expected one of carrier"),
    "link": (("link: ch1", "link: ch11"), "5: steps[0].fail: no link ch11, nearest is 'ch1'"),
    "avoided link": (("avoids: [ch1]", "avoids: [aws]"), "7: steps[0].expect.path.avoids[0]: no link aws"),
    "bound key": (
        ("max: 50", "most: 50"),
        "7: steps[0].expect.outage_ms.most: unknown key, expected one of min, max",
    ),
    "no bound": (
        ("{max: 50}", "{}"),
        "7: steps[0].expect.outage_ms: found a mapping, expected min, max or both",
    ),
    "bounds": (
        ("{max: 50}", "{min: 60, max: 50}"),
        "7: steps[0].expect.outage_ms: found a mapping, expected a min that is not",
    ),
    "bound": (("{max: 50}", "50ms"), "7: steps[0].expect.outage_ms: found '50ms', expected a"),
    "expectation": (
        ("sessions: 8", "session: 8"),
        "9: steps[1].expect.session: unknown key, nearest is 'ses",
    ),
    "counter": (
        ("sessions: 8", "counters: {InPktsNotvalid: 1}"),
        "9: steps[1].expect.counters.InPktsNotvalid: found 'InPktsNotvalid', expected the name of a MACsec",
    ),
    "node": (("sessions: 8", "prefixes: {gpc: 1}"), "9: steps[1].expect.prefixes.gpc: no node gpc"),
    "event": (
        ("sessions: 8", "events: {some: [cut]}"),
        "9: steps[1].expect.events.some[0]: found 'cut', expected one of fault,",
    ),
    "time": (("at: 500ms", "at: 500"), "4: steps[0].at: found 500, expected a duration such as 500ms or 3s"),
    "order": (("at: 3s", "at: 100ms"), "4: steps[0].at: found an act at 0.5 s, expected it before the next"),
    "every alone": (("for: 1s", "every: 1s"), "4: steps[0]: found one of `every` and `count`"),
    "overlap": (
        ("for: 1s", "for: 1s\n    every: 900ms\n    count: 2"),
        "5: steps[0].fail: link ch1: already failed (silent); heal it first",
    ),
    "for of nothing": (("expect: {sessions", "for: 1s\n    expect: {sessions"), "9: steps[1].for: found a d"),
    "nothing": (("expect: {sessions: 8}", ""), "8: steps[1]: found neither an act nor expectations"),
    "too short": (("steps:", "duration: 2s\nsteps:"), "3: duration: found 2 s, expected more than 3 s"),
    "topology": (("quad.yaml", "quod.yaml"), "2: topology: found no file "),
    "two things": (
        ("link: ch1", "link: ch1, node: aws"),
        "5: steps[0].fail: found link and node, expected one",
    ),
    "two acts": (("for: 1s", "heal: {link: ch1}"), "6: steps[0].heal: found fail and heal in one step"),
    "no steps": (("steps:", "steps: []\nx:"), "3: steps: found a list, expected at least one entry"),
}


@pytest.mark.parametrize(("change", "refusal"), REFUSALS.values(), ids=REFUSALS)
def test_a_wrong_file_is_refused(change: tuple[str, str], refusal: str, tmp_path: Path) -> None:
    assert change[0] in CUT
    file = tmp_path / "cut.yaml"
    file.write_text(CUT.replace(*change, 1))
    with pytest.raises(TopologyError) as caught:
        load_scenario(file)
    assert any(line.startswith(f"{file}:{refusal}") for line in str(caught.value).splitlines()), caught.value


def test_a_scenario_must_break_something_and_expect_something(tmp_path: Path) -> None:
    file = tmp_path / "idle.yaml"
    file.write_text(f"name: idle\ntopology: {SHIPPED}/quad.yaml\nsteps:\n  - {{at: 1s, expect: {{}}}}\n")
    with pytest.raises(TopologyError) as caught:
        load_scenario(file)
    assert [line.split(": ", 1)[1] for line in str(caught.value).splitlines()] == [
        "found no expectation, expected one at least",
        "steps: found no fault, expected one at least",
    ]
