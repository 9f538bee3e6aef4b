"""Made-up recordings of quad, in which every loss and every path is known."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import numpy as np
from netns_lab.coverage import SIGHTING, possible_paths
from netns_lab.demo import QUAD
from netns_lab.plan import LabPlan
from netns_lab.planning import plan_lab
from netns_lab.probe_flows import find_sites, make_flows, reference_flow
from netns_lab.recording import Recording
from netns_lab.topology import load_topology

from dataplane.captures.memory import CaptureWire
from dataplane.probes.flows import Flow
from dataplane.probes.records import RECEIVED, SENT

MS = 1_000_000
BEGIN_NS, T_NS, UNTIL_NS = -200 * MS, 0, 300 * MS
INTERVAL_NS = 5 * MS
LATENCY_NS = 100_000
CHANNELS = ("ch1", "ch2", "ch3", "ch4")
FLOWS_EACH_WAY = 32


@cache
def quad() -> LabPlan:
    """The plan of quad, with passwords that are none."""
    return plan_lab(load_topology(QUAD), bytes)


def channel_of(flow: Flow) -> str:
    """Each way has four flows on each channel."""
    return CHANNELS[flow.id // 4 % 4]


def record(
    lost: Callable[[Flow, float], bool] = lambda flow, at_ms: False,
    channel: Callable[[Flow, float], str] = lambda flow, at_ms: channel_of(flow),
    events: Iterable[Mapping[str, Any]] = (),
    latency_ns: Callable[[Flow, float], int] = lambda flow, at_ms: LATENCY_NS,
    skip: Callable[[float], bool] = lambda at_ms: False,
) -> Recording:
    """Every flow sends at each 5 ms, the flows 78 us apart; what is lost and where it went is asked by the ms
    of sending. `skip`: when the sender itself paused."""
    plan = quad()
    sites = find_sites(plan)
    flows = tuple(make_flows(plan, sites, FLOWS_EACH_WAY))
    reference = reference_flow(plan, sites[0], len(flows))
    wires = tuple(CaptureWire(name, end.node) for name in CHANNELS for end in plan.link(name).ends)
    sent, received, seen = [], [], []
    for sequence, turn_ns in enumerate(range(BEGIN_NS, UNTIL_NS, INTERVAL_NS)):
        for flow in (*flows, reference):
            tx_ns = turn_ns + flow.id * 78_000 % INTERVAL_NS
            at_ms = tx_ns / MS
            if skip(at_ms):
                continue
            sent.append((flow.id, sequence, tx_ns))
            if flow is not reference:
                wire = CaptureWire(channel(flow, at_ms), flow.direction.partition("->")[0])
                seen.append((tx_ns + 10_000, flow.id, sequence, wires.index(wire)))
            if not lost(flow, at_ms):
                received.append((flow.id, sequence, tx_ns, tx_ns + latency_ns(flow, at_ms)))
    received.sort(key=lambda record: record[3])
    forwarding = {
        (router, flow.destination_address): CHANNELS
        for flow in flows
        for router in [flow.direction.partition("->")[0]]
    }
    return Recording(
        plan=plan,
        what="link ch1 failed (carrier)",
        time="2026-11-27T12:00:00.000Z",
        begin_ns=BEGIN_NS,
        t_ns=T_NS,
        until_ns=UNTIL_NS,
        flows=flows,
        reference=reference,
        packets_per_s_and_flow=200,
        possible_paths=possible_paths(plan, forwarding, flows),
        prefixes=2,
        sent=np.array(sent, SENT),
        received=np.array(received, RECEIVED),
        wires=wires,
        sightings=np.array(seen, SIGHTING),
        readable=dict.fromkeys(CHANNELS, 0),
        capture_dropped=0,
        events=tuple(events),
        instrument_lost=0,
    )


def event(t_ms: float, kind: str, subject: str, text: str, **detail: object) -> dict[str, Any]:
    """As in the file of events."""
    return {"t_ns": round(t_ms * MS), "kind": kind, "subject": subject, "text": text, "detail": detail}


def cut(*links: str, mode: str = "carrier") -> dict[str, Any]:
    """The event of a fault that reached these links."""
    text = f"{' and '.join(links)} failed ({mode})"
    return event(0, "fault", links[0], text, mode=mode, links=list(links), nodes=[])


def a_cut_of_ch1() -> Recording:
    """aws->gcp over ch1 is dark from 0 to 20 ms, one flow of it to 40 ms; the other direction loses nothing.

    Then ch2 carries what ch1 did.
    """

    def lost(flow: Flow, at_ms: float) -> bool:
        end_ms = 40 if flow.id == 0 else 20
        return flow.direction == "aws->gcp" and channel_of(flow) == "ch1" and 0 <= at_ms < end_ms

    def channel(flow: Flow, at_ms: float) -> str:
        own = channel_of(flow)
        return "ch2" if own == "ch1" and at_ms >= 0 and not lost(flow, at_ms) else own

    return record(
        lost,
        channel,
        [
            event(-100, "session-up", "aws", "of no interest"),
            cut("ch1"),
            event(1, "interface-down", "aws:ch1", "aws:ch1 is down (loss of signal)"),
            event(3, "routes-moved", "aws", "aws took ch1 out of its nexthop groups", interface="ch1"),
            event(30, "session-down", "aws", "aws's session with gcp over ch1 is down"),
            event(31, "routes-moved", "aws", "aws rewrote its nexthop groups"),
        ],
    )
