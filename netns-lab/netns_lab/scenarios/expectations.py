"""Holds what was observed against what is expected. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from netns_lab.measurement_report import plaintext
from netns_lab.scenarios.model import Bound, Expectations, Path


@dataclass(frozen=True, slots=True)
class Observation:
    """What a window of a run was like. What is a mapping of directions tells of the flows of each."""

    outage_ms: Mapping[str, float]
    """The longest time that any flow was dark without a break."""
    outage_median_ms: Mapping[str, float]
    """Of the flows that the fault hit."""
    outage_p99_ms: Mapping[str, float]
    lost: Mapping[str, int]
    duplicates: Mapping[str, int]
    """Copies of packets that had arrived before."""
    latency_median_ms: Mapping[str, float | None]
    """One way, of the packets that arrived; None where none did."""
    latency_p99_ms: Mapping[str, float | None]
    dark: int
    """Flows that had not come back at the end, though a way was left."""
    partitioned: int
    """Flows that the faults left no way."""
    links: tuple[str, ...]
    """Those that delivered packets crossed last before the end of the fault, or of the window."""
    sessions: int
    """BGP sessions that are up at both ends, at the end of the window."""
    prefixes: Mapping[str, int] = field(default_factory=dict)
    """By node, those that the kernel has routes to, at the end of the window; empty where nobody asks."""
    counters: Mapping[str, int] = field(default_factory=dict)
    """What the SecYs of all links counted meanwhile; what is not there did not rise."""
    events: Mapping[str, int] = field(default_factory=dict)
    """How many of each kind."""
    readable: Mapping[str, int] = field(default_factory=dict)
    """By MACsec link, probes of the whole run that could be read on the wire."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One expectation, what was measured, and whether that is as expected."""

    what: str
    expected: str
    measured: str
    passed: bool

    def __str__(self) -> str:
        return f"{self.what}: expected {self.expected}, measured {self.measured}"


# A number of all directions together: of times the longest, of packets the sum.
_OF_DIRECTIONS: dict[str, Callable[..., float]] = {
    "outage_ms": max,
    "outage_median_ms": max,
    "outage_p99_ms": max,
    "lost": sum,
    "duplicates": sum,
    "latency_median_ms": max,
    "latency_p99_ms": max,
}
_NUMBERS = ("dark", "partitioned", "sessions")
_BY_NAME = ("prefixes", "counters")


def judge(expect: Expectations, observed: Observation) -> Iterator[Verdict]:
    """A verdict for everything that is expected."""
    for name, together in _OF_DIRECTIONS.items():
        if bound := getattr(expect, name):
            by_direction = getattr(observed, name)
            measured = ", ".join(f"{way} {_number(value)}" for way, value in by_direction.items())
            known = None not in by_direction.values()
            passed = known and bound.holds(together(by_direction.values()))
            yield Verdict(name, str(bound), measured, passed)
    for name in _NUMBERS:
        if bound := getattr(expect, name):
            yield _of_bound(name, bound, getattr(observed, name))
    for name in _BY_NAME:
        for key, bound in getattr(expect, name).items():
            yield _of_bound(f"{name}.{key}", bound, getattr(observed, name).get(key, 0))
    if expect.path:
        yield from _of_path(expect.path, observed)
    if expect.plaintext:
        yield Verdict("plaintext", expect.plaintext, plaintext(observed.readable), not observed.readable)
    if expect.events:
        for kind in expect.events.some:
            count = observed.events.get(kind, 0)
            yield Verdict(f"events.{kind}", "at least 1", str(count), count > 0)
        for kind in expect.events.none:
            count = observed.events.get(kind, 0)
            yield Verdict(f"events.{kind}", "0", str(count), count == 0)


def _of_bound(what: str, bound: Bound, value: float) -> Verdict:
    return Verdict(what, str(bound), _number(value), bound.holds(value))


def _of_path(path: Path, observed: Observation) -> Iterator[Verdict]:
    unused = [link for link in path.uses if link not in observed.links]
    used = [link for link in path.avoids if link in observed.links]
    if path.uses:
        measured = f"nothing over {', '.join(unused)}" if unused else "traffic over all"
        yield Verdict("path.uses", ", ".join(path.uses), measured, not unused)
    if path.avoids:
        measured = f"traffic over {', '.join(used)}" if used else "none over them"
        arrived = bool(observed.links)
        yield Verdict(
            "path.avoids", ", ".join(path.avoids), measured if arrived else "no traffic", arrived and not used
        )


def _number(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:.1f}" if isinstance(value, float) else str(value)
