"""What a window of a made-up recording was like, where every loss, path and fault is known."""

from __future__ import annotations

from typing import Any

import numpy as np
from netns_lab.coverage import SIGHTING
from netns_lab.measurement import Measurement
from netns_lab.planning import plan_lab
from netns_lab.probe_flows import find_sites, make_flows, reference_flow
from netns_lab.recording import Recording
from netns_lab.scenarios.observation import Sample, Window, observe
from netns_lab.templates import SHIPPED
from netns_lab.topology import load_topology

from dataplane.captures.memory import CaptureWire
from dataplane.probes.records import RECEIVED, SENT

MS = 1_000_000
INTERVAL_MS = 10
PACKETS = 400
WAYS = ("aws->gcp", "gcp->aws")
CHANNELS = ("ch1", "ch2", "ch3", "ch4")
PLAN = plan_lab(load_topology(SHIPPED / "quad.yaml"), bytes)


def fault(t_ms: int, link: str, kind: str = "fault") -> dict[str, Any]:
    detail = {"mode": "carrier", "fault": "link"} | (
        {"links": [link], "nodes": []} if kind == "fault" else {}
    )
    return {"t_ns": t_ms * MS, "kind": kind, "subject": link, "text": "", "detail": detail}


def recording(lost_ms: dict[int, list[range]], events: list[dict[str, Any]], moved_ms: int = 0) -> Recording:
    """Two flows each way, a packet every 10 ms, 2 ms on their way over ch1, from `moved_ms` on over ch2.

    `lost_ms` is by flow when what it sent did not arrive.
    """
    sites = find_sites(PLAN)
    flows = make_flows(PLAN, sites, 2)
    sent = np.zeros(len(flows) * PACKETS, SENT)
    number = np.arange(len(sent))
    sent["flow"], sent["sequence"] = number % len(flows), number // len(flows)
    sent["tx_ns"] = sent["sequence"].astype(np.int64) * INTERVAL_MS * MS
    arrives = np.array(
        [
            not any(int(tx_ns) // MS in span for span in lost_ms.get(int(flow), ()))
            for flow, tx_ns in zip(sent["flow"], sent["tx_ns"], strict=True)
        ]
    )
    received = np.zeros(int(arrives.sum()), RECEIVED)
    for field in ("flow", "sequence", "tx_ns"):
        received[field] = sent[field][arrives]
    received["rx_ns"] = received["tx_ns"] + 2 * MS
    sightings = np.zeros(len(sent), SIGHTING)
    for field, known in (("flow", "flow"), ("sequence", "sequence"), ("t_ns", "tx_ns")):
        sightings[field] = sent[known]
    sightings["wire"] = (sent["tx_ns"] >= moved_ms * MS) if moved_ms else 0
    return Recording(
        plan=PLAN,
        what="",
        time="",
        begin_ns=0,
        t_ns=1000 * MS,
        until_ns=PACKETS * INTERVAL_MS * MS,
        flows=tuple(flows),
        reference=reference_flow(PLAN, sites[0], len(flows)),
        packets_per_s_and_flow=1000 / INTERVAL_MS,
        possible_paths={},
        prefixes=2,
        sent=sent,
        received=received,
        wires=(CaptureWire("ch1", "aws"), CaptureWire("ch2", "aws")),
        sightings=sightings,
        readable={"ch1": 0},
        capture_dropped=0,
        events=tuple(events),
        instrument_lost=0,
    )


def window(t_ms: int, until_ms: int, settled_ms: int | None = None) -> Window:
    before = Sample(8, counters={"InPktsOK": 5, "InPktsLate": 1})
    after = Sample(6, {"aws": 2}, {"InPktsOK": 9, "InPktsLate": 1})
    return Window(t_ms * MS, until_ms * MS, (settled_ms or until_ms) * MS, before, after)


def test_each_window_has_its_own_losses_and_the_longest_of_several_runs() -> None:
    spans = {0: [range(1000, 1050), range(2000, 2200)], 1: [range(3000, 3020)]}
    measurement = Measurement(recording(spans, [fault(1000, "ch1")]))
    first = observe(measurement, window(1000, 2500))
    assert first.outage_ms == {WAYS[0]: 200.0, WAYS[1]: 0.0}
    assert first.lost == {WAYS[0]: 25, WAYS[1]: 0}
    assert (first.dark, first.partitioned, first.events) == (0, 0, {"fault": 1})
    assert observe(measurement, window(2990, 3500)).lost == {WAYS[0]: 0, WAYS[1]: 2}
    assert observe(measurement, window(3500, 4000)).lost == {WAYS[0]: 0, WAYS[1]: 0}


def test_state_is_that_of_the_end_and_counters_are_what_was_added() -> None:
    seen = observe(Measurement(recording({}, [])), window(1000, 2000))
    assert (seen.sessions, seen.prefixes, seen.counters) == (6, {"aws": 2}, {"InPktsOK": 4})
    assert seen.latency_median_ms == {WAYS[0]: 2.0, WAYS[1]: 2.0}
    assert seen.duplicates == {WAYS[0]: 0, WAYS[1]: 0}
    assert seen.readable == {}


def test_links_are_those_in_use_when_the_fault_ended() -> None:
    measurement = Measurement(recording({}, [], moved_ms=1500))
    assert observe(measurement, window(1000, 3000, settled_ms=1400)).links == ("ch1",)
    assert observe(measurement, window(1000, 3000, settled_ms=2000)).links == ("ch2",)


def test_a_flow_that_stays_dark_is_cut_off_only_where_all_channels_are_gone_at_once() -> None:
    dark = {0: [range(1000, 5000)]}
    at_once = [fault(1000 + number, name) for number, name in enumerate(CHANNELS)]
    seen = observe(Measurement(recording(dark, at_once)), window(1000, 4000))
    assert (seen.dark, seen.partitioned, seen.lost[WAYS[0]]) == (0, 4, 0)
    one_by_one = [
        event
        for number, name in enumerate(CHANNELS)
        for event in (fault(1000 + 100 * number, name), fault(1050 + 100 * number, name, "heal"))
    ]
    seen = observe(Measurement(recording(dark, one_by_one)), window(1000, 4000))
    assert (seen.dark, seen.partitioned, seen.lost[WAYS[0]]) == (1, 0, 300)


def test_what_was_cut_off_before_the_window_is_not_cut_off_in_it() -> None:
    gone = [fault(1000, name) for name in CHANNELS] + [fault(2000, name, "heal") for name in CHANNELS]
    measurement = Measurement(recording({0: [range(3000, 3050)]}, gone))
    assert observe(measurement, window(1500, 1900)).partitioned == 4
    later = observe(measurement, window(2500, 4000))
    assert (later.partitioned, later.lost[WAYS[0]]) == (0, 5)
