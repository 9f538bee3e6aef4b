"""How long traffic is dark when something fails: each event many times, on labs of its own, under probes."""

from collections.abc import Callable, Sequence

from netns_lab.directory import NotReady

from bench import failover_events
from bench.failover_trials import FULL, QUICK, Effort
from bench.figures import Figure, figure
from bench.running import Say, chosen

PARTS: dict[str, Callable[[Effort, Say], list[Figure]]] = {
    "carrier": failover_events.carrier,
    "silent": failover_events.silent,
    "healed": failover_events.healed,
    "maintenance": failover_events.maintenance,
    "controller": failover_events.controller,
    "facilities": failover_events.facilities,
    "clos": failover_events.clos,
}


def run(say: Say, only: Sequence[str] = (), quick: bool = False) -> list[Figure]:
    """The figures of all parts, or of those in `only`. LabError where there is no such part."""
    effort = QUICK if quick else FULL
    figures: list[Figure] = []
    for name, measure in chosen("failover", PARTS, only).items():
        try:
            figures += measure(effort, say)
        except NotReady as error:  # what others measured in an hour is not to be lost
            say(f"bench: {name}: {error}")
            figures.append(figure(f"{name}: could be measured", "", [0], 1, "at least"))
    return figures
