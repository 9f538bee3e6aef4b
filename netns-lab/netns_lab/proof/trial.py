"""Trials of a proof: a throw-away lab for each worker process, and one failure after another under probes."""

import time
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import numpy as np

from control.faults.outage import arrivals, outages_after
from dataplane.probes.flows import Flow
from dataplane.probes.load import Load
from dataplane.probes.records import ProbeRecords
from dataplane.probes.session import ProbeSession
from netns_lab.api import ControllerClient
from netns_lab.builder import built_lab
from netns_lab.directory import LabDirectory, NotReady
from netns_lab.faults.model import first_mode
from netns_lab.models import Topology
from netns_lab.plan import FAMILIES, LabPlan
from netns_lab.prediction import Pair, host_pairs
from netns_lab.probe_flows import flow_between
from netns_lab.proof.failures import Failure
from netns_lab.proof.verdict import Observation, disagreements
from netns_lab.readiness import wait_until_ready
from netns_lab.stopwatch import PROBE_OCTETS

READY_TIMEOUT_S = 60.0
FLOWS_A_PAIR = 8
MOST_FLOWS = 384
PACKETS_PER_S_AND_FLOW = 100
OBSERVED_BEFORE_S = 0.2
CALM_LIMIT_S = 3.0
ARRIVAL_S = 0.1
"""What was sent by then must have had time to arrive."""
LAST_WORD_S = 0.3
"""Who is heard in so much time at the end of a trial is reachable."""
SETTLING_LIMIT_S = 12.0
"""Longer than the hold timers of the `lab` profile: a pair that is not as predicted by then is a finding."""
FIRST_PORT = 41000
PROBE_PORT = 9100
NS_PER_S = 1e9


@dataclass(frozen=True, slots=True)
class Workshop:
    """A worker's lab, and the flows of its probes by id."""

    directory: LabDirectory
    plan: LabPlan
    flows: dict[int, Pair]
    probes: tuple[Flow, ...]

    def try_failure(self, failure: Failure, expected: Collection[Pair], observe_s: float) -> Observation:
        """Makes a lab fail, watches, and heals it again; raises NotReady where it does not come back.

        It watches for observe_s, and longer where a pair is not yet as expected.
        """
        limit_s = OBSERVED_BEFORE_S + observe_s + SETTLING_LIMIT_S + READY_TIMEOUT_S
        load = Load(
            packets_per_s=PACKETS_PER_S_AND_FLOW * len(self.probes),
            size_octets=PROBE_OCTETS,
            duration_s=limit_s,
        )
        with ProbeSession(self.probes, load) as session, ControllerClient(self.directory) as controller:
            self._wait_for_calm(session)
            t_ns = time.monotonic_ns()
            try:
                for element in failure.elements:
                    mode = first_mode(element.kind)
                    controller.call("fail", kind=element.kind, name=element.name, mode=mode)
                observed = self._watch(session, t_ns, expected, observe_s)
            finally:
                controller.call("heal")
        check_ready(wait_until_ready(self.directory, READY_TIMEOUT_S))
        return observed

    def _wait_for_calm(self, session: ProbeSession) -> None:
        """Until nothing was lost for a while: after a failure before this one, neighbors are looked for anew
        (RFC 4861, ARP) only when somebody sends to them. A lab that loses all the time is not waited for."""
        give_up_s = time.monotonic() + CALM_LIMIT_S
        while True:
            begin_ns = time.monotonic_ns()
            time.sleep(OBSERVED_BEFORE_S)
            until_ns = time.monotonic_ns()
            time.sleep(ARRIVAL_S)
            observed = observe(session.records(), self.flows, begin_ns, until_ns)
            if not any(observed.lost.values()) or time.monotonic() > give_up_s:
                return

    def _watch(
        self, session: ProbeSession, t_ns: int, expected: Collection[Pair], observe_s: float
    ) -> Observation:
        give_up_s = time.monotonic() + observe_s + SETTLING_LIMIT_S
        while True:
            time.sleep(observe_s)
            until_ns = time.monotonic_ns()
            time.sleep(ARRIVAL_S)
            observed = observe(session.records(), self.flows, t_ns, until_ns)
            if not disagreements(observed, expected) or time.monotonic() > give_up_s:
                return observed


def observe(records: ProbeRecords, flows: dict[int, Pair], t_ns: int, until_ns: int) -> Observation:
    """What flows tell of a failure at t_ns by what was sent until until_ns; `flows` is the pair of each."""
    outage_ms: dict[Pair, float] = {}
    lost: Counter[Pair] = Counter()
    sent, arrived_ns = records.sent, arrivals(records.sent, records.received)
    for outage in outages_after(sent, arrived_ns, t_ns, until_ns):
        pair = flows[outage.flow]
        outage_ms[pair] = max(outage_ms.get(pair, 0.0), outage.outage_ms)
        lost[pair] += outage.lost
    last = (sent["tx_ns"] >= until_ns - LAST_WORD_S * NS_PER_S) & (sent["tx_ns"] < until_ns)
    arriving = {int(flow) for flow in np.unique(sent["flow"][last & (arrived_ns >= 0)])}
    return Observation(
        outage_ms=outage_ms,
        lost=lost,
        silent=frozenset(pair for flow, pair in flows.items() if flow not in arriving),
        heard=frozenset(pair for flow, pair in flows.items() if flow in arriving),
        instrument_lost=records.instrument_lost,
    )


def make_flows(plan: LabPlan) -> Iterator[tuple[Pair, Flow]]:
    """Several flows for each pair of hosts, so that those of a pair take different ways."""
    pairs = sorted(host_pairs(plan))
    each = max(1, min(FLOWS_A_PAIR, MOST_FLOWS // max(1, len(pairs))))
    for number in range(each * len(pairs)):
        pair = pairs[number // each]
        source, destination = plan.node(pair.source), plan.node(pair.destination)
        ports = (FIRST_PORT + number, PROBE_PORT)
        flow = flow_between(plan, source, destination, FAMILIES[pair.family], ports)
        yield pair, replace(flow, id=number)


def check_ready(missing: list[str]) -> None:
    """Raises NotReady where a lab lacks something."""
    if missing:
        raise NotReady(f"the lab did not become ready in {READY_TIMEOUT_S:.0f} s: {'; '.join(missing[:3])}")


def build(topology: Topology) -> Workshop:
    """Brings up a lab that stays until somebody takes it down. Raises LabError."""
    with built_lab(topology, lambda text: None, READY_TIMEOUT_S, keep=True) as lab:
        check_ready(lab.missing)
        made = list(make_flows(lab.plan))
        return Workshop(
            lab.directory,
            lab.plan,
            {flow.id: pair for pair, flow in made},
            tuple(flow for _, flow in made),
        )
