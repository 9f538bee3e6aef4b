"""The JSON Schema of scenario files takes what the reader takes, and refuses what an editor can refuse."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
from netns_lab.faults.model import OPTIONS
from netns_lab.scenarios.loading import load_scenario
from netns_lab.scenarios.model import Fail, Target
from netns_lab.schema import scenario_schema
from netns_lab.source import TopologyError, parse_source
from netns_lab.templates import SHIPPED

from tests.scenarios.record import FILES
from tests.topology.test_schema import keys_of

SCHEMA = scenario_schema()
# Every key that the format has. Kinds of things that quad has none of are in an expectation's shadow.
FULL = f"""\
name: full
topology: {SHIPPED}/quad.yaml
seed: 7
duration: 1m
traffic: {{rate: 200, flows: 32}}
steps:
  - at: 500ms
    for: 300ms
    every: 1s
    count: 3
    fail: {{link: [ch1, ch2], mode: one-way, from: gcp}}
    expect:
      outage_ms: {{min: 1, max: 50.5}}
      outage_median_ms: {{max: 50}}
      outage_p99_ms: {{max: 50}}
      lost: 10
      duplicates: 0
      dark: 0
      partitioned: 0
      latency_median_ms: {{max: 1}}
      latency_p99_ms: {{max: 10}}
      sessions: 8
      prefixes: {{aws: 2}}
      counters: {{InPktsNotValid: {{min: 1}}}}
      path: {{uses: [ch1], avoids: [ch2]}}
      plaintext: none
      events: {{some: [fault], none: [session-down]}}
  - {{at: 5s, fail: {{link: ch3, mode: flap, period: 200ms, count: 5}}}}
  - {{at: 7s, fail: {{link: ch3, mode: brownout, impair: {{loss: 1%, delay: 5ms}}}}}}
  - {{at: 8s, heal: {{link: ch3}}}}
  - {{at: 8500ms, for: 1s, fail: {{link: ch4, mode: flip, rate: 100, bit: 300}}}}
  - {{at: 9s, announce: {{node: gcp, prefixes: [20.0.0.0/16], split: 24}}}}
  - {{at: 9500ms, fail: {{controller: killed}}}}
  - {{at: 10s, withdraw: {{node: gcp, prefixes: [20.0.1.0/24]}}}}
expect: {{lost: {{min: 1}}}}
"""
ELSEWHERE = {"group", "bgp"} | {
    *("jitter", "jitter_model", "loss_model", "enter_burst", "leave_burst", "loss_in_burst"),
    *("duplicate", "reorder", "reorder_frames", "corrupt", "queue"),
}
"""Keys that FULL has no place for: things that quad has none of, and impairments, which topologies show."""


def errors(text: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return [error.message for error in validator.iter_errors(parse_source(text, "s.yaml").plain())]


def test_it_is_a_schema_itself() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_takes_the_scenarios_that_ship(path: Path) -> None:
    assert errors(path.read_text()) == []


def test_it_takes_every_key_that_the_reader_takes(tmp_path: Path) -> None:
    file = tmp_path / "full.yaml"
    file.write_text(FULL)
    assert len(load_scenario(file).acts) == 10
    assert errors(FULL) == []
    assert {key for key in keys_of(SCHEMA) if f"{key}:" not in FULL} == ELSEWHERE


def test_every_option_of_a_fault_is_a_key() -> None:
    assert set(OPTIONS) == set(Fail.model_fields) - set(Target.model_fields) - {"controller", "mode"}


WRONG = {
    "top key": ("seed:", "sed:"),
    "step key": ("every:", "evry:"),
    "mode": ("mode: flap", "mode: flop"),
    "time": ("at: 500ms", "at: 500"),
    "expectation": ("dark: 0", "drak: 0"),
    "bound": ("lost: 10", "lost: ten"),
    "bound key": ("{min: 1, max: 50.5}", "{least: 1}"),
    "counter": ("InPktsNotValid", "InPktsWrong"),
    "event": ("[fault]", "[mistake]"),
    "impairment": ("loss: 1%", "los: 1%"),
    "no time": ("at: 5s, ", ""),
    "count of one": ("count: 3", "count: 1"),
    "traffic": ("rate: 200", "rate: 0"),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_it_refuses_what_the_reader_refuses(change: tuple[str, str], tmp_path: Path) -> None:
    assert change[0] in FULL
    file = tmp_path / "full.yaml"
    file.write_text(FULL.replace(*change, 1))
    with pytest.raises(TopologyError):
        load_scenario(file)
    assert errors(file.read_text()) != []
