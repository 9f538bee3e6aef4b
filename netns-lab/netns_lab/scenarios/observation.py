"""From a measurement under probes to what a window of it was like. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dataplane.probes.records import Records
from netns_lab.coverage import taken_paths
from netns_lab.measurement import NS_PER_MS, FlowResult, Measurement
from netns_lab.scenarios.expectations import Observation

Times = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sample:
    """A lab at an instant: sessions that are up at both ends, kernel routes by node, SecY counters since the
    lab began."""

    sessions: int
    prefixes: Mapping[str, int] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Window:
    """What is judged by itself: from t_ns to until_ns, and until when traffic is where the fault drove it."""

    t_ns: int
    until_ns: int
    settled_ns: int
    before: Sample
    after: Sample


def observe(measurement: Measurement, window: Window) -> Observation:
    """What a window of the measurement was like."""
    whole = measurement.recording
    part = Measurement(whole.between(window.t_ns, window.until_ns))
    hit = {way: [r for r in part.results if _counts(r, way)] for way in part.directions}
    longest = {way: np.array([r.outage.longest_ms for r in results]) for way, results in hit.items()}
    latency = {way: _latency_ms(part, way) for way in part.directions}
    paths = taken_paths(whole.sightings, whole.wires, whole.received, window.t_ns, window.settled_ns)
    return Observation(
        outage_ms={way: float(times.max(initial=0.0)) for way, times in longest.items()},
        outage_median_ms={way: _percentile(times, 50) or 0.0 for way, times in longest.items()},
        outage_p99_ms={way: _percentile(times, 99) or 0.0 for way, times in longest.items()},
        lost={way: sum(r.outage.lost for r in results) for way, results in hit.items()},
        duplicates={way: _duplicates(part, way) for way in part.directions},
        latency_median_ms={way: _percentile(times, 50) for way, times in latency.items()},
        latency_p99_ms={way: _percentile(times, 99) for way, times in latency.items()},
        dark=len(part.dark),
        partitioned=len(part.partitioned),
        links=tuple(sorted({link for path in paths.values() for link in path})),
        sessions=window.after.sessions,
        prefixes=window.after.prefixes,
        counters={
            name: rise
            for name, count in window.after.counters.items()
            if (rise := count - window.before.counters.get(name, 0))
        },
        readable=measurement.readable,
        events=dict(
            Counter(event["kind"] for event in part.recording.events if event["t_ns"] >= window.t_ns)
        ),
    )


def _counts(result: FlowResult, way: str) -> bool:
    return result.flow.direction == way and result.hit and not result.partitioned


def _received(part: Measurement, way: str) -> Records:
    """What arrived of the packets that a direction's flows sent within the window."""
    it = part.recording
    flows = [flow.id for flow in it.flows if flow.direction == way]
    return it.received[np.isin(it.received["flow"], flows) & (it.received["tx_ns"] >= it.t_ns)]


def _duplicates(part: Measurement, way: str) -> int:
    received = _received(part, way)
    return len(received) - len(np.unique(received[["flow", "sequence"]]))


def _latency_ms(part: Measurement, way: str) -> Times:
    received = _received(part, way)
    latency: Times = (received["rx_ns"] - received["tx_ns"]) / NS_PER_MS
    return latency


def _percentile(times: Times, at: float) -> float | None:
    return float(np.percentile(times, at, method="inverted_cdf")) if len(times) else None
