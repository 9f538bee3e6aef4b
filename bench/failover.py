"""How long traffic is dark when something fails: each event many times, on labs of its own, under probes."""

from collections.abc import Callable, Sequence

from netns_lab.directory import LabError

from bench import failover_events
from bench.failover_trials import FULL, QUICK, Effort, Say
from bench.figures import Figure

PARTS: dict[str, Callable[[Effort, Say], list[Figure]]] = {
    "carrier": failover_events.carrier,
    "silent": failover_events.silent,
    "maintenance": failover_events.maintenance,
    "controller": failover_events.controller,
    "facilities": failover_events.facilities,
    "clos": failover_events.clos,
}


def run(say: Say, only: Sequence[str] = (), quick: bool = False) -> list[Figure]:
    """The figures of all parts, or of those in `only`. LabError where there is no such part."""
    if unknown := sorted(set(only) - set(PARTS)):
        raise LabError(f"bench failover has no part {unknown[0]}; its parts are {', '.join(PARTS)}")
    effort = QUICK if quick else FULL
    return [
        figure
        for name, measure in PARTS.items()
        if not only or name in only
        for figure in measure(effort, say)
    ]
