"""Holds a scenario's expectations against observations, also with its bounds at zero."""

from collections.abc import Callable, Mapping
from typing import Any

from netns_lab.scenarios.expectations import Observation, judge
from netns_lab.scenarios.loading import Scenario
from netns_lab.scenarios.model import Bound, Expectations


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


def zeroed(expect: Expectations) -> Expectations:
    """The same with every upper bound at zero: what then still holds was no bound."""

    def lowered(value: object) -> object:
        if isinstance(value, Bound) and value.max is not None:
            return Bound(max=0)
        return {key: lowered(item) for key, item in value.items()} if isinstance(value, dict) else value

    changed: dict[str, Any] = {name: lowered(value) for name, value in expect}
    return expect.model_copy(update=changed)
