"""The stopwatch: probe flows between two sites of a lab, and what an act does to them.

Packets are sent and read by a process of their own (dataplane.probes), captured as they enter each wire
between routers, and evaluated afterwards: while an act is under way this process sleeps.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from dataplane import descriptors
from dataplane.client import EngineClient
from dataplane.probes.flows import Flow
from dataplane.probes.load import Load
from dataplane.probes.records import Records
from dataplane.probes.session import ProbeSession
from netns_lab.api import ControllerClient
from netns_lab.clock import wall_time
from netns_lab.coverage import LEAST_FLOWS, Path, choose_flows, possible_paths, taken_paths, uncovered
from netns_lab.directory import LabDirectory, LabError
from netns_lab.event_log import read_events
from netns_lab.kernel_forwarding import read_forwarding
from netns_lab.measurement import Measurement
from netns_lab.plan import LabPlan
from netns_lab.probe_capture import ProbeCapture
from netns_lab.probe_flows import Way, find_sites, in_turns, make_flows, reference_flow, way_of
from netns_lab.recording import Recording
from netns_lab.unread import UnreadWatch

LEAST_FLOWS_EACH_WAY = 32
MOST_FLOWS_EACH_WAY = 256
PACKETS_PER_S_AND_FLOW = 200
PROBE_OCTETS = 64
OBSERVED_BEFORE_S = 0.5
LAST_PACKETS_S = 0.5
"""What was sent at the end has so long to arrive."""
TRIED_EACH_WAY = 128
TRIED_PACKETS_PER_S = 40
TRIED_S, TRIED_LIMIT_S = 0.25, 10.0
TRIES = 4


class Stopwatch:
    """Probe flows under way between the hosts of two sites, both ways and both families. A context.

    Every path that the routers may choose carries flows of each way; the measurement tells where that
    failed.
    """

    def __init__(
        self,
        directory: LabDirectory,
        plan: LabPlan,
        *,
        limit_s: float,
        packets_per_s_and_flow: int = PACKETS_PER_S_AND_FLOW,
        flows_each_way: int | None = None,
        between: tuple[str, str] | None = None,
    ) -> None:
        """The flows end after limit_s. `between` names the routers of the sites, the first two if None;
        `flows_each_way` is as many as cover all paths if None, and each is then the slower the more they are.
        LabError where there are not two sites."""
        self.plan = plan
        self.sites = find_sites(plan, between)
        self.flows: tuple[Flow, ...] = ()
        self.paths: dict[int, Path] = {}
        """By flow, before anything was done."""
        self.packets_per_s_and_flow = packets_per_s_and_flow
        self._possible: dict[Way, frozenset[Path]] = {}
        self._directory = directory
        self._limit_s = limit_s
        self._flows_each_way = flows_each_way
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        """Tries flows, then starts those that are to stay. OSError where a socket cannot be had."""
        descriptors.allow_all()
        with ExitStack() as opened:
            self._engine = EngineClient(self._directory.engine_socket)
            opened.callback(self._engine.close)
            self.controller = opened.enter_context(ControllerClient(self._directory))
            self._prefixes = self._count_prefixes()
            self.flows = tuple(self._find_flows())
            if self._flows_each_way is None:  # more flows than usual send as many packets
                usual = 2 * LEAST_FLOWS_EACH_WAY
                self.packets_per_s_and_flow = max(1, self.packets_per_s_and_flow * usual // len(self.flows))
            self._reference = reference_flow(self.plan, self.sites[0], max(it.id for it in self.flows) + 1)
            flows = [*self.flows, self._reference]
            load = _load(flows, self.packets_per_s_and_flow, self._limit_s)
            self._session = opened.enter_context(ProbeSession(flows, load))
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._opened.close()

    def measure(self, act: Callable[[], int | None], observe_s: float, what: str = "") -> Measurement:
        """What becomes of the flows for observe_s after `act`, which makes a fault and returns its time, in
        CLOCK_MONOTONIC nanoseconds; None: now. Nothing is healed.

        Raises LabError where the flows end before that.
        """
        unread = UnreadWatch(self._engine, self._directory)
        with ProbeCapture(self._engine, self.plan, self._session.magic) as capture:
            begin_ns = time.monotonic_ns()
            time.sleep(OBSERVED_BEFORE_S)
            acted_ns = act()
            t_ns = time.monotonic_ns() if acted_ns is None else acted_ns
            time.sleep(observe_s)
            until_ns = time.monotonic_ns()
        if self._session.wait(0):
            raise LabError(f"the probes ended after {self._limit_s:.0f} s, before the measurement did")
        time.sleep(LAST_PACKETS_S)
        records = self._session.records()
        capture.read()
        recording = Recording(
            plan=self.plan,
            what=what,
            time=wall_time(t_ns),
            begin_ns=begin_ns,
            t_ns=t_ns,
            until_ns=until_ns,
            flows=self.flows,
            reference=self._reference,
            packets_per_s_and_flow=self.packets_per_s_and_flow,
            possible_paths=self._possible,
            prefixes=self._prefixes,
            sent=_between(records.sent, begin_ns, until_ns),
            received=_between(records.received, begin_ns, until_ns),
            wires=capture.wires,
            sightings=capture.sightings,
            readable=capture.readable,
            capture_dropped=capture.dropped,
            events=self._events(begin_ns),
            instrument_lost=records.instrument_lost,
            unread=unread.rise(),
        )
        return Measurement(recording)

    def busiest_link(self) -> str:
        """The MACsec link that carries most flows, of those that carry flows both ways."""
        carried = {
            link.name: [
                sum(link.name in self.paths.get(flow.id, ()) for flow in self.flows if flow.direction == way)
                for way in {flow.direction for flow in self.flows}
            ]
            for link in self.plan.links
            if link.macsec is not None
        }
        return max(carried, key=lambda name: (all(carried[name]), sum(carried[name])))

    def _find_flows(self) -> list[Flow]:
        """Tries flows until each path has enough of each way, and takes of those that were tried."""
        tried: list[Flow] = []
        taken: dict[int, Path] = {}
        while len(tried) < TRIES * 2 * TRIED_EACH_WAY:
            flows = make_flows(self.plan, self.sites, TRIED_EACH_WAY, first=len(tried))
            if not tried:
                forwarding = read_forwarding(self.plan, {flow.destination_address for flow in flows})
                self._possible = possible_paths(self.plan, forwarding, flows)
            taken |= self._try(flows)
            tried += flows
            if not uncovered(tried, taken, self._possible):
                break
        versions = len({flow.family for flow in tried})
        each = {
            way: self._flows_of_a_way(len(self._possible.get(way, ())), versions)
            for way in dict.fromkeys(map(way_of, tried))
        }
        chosen = in_turns(choose_flows(tried, taken, each))
        self.paths = {flow.id: taken[flow.id] for flow in chosen if flow.id in taken}
        return chosen

    def _flows_of_a_way(self, paths: int, versions: int) -> int:
        """How many flows in one family."""
        wanted = min(max(LEAST_FLOWS_EACH_WAY, (LEAST_FLOWS + 1) * paths * versions), MOST_FLOWS_EACH_WAY)
        return -(-(self._flows_each_way or wanted) // versions)

    def _try(self, flows: list[Flow]) -> dict[int, Path]:
        """The path of each flow, from a few packets."""
        with ProbeSession(flows, _load(flows, TRIED_PACKETS_PER_S, TRIED_LIMIT_S)) as session:
            with ProbeCapture(self._engine, self.plan, session.magic) as capture:
                begin_ns = time.monotonic_ns()
                time.sleep(TRIED_S)
                end_ns = time.monotonic_ns()
            received = session.stop().received
        capture.read()
        return taken_paths(capture.sightings, capture.wires, received, begin_ns, end_ns)

    def _count_prefixes(self) -> int:
        """Which the routers have heard, both families; of the router with most."""
        heard: dict[str, dict[bool, int]] = {}
        for session in self.controller.call("inspect", topic="bgp")["sessions"]:
            families = heard.setdefault(session["node"], {False: 0, True: 0})
            family = ":" in session["neighbor"]
            families[family] = max(families[family], session["prefixes"])
        return max((sum(families.values()) for families in heard.values()), default=0)

    def _events(self, begin_ns: int) -> tuple[dict[str, object], ...]:
        """From the file: the controller may be what was failed."""
        events = [event for event in read_events(self._directory.events) if event["t_ns"] >= begin_ns]
        return tuple(sorted(events, key=lambda event: event["t_ns"]))


def _load(flows: list[Flow], packets_per_s_and_flow: int, duration_s: float) -> Load:
    packets_per_s = packets_per_s_and_flow * len(flows)
    return Load(packets_per_s=packets_per_s, size_octets=PROBE_OCTETS, duration_s=duration_s)


def _between(records: Records, begin_ns: int, end_ns: int) -> Records:
    """The packets sent meanwhile, copied."""
    return records[(records["tx_ns"] >= begin_ns) & (records["tx_ns"] < end_ns)]
