"""What the stopwatch read of one act under probes, and what follows from it: pure, from records alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from control.faults.outage import FlowOutage, OutageSummary, outages_after, summarize
from dataplane.captures.memory import CaptureWire
from dataplane.probes.flows import Flow
from dataplane.probes.records import Records
from netns_lab.plan import Family, LabPlan
from netns_lab.prediction import Failed, Pair, partitioned
from netns_lab.timeline import Milestone, milestones

SIGHTING = np.dtype([("t_ns", np.int64), ("flow", np.uint32), ("sequence", np.uint32), ("wire", np.uint16)])
"""A probe packet seen at monotonic time t_ns as it entered a wire; `wire` counts Measurement.wires."""

NS_PER_MS = 1e6
MS_PER_S = 1e3
Path = tuple[str, ...]
"""The links between routers that a packet crossed, in order."""


@dataclass(frozen=True, slots=True)
class FlowResult:
    """What one flow suffered. `hit`: it crossed a link that failed, or lost packets."""

    flow: Flow
    pair: Pair
    outage: FlowOutage
    path_before: Path
    """Empty where no packet arrived then."""
    path_after: Path
    hit: bool
    partitioned: bool
    """The failure left no way between its ends: what it lost is no outage."""


@dataclass(frozen=True)
class Measurement:
    """Probe records from `begin_ns`, an act at t_ns and what followed, to until_ns: CLOCK_MONOTONIC."""

    plan: LabPlan
    flows: tuple[Flow, ...]
    begin_ns: int
    t_ns: int
    until_ns: int
    sent: Records
    received: Records
    wires: tuple[CaptureWire, ...]
    sightings: Records
    events: tuple[Mapping[str, Any], ...]
    """Of the lab, from begin_ns on, as in its file of events."""
    instrument_lost: int
    """Probes that arrived and that the receiver lost: where it is not 0, loss is no proof of an outage."""

    @cached_property
    def failed(self) -> Failed:
        """The links and nodes that failed meanwhile, by the events."""
        subjects = {event["subject"] for event in self.events if event["kind"] == "fault"}
        return Failed(
            frozenset(link.name for link in self.plan.links if link.name in subjects),
            frozenset(node.name for node in self.plan.nodes if node.name in subjects),
        )

    @cached_property
    def results(self) -> tuple[FlowResult, ...]:
        """Every flow, by id."""
        cut_off = partitioned(self.plan, self.failed)
        before = self._paths(self.begin_ns, self.t_ns)
        after = self._paths(self.t_ns, self.until_ns)
        outages = outages_after(self.sent, self.received, self.t_ns, self.until_ns)
        by_id = {outage.flow: outage for outage in outages}
        results = []
        for flow in self.flows:
            pair, outage = self._pair(flow), by_id[flow.id]
            was, now = before.get(flow.id, ()), after.get(flow.id, ())
            hit = outage.lost > 0 or bool(self.failed.links.intersection(was))
            results.append(FlowResult(flow, pair, outage, was, now, hit, pair in cut_off))
        return tuple(results)

    @property
    def directions(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(flow.direction for flow in self.flows))

    def outage(self, direction: str) -> OutageSummary:
        """Of the flows of a direction that were hit and that are not partitioned."""
        return summarize(
            result.outage
            for result in self.results
            if result.flow.direction == direction and result.hit and not result.partitioned
        )

    @property
    def outage_ms(self) -> float:
        """The longest outage of any flow that is not partitioned; a lower bound where some are dark."""
        return max(self.outage(direction).outage_ms_max for direction in self.directions)

    @property
    def lost(self) -> int:
        """Packets lost, by flows that are not partitioned."""
        return sum(self.outage(direction).lost for direction in self.directions)

    @property
    def dark(self) -> tuple[FlowResult, ...]:
        """The flows that did not come back while they were watched, though a way was left."""
        return tuple(result for result in self.results if result.outage.dark and not result.partitioned)

    @property
    def partitioned(self) -> tuple[FlowResult, ...]:
        return tuple(result for result in self.results if result.partitioned)

    @property
    def survived(self) -> bool:
        """Whether every flow that could came back."""
        return not self.dark

    @property
    def resolution_ms(self) -> float:
        """How well outages are known: the longest send interval of a flow."""
        return max(result.outage.resolution_ms for result in self.results)

    @property
    def links_before(self) -> dict[str, frozenset[str]]:
        """By direction, the links that delivered packets crossed before the act."""
        return {
            way: frozenset(link for r in self.results if r.flow.direction == way for link in r.path_before)
            for way in self.directions
        }

    @property
    def links_after(self) -> dict[str, frozenset[str]]:
        """The same at the end."""
        return {
            way: frozenset(link for r in self.results if r.flow.direction == way for link in r.path_after)
            for way in self.directions
        }

    @cached_property
    def timeline(self) -> tuple[Milestone, ...]:
        """What happened, in order of time."""
        found = list(
            milestones(event for event in self.events if self.t_ns <= event["t_ns"] <= self.until_ns)
        )
        found += self._first_on_new_paths()
        return tuple(sorted(found, key=lambda milestone: milestone.t_ns))

    def as_json(self) -> dict[str, Any]:
        """Outages in ms, times in ms after the act."""
        outages = {way: self.outage(way) for way in self.directions}
        return {
            "outage_ms": {way: round(o.outage_ms_max, 1) for way, o in outages.items()},
            "lost": {way: outage.lost for way, outage in outages.items()},
            "flows": {way: outage.flows for way, outage in outages.items()},
            "dark": {way: outage.dark for way, outage in outages.items()},
            "partitioned": sorted({str(result.pair) for result in self.partitioned}),
            "resolution_ms": self.resolution_ms,
            "instrument_lost": self.instrument_lost,
            "timeline": [
                {"t_ms": round((milestone.t_ns - self.t_ns) / NS_PER_MS, 3), "event": milestone.sentence}
                for milestone in self.timeline
            ],
        }

    def _pair(self, flow: Flow) -> Pair:
        names = {node.namespace: node.name for node in self.plan.nodes}
        family: Family = "ipv4" if flow.family == 4 else "ipv6"
        return Pair(names[flow.source_namespace or ""], names[flow.destination_namespace or ""], family)

    def _paths(self, begin_ns: int, end_ns: int) -> dict[int, Path]:
        """By flow, the links of the last packet that was sent meanwhile and delivered."""
        chosen = (self.received["tx_ns"] >= begin_ns) & (self.received["tx_ns"] < end_ns)
        last = dict(
            zip(*(self.received[chosen][name].tolist() for name in ("flow", "sequence")), strict=True)
        )
        wanted = {flow << 32 | sequence for flow, sequence in last.items()}
        identity = self.sightings["flow"].astype(np.int64) << 32 | self.sightings["sequence"]
        paths: dict[int, list[str]] = {}
        for seen in self.sightings[np.isin(identity, list(wanted))]:
            paths.setdefault(int(seen["flow"]), []).append(self.wires[seen["wire"]].link)
        return {flow: tuple(links) for flow, links in paths.items()}

    def _first_on_new_paths(self) -> Iterator[Milestone]:
        """By direction, the first packet that a flow which was hit sent over another link than before."""
        before = {
            result.flow.id: (result.flow.direction, result.path_before)
            for result in self.results
            if result.hit
        }
        waiting = {direction for direction, _ in before.values()}
        for seen in self.sightings[self.sightings["t_ns"] > self.t_ns]:
            if not waiting:
                return
            direction, path = before.get(int(seen["flow"]), ("", ()))
            link = self.wires[seen["wire"]].link
            if direction in waiting and link not in path:
                waiting.remove(direction)
                yield Milestone(int(seen["t_ns"]), "first packet on the new path", f"{direction} over {link}")
