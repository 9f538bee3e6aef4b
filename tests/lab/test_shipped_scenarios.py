"""The scenarios that ship, each run for real: as it is it passes, without its fault it fails."""

import pytest
from netns_lab.scenarios.loading import load_scenario
from netns_lab.scenarios.running import run_all
from netns_lab.templates import SHIPPED

from tests.scenarios.holding import failed, failed_at_zero

SCENARIOS = sorted((SHIPPED.parent / "scenarios").glob("*.yaml"))

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(1800)]


def test_each_passes_and_fails_without_its_fault_or_with_bounds_of_zero() -> None:
    scenarios = [load_scenario(path) for path in SCENARIOS]
    runs = [run for scenario in scenarios for run in (scenario, scenario.without_faults())]
    results = run_all(runs, None, print)
    for whole, faultless in zip(results[::2], results[1::2], strict=True):
        name = whole.scenario.name
        assert (whole.error, faultless.error) == (None, None), name
        assert failed(whole.scenario, whole.observations) == [], name
        assert failed(whole.scenario, faultless.observations), f"{name} passes without its fault"
        assert failed_at_zero(whole.scenario, whole.observations), f"{name} passes with bounds of zero"
