"""What follows from a recording of probes: outages as RFC 6413 tells them, latency, paths, timeline. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as DirectoryPath
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from control.faults.outage import (
    NOT_DELIVERED,
    Delivery,
    FlowOutage,
    OutageSummary,
    Times,
    arrivals,
    delivery,
    outages_after,
    rate_derived_ms,
    summarize,
)
from dataplane.probes.flows import Flow
from netns_lab.coverage import Path, Uncovered, taken_paths, uncovered
from netns_lab.event_log import EventKind
from netns_lab.measurement_report import Span, document
from netns_lab.plan import Family
from netns_lab.prediction import NOTHING, Failed, Pair, partitioned
from netns_lab.recording import Recording
from netns_lab.timeline import Milestone, Step, milestones
from netns_lab.unread import unread_doubts

NS_PER_MS, NS_PER_US, MS_PER_S = 1e6, 1e3, 1e3
REPORT = "report.json"
SAMPLING_MS = 10
"""The packet sampling interval of the rate-derived times."""
CUTS = {"carrier", "silent", "one-way", "maintenance", "dead", "frozen"}
"""Modes of faults that leave no way over what they reach."""


@dataclass(frozen=True, slots=True)
class FlowResult:
    """What one flow suffered. `hit`: it crossed a link that failed, or lost packets."""

    flow: Flow
    pair: Pair
    outage: FlowOutage
    path_before: Path | None
    path_after: Path | None
    """Of the last packet that arrived before the act, and at the end; None where none did."""
    hit: bool
    partitioned: bool
    """The failure left no way between its ends: what it lost is no outage."""


@dataclass(frozen=True, slots=True)
class HostJitter:
    """How long the machine itself kept probes waiting after the act."""

    sender_pause_ms: float
    """The longest time between two sends in succession, of whatever flow."""
    reference_us_median: float | None
    reference_us_p99: float | None
    reference_us_max: float | None
    """Latency of the flow that leaves no namespace."""

    @property
    def jitter_ms(self) -> float:
        """No outage shorter than this can be told from a pause of the machine."""
        return max(self.sender_pause_ms, (self.reference_us_max or 0.0) * NS_PER_US / NS_PER_MS)


@dataclass(frozen=True)
class Measurement:
    """A recording and what it says. `survived`: every flow that had a way left came back."""

    recording: Recording

    @cached_property
    def cut_off(self) -> frozenset[Pair]:
        """The hosts that what had failed altogether, at one time after the act, left no way between them."""
        plan = self.recording.plan
        return frozenset(pair for failed in self._failures() for pair in partitioned(plan, failed))

    @cached_property
    def results(self) -> tuple[FlowResult, ...]:
        """Every flow, by id."""
        it = self.recording
        reached = self._reached()
        outages = outages_after(it.sent, self.rx_ns, it.t_ns, it.until_ns, in_flight_ns=self._in_flight_ns)
        by_id = {outage.flow: outage for outage in outages}
        after = taken_paths(it.sightings, it.wires, it.received, it.t_ns, it.until_ns)
        results = []
        for flow in it.flows:
            pair, outage = self._pair(flow), by_id[flow.id]
            was = self._paths_before.get(flow.id)
            hit = outage.lost > 0 or not reached.links.isdisjoint(was or ())
            results.append(FlowResult(flow, pair, outage, was, after.get(flow.id), hit, pair in self.cut_off))
        return tuple(results)

    @property
    def directions(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(flow.direction for flow in self.recording.flows))

    def of(self, direction: str) -> tuple[FlowResult, ...]:
        """The flows of a direction."""
        return tuple(result for result in self.results if result.flow.direction == direction)

    def outage(self, direction: str) -> OutageSummary:
        """Of the flows of a direction that were hit and that are not partitioned."""
        return summarize(result.outage for result in self.judged(direction))

    def rate_derived_ms(self, results: Iterable[FlowResult]) -> float:
        """Of flows together."""
        it, ids = self.recording, [result.flow.id for result in results]
        chosen = np.isin(it.sent["flow"], ids)
        times = it.sent["tx_ns"][chosen], self.rx_ns[chosen]
        return rate_derived_ms(*times, it.t_ns, it.until_ns, round(self.sampling_ms * NS_PER_MS))

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
        return not self.dark

    @property
    def resolution_ms(self) -> float:
        """How well outages are known: the longest send interval of a flow."""
        return max(result.outage.resolution_ms for result in self.results)

    @property
    def readable(self) -> dict[str, int]:
        """By MACsec link, probes that could be read on the wire; empty: none."""
        return {link: count for link, count in self.recording.readable.items() if count}

    @property
    def uncovered(self) -> list[Uncovered]:
        """The paths that traffic might have taken before the act and that too few flows took."""
        return uncovered(self.recording.flows, self._paths_before, self.recording.possible_paths)

    @property
    def links_before(self) -> dict[str, frozenset[str]]:
        """By direction, the links that packets which arrived before the act had crossed."""
        return {way: _links(result.path_before for result in self.of(way)) for way in self.directions}

    @property
    def links_after(self) -> dict[str, frozenset[str]]:
        """The same of the last packets that arrived, at the end."""
        return {way: _links(result.path_after for result in self.of(way)) for way in self.directions}

    def delivery(self, direction: str, span: Span) -> Delivery:
        """Loss and latency before the act, until everything was restored, and from then on."""
        it = self.recording
        ends = {
            "before": (it.begin_ns, it.t_ns),
            "during": (it.t_ns, self._settled_ns),
            "after": (self._settled_ns, it.until_ns),
        }
        ids = [flow.id for flow in it.flows if flow.direction == direction]
        chosen = np.isin(it.sent["flow"], ids)
        return delivery(it.sent[chosen], self.rx_ns[chosen], *ends[span])

    @cached_property
    def rx_ns(self) -> Times:
        """When each of the packets sent arrived, or NOT_DELIVERED."""
        return arrivals(self.recording.sent, self.recording.received)

    @cached_property
    def host(self) -> HostJitter:
        """The machine's own part, after the act."""
        it = self.recording
        tx_ns = np.sort(it.sent["tx_ns"][it.sent["tx_ns"] >= it.t_ns])
        pause_ms = float(np.diff(tx_ns).max()) / NS_PER_MS if len(tx_ns) > 1 else 0.0
        own = it.sent["flow"] == it.reference.id
        reference = delivery(it.sent[own], self.rx_ns[own], it.t_ns, it.until_ns)
        return HostJitter(
            pause_ms, reference.latency_us_median, reference.latency_us_p99, reference.latency_us_max
        )

    def doubts(self) -> list[str]:
        """Sentences that say what the measurement cannot tell."""
        it, found = self.recording, []
        if it.instrument_lost:
            found.append(f"the receiver itself lost {it.instrument_lost} packets: loss is no proof here")
        found += unread_doubts(it.unread)
        before = delivery(it.sent, self.rx_ns, it.begin_ns, it.t_ns - self._in_flight_ns)
        if before.lost:
            found.append(f"{before.lost} of {before.sent} packets were lost before the fault, without it")
        if 0 < self.outage_ms < self.host.jitter_ms:
            found.append(
                f"this machine paused for {self.host.jitter_ms:.1f} ms, longer than the outage: "
                "how long that was cannot be told"
            )
        if it.capture_dropped:
            found.append(f"the capture had no room for {it.capture_dropped} frames: paths may lack some")
        found += [f"not covered: {path}" for path in self.uncovered]
        return found

    @cached_property
    def timeline(self) -> tuple[Milestone, ...]:
        """What happened, in order of time."""
        it = self.recording
        events = (event for event in it.events if it.t_ns <= event["t_ns"] <= it.until_ns)
        found = [
            *milestones(events),
            *self._first_on_new_paths(),
            *self._last_losses(),
            *self._restorations(),
        ]
        return tuple(sorted(found))

    @property
    def _settled_ns(self) -> int:
        """When the last flow was restored, or what the lab did about the fault was done."""
        return max((m.t_ns for m in self.timeline if m.step is not Step.HEALED), default=self.recording.t_ns)

    @cached_property
    def _paths_before(self) -> dict[int, Path]:
        it = self.recording
        return taken_paths(it.sightings, it.wires, it.received, it.begin_ns, it.t_ns)

    @cached_property
    def _in_flight_ns(self) -> int:
        """What was sent so much before the act may have been lost to it."""
        it = self.recording
        before = delivery(it.sent, self.rx_ns, it.begin_ns, it.t_ns)
        return round((before.latency_us_p99 or 0.0) * NS_PER_US)

    def _reached(self) -> Failed:
        """The links and nodes that faults of any mode reached, at any time."""
        return _together(event for event in self.recording.events if event["kind"] == EventKind.FAULT)

    def _failures(self) -> set[Failed]:
        """What had failed altogether at one time: at the act, and after each change that followed."""
        active: dict[tuple[str, str], Mapping[str, Any]] = {}
        found = {NOTHING}
        for event in self.recording.events:
            if event["t_ns"] > self.recording.t_ns:
                found.add(_together(active.values()))
            mode, thing = event["detail"].get("mode"), (event["subject"], event["detail"].get("fault", ""))
            if event["kind"] == EventKind.FAULT and mode in CUTS:
                active[thing] = event
            elif event["kind"] == EventKind.HEAL and mode in (None, *CUTS):
                active.pop(thing, None)
        return found | {_together(active.values())}

    def judged(self, direction: str) -> list[FlowResult]:
        """These flows."""
        return [result for result in self.of(direction) if result.hit and not result.partitioned]

    @property
    def sampling_ms(self) -> float:
        """The packet sampling interval: room for two packets of a flow."""
        return max(SAMPLING_MS, 2 * MS_PER_S / self.recording.packets_per_s_and_flow)

    def _pair(self, flow: Flow) -> Pair:
        names = {node.namespace: node.name for node in self.recording.plan.nodes}
        family: Family = "ipv4" if flow.family == 4 else "ipv6"
        return Pair(names[flow.source_namespace or ""], names[flow.destination_namespace or ""], family)

    def _lost(self, direction: str) -> npt.NDArray[np.bool_]:
        """Which of `sent` the flows of a direction that are judged lost after the act."""
        it = self.recording
        ids = [result.flow.id for result in self.judged(direction)]
        window = (it.sent["tx_ns"] >= it.t_ns - self._in_flight_ns) & (it.sent["tx_ns"] < it.until_ns)
        lost: npt.NDArray[np.bool_] = (self.rx_ns == NOT_DELIVERED) & np.isin(it.sent["flow"], ids)
        return lost & window

    def _first_on_new_paths(self) -> Iterator[Milestone]:
        """By direction, the first packet of a flow that was hit on another link, which did not fail, too."""
        it = self.recording
        failed = frozenset(link for failures in self._failures() for link in failures.links)
        before = {r.flow.id: (r.flow.direction, r.path_before or ()) for r in self.results if r.hit}
        waiting = {direction for direction, _ in before.values()}
        seen = it.sightings[(it.sightings["t_ns"] > it.t_ns) & np.isin(it.sightings["flow"], list(before))]
        for t_ns, flow, _, wire in np.sort(seen, order="t_ns").tolist():
            direction, path = before[flow]
            link = it.wires[wire].link
            if direction in waiting and link not in path and link not in failed:
                waiting.remove(direction)
                yield Milestone(t_ns, Step.NEW_PATH, direction, f"{direction} over {link}")

    def _last_losses(self) -> Iterator[Milestone]:
        sent = self.recording.sent
        for direction in self.directions:
            if (lost := self._lost(direction)).any():
                t_ns = int(sent["tx_ns"][lost].max())
                text = f"{direction}, of {np.count_nonzero(lost)} packets"
                yield Milestone(t_ns, Step.LAST_LOSS, direction, text)

    def _restorations(self) -> Iterator[Milestone]:
        """By direction, when the last of its flows had a packet delivered again."""
        it = self.recording
        for direction in self.directions:
            summary = self.outage(direction)
            if summary.last_restored_ms is not None and not summary.dark:
                t_ns = it.t_ns + round(summary.last_restored_ms * NS_PER_MS)
                yield Milestone(t_ns, Step.RESTORED, direction, f"all flows of {direction}")

    def as_json(self) -> dict[str, Any]:
        """Outages in ms, times in ms after the act."""
        return document(self)

    def save(self, directory: DirectoryPath) -> None:
        """Keeps the recording, and as report.json what follows from it."""
        self.recording.save(directory)
        (directory / REPORT).write_text(json.dumps(self.as_json(), indent=1) + "\n")

    @classmethod
    def load(cls, directory: DirectoryPath) -> Self:
        """What was saved; LabError where there is none."""
        return cls(Recording.load(directory))


def _links(paths: Iterable[Path | None]) -> frozenset[str]:
    return frozenset(link for path in paths for link in path or ())


def _together(faults: Iterable[Mapping[str, Any]]) -> Failed:
    """The links and nodes that faults reach, by their events."""
    links, nodes = set(), set()
    for event in faults:
        links |= {*event["detail"].get("links", (event["subject"],))}
        nodes |= {*event["detail"].get("nodes", ())}
    return Failed(frozenset(links), frozenset(nodes))
