"""Probe flows through a lab while a test does something to it, and what became of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from netns_lab.plan import LabPlan
from netns_lab.probe_flows import find_sites, make_flows

from control.faults.outage import NOT_DELIVERED, arrivals, outages_after
from dataplane.probes.load import Load
from dataplane.probes.records import ProbeRecords
from dataplane.probes.session import ProbeSession

PACKETS_PER_S = 10_000
PAYLOAD_OCTETS = 64
FLOWS_EACH_WAY = 32
LONGEST_S = 60.0


@dataclass
class Probes:
    """A session that runs until the block that `probes` opened ends; its records are read afterwards."""

    session: ProbeSession
    records: ProbeRecords | None = None

    @property
    def lost(self) -> int:
        """Packets that were sent and did not arrive."""
        found = self._told()
        return int((arrivals(found.sent, found.received) == NOT_DELIVERED).sum())

    def outage_ms(self, t_fault_ns: int) -> float:
        """The longest outage of any flow after the fault; infinite for a flow that did not come back."""
        found = self._told()
        until_ns = int(found.sent["tx_ns"][-1])
        outages = outages_after(found.sent, arrivals(found.sent, found.received), t_fault_ns, until_ns)
        assert outages
        return max(float("inf") if outage.dark else outage.outage_ms for outage in outages)

    def _told(self) -> ProbeRecords:
        assert self.records is not None
        assert (self.records.overruns, self.records.receive_buffer_drops) == (0, 0), "the receiver lost some"
        assert len(self.records.sent) > PACKETS_PER_S / 10
        return self.records


@contextmanager
def probes(plan: LabPlan) -> Iterator[Probes]:
    """PACKETS_PER_S between the hosts of two routers, both ways and families, over many flows."""
    load = Load(packets_per_s=PACKETS_PER_S, size_octets=PAYLOAD_OCTETS, duration_s=LONGEST_S)
    session = ProbeSession(make_flows(plan, find_sites(plan), FLOWS_EACH_WAY), load)
    running = Probes(session)
    with session:
        yield running
        running.records = session.stop()
