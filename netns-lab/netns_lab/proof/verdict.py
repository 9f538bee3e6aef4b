"""What a failure did to a lab beside what the graph says it should do; any difference is a finding."""

import statistics
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from netns_lab.prediction import Pair
from netns_lab.proof.failures import Failure


@dataclass(frozen=True, slots=True)
class Observation:
    """What the probes of one trial tell. Pairs are those of the lab's hosts, an outage is the longest of a
    pair's flows.

    `silent` pairs had flows without a single packet at the end of the trial, `heard` ones had flows with.
    """

    outage_ms: Mapping[Pair, float]
    lost: Mapping[Pair, int]
    silent: frozenset[Pair]
    heard: frozenset[Pair]
    instrument_lost: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """One failure: who was cut off as predicted, what the others lost, and what nobody expected."""

    failure: str
    cut_off: tuple[Pair, ...]
    outage_ms_median: float
    outage_ms_max: float
    longest: Pair | None
    """Whose outage that was; None where nobody lost anything."""
    lost: int
    findings: tuple[str, ...]

    @property
    def partitions(self) -> bool:
        """Whether the failure was predicted to cut hosts off."""
        return bool(self.cut_off)

    @property
    def survived(self) -> bool:
        """Whether every host stayed reachable, as predicted."""
        return not self.partitions and not self.findings

    def as_json(self) -> dict[str, Any]:
        """Outages in ms."""
        return {
            "failure": self.failure,
            "survived": self.survived,
            "partitioned": [pair._asdict() for pair in self.cut_off],
            "outage_ms": {"median": round(self.outage_ms_median, 1), "max": round(self.outage_ms_max, 1)},
            "longest": str(self.longest) if self.longest else None,
            "lost": self.lost,
            "findings": list(self.findings),
        }


def disagreements(observed: Observation, expected: Collection[Pair]) -> list[str]:
    """The pairs that do not do what they are expected to: be reachable, or be cut off if not expected."""
    found = [f"{pair}: predicted to be reachable, but dark" for pair in sorted(observed.silent & {*expected})]
    return found + [
        f"{pair}: predicted to be cut off, but reached" for pair in sorted(observed.heard - {*expected})
    ]


def judge(
    failure: Failure, observed: Observation, expected: Collection[Pair], before: Collection[Pair]
) -> Verdict:
    """`expected` is who should be reachable during the failure, `before` without it."""
    findings = disagreements(observed, expected)
    if observed.instrument_lost:
        findings.append(f"the receiver itself lost {observed.instrument_lost} packets: too busy to tell")
    touched = {pair: ms for pair, ms in observed.outage_ms.items() if ms > 0 and pair in expected}
    return Verdict(
        failure=str(failure),
        cut_off=tuple(sorted({*before} - {*expected})),
        outage_ms_median=statistics.median(touched.values()) if touched else 0.0,
        outage_ms_max=max(touched.values(), default=0.0),
        longest=max(touched, key=lambda pair: touched[pair], default=None),
        lost=sum(lost for pair, lost in observed.lost.items() if pair in expected),
        findings=tuple(findings),
    )


def cut_off_text(pairs: Collection[Pair], hosts: Collection[str]) -> str:
    """Who is cut off: hosts that reach nobody by name, otherwise pairs."""
    if not pairs:
        return ""
    both = {frozenset((pair.source, pair.destination)) for pair in pairs}
    alone = [host for host in sorted(hosts) if sum(host in pair for pair in both) == len(hosts) - 1]
    rest = sorted(" - ".join(sorted(pair)) for pair in both if pair.isdisjoint(alone))
    return ", ".join([*alone, *rest])
