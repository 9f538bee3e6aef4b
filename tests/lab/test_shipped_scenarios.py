"""The scenarios that ship, each run for real: as it is it passes, without its fault it fails."""

import pytest
from netns_lab.scenarios.loading import load_scenario

from tests.scenarios.holding import failed, failed_at_zero
from tests.scenarios.record import FILES, run_both

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(3600)]


def test_each_passes_and_fails_without_its_fault_or_with_bounds_of_zero() -> None:
    wrong = []
    for as_it_is, without in run_both(map(load_scenario, FILES)):
        scenario = as_it_is.scenario
        wrong += [f"{scenario.name}: {error}" for error in (as_it_is.error, without.error) if error]
        if as_it_is.error or without.error:
            continue
        wrong += [f"{scenario.name}: {what}" for what in failed(scenario, as_it_is.observations)]
        if not failed(scenario, without.observations):
            wrong.append(f"{scenario.name} passes without its fault")
        if not failed_at_zero(scenario, as_it_is.observations):
            wrong.append(f"{scenario.name} passes with bounds of zero")
    assert wrong == []
