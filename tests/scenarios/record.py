"""Runs scenarios that ship, as they are and without their faults, and keeps what was observed.

sudo .venv/bin/python -m tests.scenarios.record [NAME...]
"""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from netns_lab.scenarios.expectations import Observation
from netns_lab.scenarios.loading import Scenario, load_scenario
from netns_lab.scenarios.running import Result, run_all
from netns_lab.templates import SHIPPED

FILES = sorted((SHIPPED.parent / "scenarios").glob("*.yaml"))
RECORDED = Path(__file__).with_name("recorded.jsonl")
"""A line for each scenario."""
Observations = Mapping[str, Observation]


@dataclass(frozen=True, slots=True)
class Record:
    """What was observed of a scenario in each window; `acts` tell whether it has changed since."""

    name: str
    acts: list[Any]
    as_it_is: Observations
    without_faults: Observations

    @classmethod
    def of(cls, as_it_is: Result, without_faults: Result) -> Self:
        scenario = as_it_is.scenario
        return cls(scenario.name, acts_of(scenario), as_it_is.observations, without_faults.observations)

    @classmethod
    def read(cls, line: str) -> Self:
        document = json.loads(line)
        seen = [
            {
                window: Observation(**{**it, "links": tuple(it["links"])})
                for window, it in document[run].items()
            }
            for run in ("as_it_is", "without_faults")
        ]
        return cls(document["name"], document["acts"], *seen)


def acts_of(scenario: Scenario) -> list[Any]:
    """What a scenario does, as JSON types."""
    return [[act.at_s, act.ends_s, act.text] for act in scenario.acts]


def run_both(scenarios: Iterable[Scenario]) -> list[tuple[Result, Result]]:
    """Each as it is and without its faults, those of one topology in one lab."""
    runs = [run for each in scenarios for run in (each, each.without_faults())]
    results = run_all(runs, None, lambda text: print(text, flush=True))
    return list(zip(results[::2], results[1::2], strict=True))


def read_records() -> dict[str, Record]:
    """By name."""
    lines = RECORDED.read_text().splitlines() if RECORDED.exists() else []
    return {record.name: record for record in map(Record.read, lines)}


def main(names: list[str]) -> None:
    """Takes what was observed of these, or of all, into the file."""
    records = read_records()
    for results in run_both(load_scenario(path) for path in FILES if not names or path.stem in names):
        for result in results:
            print(result.scenario.name, result.error or [str(v) for v in result.every() if not v.passed])
        record = Record.of(*results)
        records[record.name] = record
    kept = [records[path.stem] for path in FILES if path.stem in records]
    RECORDED.write_text("".join(json.dumps(asdict(record)) + "\n" for record in kept))


if __name__ == "__main__":
    main(sys.argv[1:])
