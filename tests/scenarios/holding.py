"""Holds a scenario's expectations against observations, also with its bounds at zero."""

from collections.abc import Callable, Mapping

from netns_lab.scenarios.expectations import Observation, judge, zeroed
from netns_lab.scenarios.loading import Scenario
from netns_lab.scenarios.model import Expectations


def failed(
    scenario: Scenario,
    observations: Mapping[str, Observation],
    changed: Callable[[Expectations], Expectations] = lambda expect: expect,
) -> list[str]:
    """What is not as expected, in each window; with other expectations if they are `changed`."""
    return [
        f"{window}: {verdict}"
        for window, expect in scenario.expectations.items()
        for verdict in judge(changed(expect), observations[window])
        if not verdict.passed
    ]


def failed_at_zero(scenario: Scenario, observations: Mapping[str, Observation]) -> list[str]:
    """What is not as expected where every upper bound is zero."""
    return failed(scenario, observations, zeroed)
