"""A lab's numbers as Prometheus metrics: names, labels and units by Prometheus' conventions."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from dataplane.interface import LinkState
from dataplane.lines import Document
from dataplane.links.link import DROP_REASONS, LATENCY_SLOT, WIRE_COUNTERS, Counters, LinkCounters
from dataplane.macsec.counters import counters_by_name
from netns_lab.plan import ETHERNET

NS_PER_S = 1e9
US_PER_S = 1e6
DIRECTION = ("lab", "link", "direction")
COUNTED = {
    "tx_frames": ("sent_frames", "Frames that the sending node put on the link."),
    "tx_octets": ("sent_octets", "Octets of these, from destination address to payload."),
    "rx_frames": ("frames", "Frames that were delivered to the receiving node."),
    "rx_octets": ("octets", "Octets of these, from destination address to payload."),
    "duplicated": ("duplicated_frames", "Frames that an impairment sent twice."),
    "reordered": ("reordered_frames", "Frames that an impairment let others overtake."),
    "corrupted": ("corrupted_frames", "Frames of which an impairment inverted a bit."),
    "tx_super_frames": ("sent_super_frames", "Super-frames that were cut into frames."),
    "rx_super_frames": ("super_frames", "Super-frames that delivered frames were joined to."),
}
"""Counters of a direction: what each is called behind quadlink_link_, and what it counts."""
GAUGES = {
    "queue_frames": "Frames that are on the link now.",
    "queue_octets": "Octets that are on the link now.",
}
LATENCY = "latency_ns"


@dataclass(frozen=True, slots=True)
class LinkReading:
    """A link: what it is, who has carrier, by end, and copies of its counters."""

    state: LinkState
    carriers: tuple[bool, bool]
    counters: LinkCounters

    @property
    def directions(self) -> tuple[str, str]:
        """By sending end."""
        one, other = (end.node for end in self.state.ends)
        return f"{one}->{other}", f"{other}->{one}"


@dataclass(frozen=True, slots=True)
class LabReading:
    """A lab at one moment: which of its processes answer, its links, its sessions in `inspect`'s words."""

    name: str
    processes: Mapping[str, bool]
    links: Sequence[LinkReading]
    sessions: Sequence[Document]


class LabCollector(Collector):
    """Reads the labs anew at every scrape."""

    def __init__(self, read: Callable[[], Iterable[LabReading]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Every metric of every lab."""
        yield from families(list(self._read()))


def registry(read: Callable[[], Iterable[LabReading]]) -> CollectorRegistry:
    """A registry that has the labs' metrics and no other."""
    made = CollectorRegistry()
    made.register(LabCollector(read))
    return made


def families(labs: Sequence[LabReading]) -> Iterator[Metric]:
    """The metrics of the labs, each family once."""
    processes = GaugeMetricFamily(
        "quadlink_process_up", "Whether a process of the lab answers.", labels=("lab", "process")
    )
    for lab in labs:
        for process, up in lab.processes.items():
            processes.add_metric((lab.name, process), up)
    yield processes
    yield from _link_families(labs)
    yield from _wire_families(labs)
    yield _macsec_family(labs)
    yield from _bgp_families(labs)


def _link_families(labs: Sequence[LabReading]) -> Iterator[Metric]:
    info = InfoMetricFamily("quadlink_link", "What a link is.", labels=("lab", "link"))
    carrier = GaugeMetricFamily(
        "quadlink_link_carrier",
        "Whether the interface at an end of a link has carrier.",
        labels=("lab", "link", "node", "interface"),
    )
    for lab, link in _links(labs):
        state = link.state
        cipher = state.macsec.cipher if state.macsec else ""
        info.add_metric((lab, state.name), {"type": state.type.value, "cipher": cipher})
        for end, up in zip(state.ends, link.carriers, strict=True):
            if end.node == ETHERNET:
                continue
            carrier.add_metric((lab, state.name, end.node, end.interface), up)
    yield info
    yield carrier


def _wire_families(labs: Sequence[LabReading]) -> Iterator[Metric]:
    counted = {
        name: CounterMetricFamily(f"quadlink_link_{called}", told, labels=DIRECTION)
        for name, (called, told) in COUNTED.items()
    }
    gauges = {
        name: GaugeMetricFamily(f"quadlink_link_{name}", told, labels=DIRECTION)
        for name, told in GAUGES.items()
    }
    drops = CounterMetricFamily(
        "quadlink_link_drops", "Frames that were not delivered.", labels=(*DIRECTION, "reason")
    )
    latency = HistogramMetricFamily(
        "quadlink_link_latency_seconds",
        "Time that delivered frames spent in the engine, without what an impairment asked for.",
        labels=DIRECTION,
    )
    for lab, link in _links(labs):
        for direction, wire in zip(link.directions, link.counters.wires, strict=True):
            labels = (lab, link.state.name, direction)
            for name, value in zip(WIRE_COUNTERS, wire.tolist(), strict=False):
                if reason := DROP_REASONS.get(name):
                    drops.add_metric((*labels, reason), value)
                elif name in gauges:
                    gauges[name].add_metric(labels, value)
                elif name != LATENCY:
                    counted[name].add_metric(labels, value)
            sum_s = float(wire[WIRE_COUNTERS.index(LATENCY)]) / NS_PER_S
            latency.add_metric(labels, _buckets(wire[LATENCY_SLOT:]), sum_s)
    yield from counted.values()
    yield from gauges.values()
    yield drops
    yield latency


def _buckets(counts: Counters) -> list[tuple[str, float]]:
    """Upper bounds in seconds, the last without, and how many frames took no longer."""
    bounds = [*(str((1 << i) / US_PER_S) for i in range(len(counts) - 1)), "+Inf"]
    return list(zip(bounds, counts.cumsum().tolist(), strict=True))


def _macsec_family(labs: Sequence[LabReading]) -> Metric:
    family = CounterMetricFamily(
        "quadlink_macsec_counter",
        "Counters of a SecY under the names of IEEE 802.1AE-2018: frames, and octets where the name says so.",
        labels=("lab", "link", "node", "counter"),
    )
    for lab, link in _links(labs):
        if link.state.macsec is None:
            continue
        for end, counters in zip(link.state.ends, link.counters.secys, strict=True):
            if end.node == ETHERNET:
                continue
            for name, value in counters_by_name(counters).items():
                family.add_metric((lab, link.state.name, end.node, name), value)
    return family


def _bgp_families(labs: Sequence[LabReading]) -> Iterator[Metric]:
    labels = ("lab", "node", "peer", "link", "neighbor")
    up = GaugeMetricFamily("quadlink_bgp_session_up", "Whether a BGP session is established.", labels=labels)
    prefixes = GaugeMetricFamily(
        "quadlink_bgp_session_prefixes", "Prefixes heard from the neighbor.", labels=labels
    )
    for lab in labs:
        for session in lab.sessions:
            values = (lab.name, *(session[label] for label in labels[1:]))
            up.add_metric(values, session["state"] == "established")
            prefixes.add_metric(values, session["prefixes"])
    yield up
    yield prefixes


def _links(labs: Sequence[LabReading]) -> Iterator[tuple[str, LinkReading]]:
    return ((lab.name, link) for lab in labs for link in lab.links)
