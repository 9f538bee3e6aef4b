"""`quadlink probe`: packets between two nodes, both ways, and what became of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dataplane import descriptors
from dataplane.probes.flows import Flow
from dataplane.probes.load import Load
from dataplane.probes.statistics import ProbeStatistics, StatisticsSession, WayStatistics
from netns_lab.directory import LabDirectory, LabError
from netns_lab.output import Output
from netns_lab.plan import IpVersion, LabPlan
from netns_lab.probe_flows import flow_between
from netns_lab.running_links import asked_engine
from netns_lab.state import load_plan
from netns_lab.unread import UnreadWatch, unread_doubts

DESTINATION_PORT = 9001
FIRST_SOURCE_PORT = 10000
MOST_FLOWS = 4096
LAST_PACKETS_S = 1.0
"""What was sent at the end has so long to arrive."""
LATE_S = 0.5
PERCENT = 100


@dataclass(frozen=True, slots=True)
class Measured:
    """What became of a load between two nodes of a lab."""

    lab: str
    load: Load
    statistics: ProbeStatistics
    unread: Mapping[str, int]
    """By sending node and link, frames of any kind that the engine had no time to read."""

    @property
    def passed(self) -> bool:
        """Whether anything arrived, each way."""
        return all(way.received > 0 for way in self.statistics.ways)

    def as_json(self) -> dict[str, Any]:
        """Rates are of one way; `lateness` is how far sends were behind their schedule."""
        return {
            "lab": self.lab,
            "packets_per_s": self.load.packets_per_s / 2,
            "packets_per_s_reached": round(self.statistics.packets_per_s / 2, 1),
            "size_octets": self.load.size_octets,
            "latency_until": "network stack" if self.load.kernel_time else "read",
            "ways": [way.as_json() for way in self.statistics.ways],
            "lateness": self.statistics.lateness.as_json(),
            "send_errors": self.statistics.send_errors,
            "instrument_lost": self.statistics.instrument_lost,
            "unread": dict(self.unread),
        }

    def doubts(self) -> list[str]:
        """Sentences that say where the instrument itself was at its end."""
        found = []
        sent = sum(way.sent for way in self.statistics.ways)
        if sent < self.load.packets:
            found.append(
                f"the sender sent {sent} of {self.load.packets} packets in its time; --train is cheaper"
            )
        if lost := self.statistics.instrument_lost:
            found.append(f"the receiver itself lost {lost} datagrams: loss is no proof here")
        found += unread_doubts(self.unread)
        if self.statistics.send_errors:
            reasons = ", ".join(f"{count} {name}" for name, count in self.statistics.send_errors.items())
            found.append(f"the kernel refused packets ({reasons}); they count as lost")
        return found


def measure(
    directory: LabDirectory, nodes: tuple[str, str], family: IpVersion, flows: int, load: Load
) -> Measured:
    """Sends `load`, half of it each way, over `flows` each way; ends in time also where the sender is late.

    Raises LabError for nodes or flows that cannot be, OSError where a socket cannot be had.
    """
    if nodes[0] == nodes[1]:
        raise LabError(f"probe: found {nodes[0]} twice, expected two nodes")
    if not 1 <= flows <= MOST_FLOWS:
        raise LabError(f"--flows: found {flows}, expected 1 to {MOST_FLOWS}")
    plan = load_plan(directory)
    descriptors.allow_all()
    there, back = (_flows(plan, ends, family, flows) for ends in (nodes, nodes[::-1]))
    turns = [flow for pair in zip(there, back, strict=True) for flow in pair]
    both = [replace(flow, id=number) for number, flow in enumerate(turns)]
    with asked_engine(directory) as engine:
        unread = UnreadWatch(engine, directory)
        with StatisticsSession(both, load) as session:
            session.wait(load.duration_s + LATE_S)
            return Measured(plan.name, load, session.stop(LAST_PACKETS_S), unread.rise())


def _flows(plan: LabPlan, nodes: tuple[str, ...], family: IpVersion, count: int) -> list[Flow]:
    source, destination = (plan.node(name) for name in nodes)
    ports = (FIRST_SOURCE_PORT, DESTINATION_PORT)
    return flow_between(plan, source, destination, family, ports).fan(count)


def show(measured: Measured, output: Output) -> None:
    """Prints it, and warns of what makes it doubtful."""
    for sentence in measured.doubts():
        output.warn(sentence)
    columns = (
        "way",
        "sent",
        "lost",
        "loss %",
        "duplicates",
        "reordered",
        "longest gap ms",
        "p50 us",
        "p99 us",
        "p99.9 us",
        "max us",
    )
    output.table(measured.as_json(), columns, [_row(way) for way in measured.statistics.ways])


def _row(way: WayStatistics) -> tuple[object, ...]:
    latency_us = [way.latency.percentile_us(at) for at in (50, 99, 99.9, 100)]
    counts = (way.sent, way.lost, f"{way.loss_share * PERCENT:.4f}", way.duplicates, way.reordered)
    return (way.way, *counts, way.longest_gap_ms, *latency_us)
