"""A measurement as a JSON document and as text for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from control.faults.outage import Delivery
from netns_lab.coverage import Path
from netns_lab.output import table_text

if TYPE_CHECKING:
    from netns_lab.measurement import FlowResult, Measurement

Span = Literal["before", "during", "after"]
SPANS: tuple[Span, ...] = ("before", "during", "after")
NS_PER_S, NS_PER_MS = 1e9, 1e6
COLUMNS = (
    "way",
    "flows",
    "hit",
    "dark",
    "cut off",
    "lost",
    "outage ms",
    "p99",
    "max",
    "loss-derived",
    "rate-derived",
    *(f"us {span}" for span in SPANS),
)
LEGEND = (
    "hit: flows that crossed what failed, or lost packets; dark: did not come back; cut off: had no way left",
    "outage: from a flow's first lost packet to its next one that arrived: median, p99 and longest, in ms",
    "loss-derived, rate-derived (RFC 6413), in ms: by the worst flow's lost packets, by the rate of all",
    "us: one-way latency, p50/p99, before the fault, until all was restored, and from then on",
)


def document(measurement: Measurement) -> dict[str, Any]:
    """As JSON types: outages in ms, times in ms after the act."""
    it = measurement.recording
    outages = {way: measurement.outage(way) for way in measurement.directions}
    return {
        "lab": it.plan.name,
        "what": it.what,
        "time": it.time,
        "observed_s": round((it.until_ns - it.t_ns) / NS_PER_S, 3),
        "survived": measurement.survived,
        "outage_ms": {way: round(outage.outage_ms_max, 1) for way, outage in outages.items()},
        "lost": {way: outage.lost for way, outage in outages.items()},
        "flows": {way: outage.flows for way, outage in outages.items()},
        "dark": {way: outage.dark for way, outage in outages.items()},
        "partitioned": sorted({str(result.pair) for result in measurement.partitioned}),
        "ways": [_way(measurement, way) for way in measurement.directions],
        "each_flow": [_flow(measurement, result) for result in measurement.results],
        "packets_per_s_and_flow": it.packets_per_s_and_flow,
        "resolution_ms": round(measurement.resolution_ms, 3),
        "sampling_ms": measurement.sampling_ms,
        "prefixes": it.prefixes,
        "host": {**asdict(measurement.host), "jitter_ms": round(measurement.host.jitter_ms, 3)},
        "plaintext": measurement.readable or "none",
        "uncovered": [
            {"way": str(path.way), "path": list(path.path), "flows": path.flows}
            for path in measurement.uncovered
        ],
        "instrument_lost": it.instrument_lost,
        "unread": dict(it.unread),
        "capture_dropped": it.capture_dropped,
        "doubts": measurement.doubts(),
        "timeline": [
            {
                "t_ms": round((milestone.t_ns - it.t_ns) / NS_PER_MS, 3),
                "step": str(milestone.step),
                "where": milestone.where,
                "event": milestone.sentence,
            }
            for milestone in measurement.timeline
        ],
    }


def _way(measurement: Measurement, way: str) -> dict[str, Any]:
    outage = measurement.outage(way)
    return {
        "way": way,
        "flows": len(measurement.of(way)),
        "hit": outage.flows,
        "dark": outage.dark,
        "partitioned": sum(result.partitioned for result in measurement.of(way)),
        "lost": outage.lost,
        "outage_ms": {
            "median": round(outage.outage_ms_median, 3),
            "p99": round(outage.outage_ms_p99, 3),
            "max": round(outage.outage_ms_max, 3),
        },
        "loss_derived_ms_max": round(outage.loss_derived_ms_max, 3),
        "rate_derived_ms": measurement.rate_derived_ms(measurement.judged(way)),
        "latency_us": {span: _latency(measurement.delivery(way, span)) for span in SPANS},
        "links_before": sorted(measurement.links_before[way]),
        "links_after": sorted(measurement.links_after[way]),
    }


def _latency(delivery: Delivery) -> dict[str, float | None]:
    return {"p50": _rounded(delivery.latency_us_median), "p99": _rounded(delivery.latency_us_p99)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _flow(measurement: Measurement, result: FlowResult) -> dict[str, Any]:
    return {
        "flow": result.flow.id,
        "way": result.flow.direction,
        "family": result.pair.family,
        "source": result.pair.source,
        "destination": result.pair.destination,
        "source_port": result.flow.source_port,
        "hit": result.hit,
        "dark": result.outage.dark,
        "partitioned": result.partitioned,
        "sent": result.outage.sent,
        "lost": result.outage.lost,
        "outage_ms": round(result.outage.outage_ms, 3),
        "loss_derived_ms": round(result.outage.loss_derived_ms, 3),
        "rate_derived_ms": measurement.rate_derived_ms([result]),
        "path_before": _path(result.path_before),
        "path_after": _path(result.path_after),
    }


def _path(path: Path | None) -> list[str] | None:
    return None if path is None else list(path)


def text(measurement: Measurement) -> str:
    """Timeline, table and what is to be known of them."""
    return "\n".join([*timeline_lines(measurement), "", *report_lines(measurement)])


def timeline_lines(measurement: Measurement) -> Iterator[str]:
    """One line for each milestone, in ms after the act."""
    for milestone in measurement.timeline:
        yield f"  {(milestone.t_ns - measurement.recording.t_ns) / NS_PER_MS:10.2f} ms  {milestone.sentence}"


def report_lines(measurement: Measurement) -> Iterator[str]:
    """The table of directions, then how it was measured."""
    it, host = measurement.recording, measurement.host
    rows = [_row(_way(measurement, way)) for way in measurement.directions]
    yield from table_text(COLUMNS, rows).splitlines()
    yield from LEGEND
    yield ""
    yield (
        f"{it.packets_per_s_and_flow:g} packets/s a flow: outages are known to "
        f"{measurement.resolution_ms:.1f} ms, rate-derived ones to {measurement.sampling_ms:g} ms"
    )
    yield (
        f"this machine: paused for at most {host.jitter_ms:.1f} ms; a flow that no fault touches: "
        f"p50 {_us(host.reference_us_median)} us, p99 {_us(host.reference_us_p99)} us"
    )
    yield f"prefixes: {it.prefixes}"
    yield f"plaintext: {plaintext(measurement.readable)}"
    for pair in sorted({str(result.pair) for result in measurement.partitioned}):
        yield f"partitioned: {pair}"
    yield from measurement.doubts()


def plaintext(readable: Mapping[str, int]) -> str:
    """By MACsec link, the probes that could be read on the wire, in words."""
    return ", ".join(f"{count} probes on {link}" for link, count in readable.items()) or "none"


def _row(way: dict[str, Any]) -> tuple[object, ...]:
    outage, latency = way["outage_ms"], way["latency_us"]
    return (
        way["way"],
        way["flows"],
        way["hit"],
        way["dark"],
        way["partitioned"],
        way["lost"],
        *(f"{outage[name]:.1f}" for name in ("median", "p99", "max")),
        f"{way['loss_derived_ms_max']:.1f}",
        f"{way['rate_derived_ms']:.0f}",
        *(f"{_us(latency[span]['p50'])}/{_us(latency[span]['p99'])}" for span in SPANS),
    )


def _us(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
