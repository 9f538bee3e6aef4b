"""One failure under traffic: probe flows between two sites, their channels, and how long they were dark."""

import struct
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Any, Literal, Self

from control.faults.outage import OutageSummary, outages_after, summarize_by
from dataplane.captures.memory import CapturePoint
from dataplane.captures.reader import CaptureReader
from dataplane.client import EngineClient
from dataplane.probes.flows import Flow
from dataplane.probes.load import Load
from dataplane.probes.records import ProbeRecords
from dataplane.probes.session import ProbeSession
from netns_lab.api import ControllerClient
from netns_lab.directory import LabDirectory, LabError
from netns_lab.event_log import EventKind
from netns_lab.plan import LabPlan, NodePlan

FLOWS_EACH_WAY = 32
PACKETS_PER_S_AND_FLOW = 200
PROBE_OCTETS = 64
PROBE_PORT = 9000
FIRST_SOURCE_PORT = 40000
OBSERVED_BEFORE_FAULT_S = 0.5
NS_PER_MS = 1e6
# Ethernet, IP and UDP headers, then the probe's magic and flow.
_PROBE_AT = {0x0800: 42, 0x86DD: 62}
_PROBE = struct.Struct(">IH")
SNAP_OCTETS = 80
RING_OCTETS = 32 << 20
"""For what one wire carries in a trial, in memory that is taken when it is written to."""


@dataclass(frozen=True, slots=True)
class Site:
    """A router and the hosts behind it."""

    router: NodePlan
    hosts: tuple[NodePlan, ...]


@dataclass(frozen=True, slots=True)
class Sighting:
    """A probe packet seen on a channel, at monotonic time t_ns."""

    t_ns: int
    channel: str
    flow: int


@dataclass(frozen=True, slots=True)
class TrialResult:
    """One fault: per direction what the flows on the failed channel suffered, and the timeline."""

    mode: str
    link: str
    outages: dict[str, OutageSummary]
    timeline: tuple[tuple[float, str], ...]
    instrument_lost: int
    """Probes that arrived and that the receiver lost: where it is not 0, loss is no proof of an outage."""

    @property
    def resolution_ms(self) -> float:
        """How well the outages are known: the longest send interval of a flow."""
        return max((outage.resolution_ms for outage in self.outages.values()), default=0.0)

    def as_json(self) -> dict[str, Any]:
        """Outages in ms, times in ms after the fault."""
        return {
            "mode": self.mode,
            "link": self.link,
            "outage_ms": {way: round(o.outage_ms_max, 1) for way, o in self.outages.items()},
            "lost": {way: outage.lost for way, outage in self.outages.items()},
            "flows": {way: outage.flows for way, outage in self.outages.items()},
            "dark": {way: outage.dark for way, outage in self.outages.items()},
            "resolution_ms": self.resolution_ms,
            "instrument_lost": self.instrument_lost,
            "timeline": [{"t_ms": round(t_ms, 3), "event": event} for t_ms, event in self.timeline],
        }


def find_sites(plan: LabPlan) -> tuple[Site, Site]:
    """The first two routers that have hosts; LabError where there are not two."""
    sites = []
    hosts_of_lab = {node.name: node for node in plan.nodes if node.kind == "host"}
    for router in plan.nodes:
        if router.asn is None:
            continue
        hosts = [
            hosts_of_lab[other.node]
            for link in plan.links
            for end, other in (link.ends, link.ends[::-1])
            if end.node == router.name and other.node in hosts_of_lab
        ]
        if hosts:
            sites.append(Site(router, tuple(hosts)))
    if len(sites) < 2:
        raise LabError(
            f"lab {plan.name}: traffic needs two routers with hosts behind them, found {len(sites)}"
        )
    return sites[0], sites[1]


def make_flows(plan: LabPlan, sites: tuple[Site, Site], each_way: int = FLOWS_EACH_WAY) -> list[Flow]:
    """Flows between all pairs of hosts, both ways and both families, `each_way` in each direction."""
    flows: list[Flow] = []
    for near, far in (sites, sites[::-1]):
        direction = f"{near.router.name}->{far.router.name}"
        pairs = [(source, destination) for source in near.hosts for destination in far.hosts]
        for number in range(each_way):
            source, destination = pairs[number // 2 % len(pairs)]
            family: Literal[4, 6] = 4 if number % 2 == 0 else 6
            flows.append(
                Flow(
                    id=len(flows),
                    direction=direction,
                    family=family,
                    source_namespace=source.namespace,
                    source_address=address_of(plan, source, family),
                    destination_namespace=destination.namespace,
                    destination_address=address_of(plan, destination, family),
                    source_port=FIRST_SOURCE_PORT + len(flows),
                    destination_port=PROBE_PORT,
                )
            )
    return flows


def address_of(plan: LabPlan, node: NodePlan, family: int) -> str:
    """Where a node is reached; LabError where it has no address of that family."""
    wanted = [address for address in plan.hosts[node.name] if (":" in address) == (family == 6)]
    if not wanted:
        raise LabError(f"{node.name} has no IPv{family} address for probes")
    return wanted[0]


class Traffic:
    """Probe flows on their way, and a capture that tells which channel each takes. A context."""

    def __init__(self, directory: LabDirectory, plan: LabPlan, duration_s: float) -> None:
        self._directory = directory
        sites = find_sites(plan)
        ends = {site.router.name for site in sites}
        self.channels = [link.name for link in plan.links if {end.node for end in link.ends} == ends]
        self.flows = make_flows(plan, sites)
        self.session = ProbeSession(
            self.flows,
            Load(
                packets_per_s=PACKETS_PER_S_AND_FLOW * len(self.flows),
                size_octets=PROBE_OCTETS,
                duration_s=duration_s,
            ),
        )
        self.controller = ControllerClient(directory)
        self._engine = EngineClient(directory.engine_socket)
        self._opened = ExitStack()
        self._watching: CaptureReader | None = None

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            opened.callback(self._engine.close)
            opened.callback(self.controller.close)
            opened.enter_context(self.session)
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._opened.close()

    def watch(self) -> None:
        """Starts to capture what enters each channel."""
        channels = [state for state in self._engine.links() if state.name in self.channels]
        wires = [wire for state in channels for wire in state.wires]
        memory = self._engine.start_capture(wires, CapturePoint.SENT, SNAP_OCTETS, RING_OCTETS)
        self._watching = CaptureReader(memory)

    def unwatch(self) -> list[Sighting]:
        """Ends the capture; every probe packet it saw, in order of time."""
        assert self._watching is not None
        reader, self._watching = self._watching, None
        self._engine.stop_capture(reader.memory.id)
        return list(self._sightings(reader))

    def _sightings(self, reader: CaptureReader) -> Iterator[Sighting]:
        for frame in reader.read(last=True):
            at = _PROBE_AT.get(int.from_bytes(frame.data[12:14], "big"))
            if at is None or len(frame.data) < at + _PROBE.size:
                continue
            magic, flow = _PROBE.unpack_from(frame.data, at)
            if magic == self.session.magic:
                yield Sighting(frame.time_ns, reader.memory.wires[frame.wire].link, flow)

    def busiest_channel(self) -> str:
        """The channel that carries most flows, of those that carry flows both ways."""
        self.watch()
        time.sleep(OBSERVED_BEFORE_FAULT_S)
        directions = {flow.id: flow.direction for flow in self.flows}
        carried: dict[str, set[int]] = {channel: set() for channel in self.channels}
        for sighting in self.unwatch():
            carried[sighting.channel].add(sighting.flow)
        counts = {channel: Counter(directions[flow] for flow in flows) for channel, flows in carried.items()}
        return max(counts, key=lambda channel: (len(counts[channel]), counts[channel].total()))

    def fail(self, link: str, mode: str, observe_s: float) -> TrialResult:
        """Fails a link, watches for observe_s, and tells what its flows suffered. The link stays failed."""
        self.watch()
        time.sleep(OBSERVED_BEFORE_FAULT_S)
        t_ns = self.controller.call("fail", link=link, mode=mode, from_node=None, for_s=None)["t_ns"]
        time.sleep(observe_s)
        sightings = self.unwatch()
        until_ns = time.monotonic_ns()
        time.sleep(OBSERVED_BEFORE_FAULT_S)  # the last packets sent by then must have time to arrive
        events = self.controller.call("events", since_ns=t_ns)
        return self._evaluate(mode, link, t_ns, until_ns, sightings, self.session.records(), events)

    def _evaluate(
        self,
        mode: str,
        link: str,
        t_ns: int,
        until_ns: int,
        sightings: list[Sighting],
        records: ProbeRecords,
        events: list[dict[str, Any]],
    ) -> TrialResult:
        affected = {s.flow for s in sightings if s.channel == link and s.t_ns < t_ns}
        ways = {flow.id: flow.direction for flow in self.flows if flow.id in affected}
        outages = outages_after(records.sent, records.received, t_ns, until_ns)
        summaries = summarize_by([o for o in outages if o.flow in affected], ways)
        times = list(_milestones(event for event in events if event["t_ns"] <= until_ns))
        for way in summaries:
            moved = (s for s in sightings if s.t_ns > t_ns and s.channel != link and ways.get(s.flow) == way)
            times += [
                (s.t_ns, f"first packet on the new path: {way} over {s.channel}") for s in islice(moved, 1)
            ]
        timeline = sorted(((at_ns - t_ns) / NS_PER_MS, text) for at_ns, text in times)
        instrument_lost = records.overruns + records.receive_buffer_drops
        return TrialResult(mode, link, summaries, tuple(timeline), instrument_lost)


def _milestones(events: Iterable[dict[str, Any]]) -> Iterator[tuple[int, str]]:
    """The events that lead from the fault to the new path, each with what it is on that way.

    A router detects a fault by its interface or, where that stays up, by the first session it loses.
    """
    detected: set[str] = set()
    for event in events:
        node = event["subject"].partition(":")[0]
        match event["kind"]:
            case EventKind.FAULT:
                label = "fault"
            case EventKind.INTERFACE_DOWN | EventKind.SESSION_DOWN if node not in detected:
                label = "detected"
                detected.add(node)
            case EventKind.SESSION_DOWN:
                label = "session down"
            case EventKind.ROUTES_MOVED:
                label = "routes moved"
            case _:
                continue
        yield event["t_ns"], f"{label}: {event['text']}"
