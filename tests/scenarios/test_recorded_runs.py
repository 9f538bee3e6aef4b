"""The scenarios that ship, held against what real runs of them were like: `record.py` keeps that."""

from pathlib import Path

import pytest
from netns_lab.scenarios.loading import load_scenario

from tests.scenarios.holding import failed, failed_at_zero
from tests.scenarios.record import FILES, Record, acts_of, read_records

RECORDS = read_records()


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture
def record(path: Path) -> Record:
    assert path.stem in RECORDS, f"run `python -m tests.scenarios.record {path.stem}`"
    return RECORDS[path.stem]


def test_it_passes_as_it_was_run(path: Path, record: Record) -> None:
    scenario = load_scenario(path)
    assert acts_of(scenario) == record.acts, f"run `python -m tests.scenarios.record {path.stem}`"
    assert failed(scenario, record.as_it_is) == []


def test_it_fails_where_its_faults_were_left_out(path: Path, record: Record) -> None:
    assert failed(load_scenario(path), record.without_faults)


def test_it_fails_with_bounds_of_zero(path: Path, record: Record) -> None:
    assert failed_at_zero(load_scenario(path), record.as_it_is)
