"""The stopwatch: probe flows between two sites of a lab, and what an act does to them.

Packets are sent and read by a process of their own (dataplane.probes), captured as they enter each wire
between routers, and evaluated afterwards: while an act is under way this process sleeps.
"""

import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import numpy as np

from dataplane.captures.memory import CapturePoint
from dataplane.captures.reader import CaptureReader
from dataplane.client import EngineClient
from dataplane.probes.load import Load
from dataplane.probes.records import Records
from dataplane.probes.session import ProbeSession
from netns_lab.api import ControllerClient
from netns_lab.directory import LabDirectory, LabError
from netns_lab.measurement import SIGHTING, Measurement
from netns_lab.plan import LabPlan
from netns_lab.probe_flows import find_sites, make_flows

FLOWS_EACH_WAY = 32
PACKETS_PER_S_AND_FLOW = 200
PROBE_OCTETS = 64
OBSERVED_BEFORE_S = 0.5
LAST_PACKETS_S = 0.5
"""What was sent at the end has so long to arrive."""
# Ethernet, IP and UDP headers, then the probe's magic, flow and sequence.
_PROBE_AT = {0x0800: 42, 0x86DD: 62}
_PROBE = struct.Struct(">IHI")
SNAP_OCTETS = 80
RING_OCTETS = 32 << 20
"""For what one wire carries meanwhile, in memory that is taken when it is written to."""


class Stopwatch:
    """Probe flows under way between the hosts of two sites, both ways and both families. A context."""

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
        """The flows end after limit_s. `between` names the routers of the sites, the first two if None.
        Raises LabError where there are not two sites."""
        self.plan = plan
        self.flows = tuple(make_flows(plan, find_sites(plan, between), flows_each_way or FLOWS_EACH_WAY))
        self._session = ProbeSession(
            self.flows,
            Load(
                packets_per_s=packets_per_s_and_flow * len(self.flows),
                size_octets=PROBE_OCTETS,
                duration_s=limit_s,
            ),
        )
        self._directory = directory
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            self._engine = EngineClient(self._directory.engine_socket)
            opened.callback(self._engine.close)
            self.controller = opened.enter_context(ControllerClient(self._directory))
            opened.enter_context(self._session)
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._opened.close()

    def measure(self, act: Callable[[], int | None], observe_s: float) -> Measurement:
        """What becomes of the flows for observe_s after `act`, which makes a fault and returns its time, in
        CLOCK_MONOTONIC nanoseconds; None: now. Nothing is healed.

        Raises LabError where the flows end before that.
        """
        reader = self._start_capture()
        try:
            begin_ns = time.monotonic_ns()
            time.sleep(OBSERVED_BEFORE_S)
            acted_ns = act()
            t_ns = time.monotonic_ns() if acted_ns is None else acted_ns
            time.sleep(observe_s)
            until_ns = time.monotonic_ns()
        finally:
            self._engine.stop_capture(reader.memory.id)
        if self._session.wait(0):
            raise LabError(f"the probes ended after their {self._session.load.duration_s:.0f} s, too early")
        time.sleep(LAST_PACKETS_S)
        records = self._session.records()
        return Measurement(
            plan=self.plan,
            flows=self.flows,
            begin_ns=begin_ns,
            t_ns=t_ns,
            until_ns=until_ns,
            sent=_between(records.sent, begin_ns, until_ns),
            received=_between(records.received, begin_ns, until_ns),
            wires=reader.memory.wires,
            sightings=np.array(list(self._sightings(reader)), SIGHTING),
            events=tuple(self.controller.call("events", since_ns=begin_ns)),
            instrument_lost=records.overruns + records.receive_buffer_drops,
        )

    def busiest_link(self) -> str:
        """The MACsec link that carries most flows, of those that carry flows both ways."""
        measurement = self.measure(lambda: None, 0)
        carried = {
            link.name: [
                sum(link.name in r.path_before for r in measurement.results if r.flow.direction == way)
                for way in measurement.directions
            ]
            for link in self.plan.links
            if link.macsec is not None
        }
        return max(carried, key=lambda name: (all(carried[name]), sum(carried[name])))

    def _start_capture(self) -> CaptureReader:
        """Of what enters each wire between routers."""
        routers = {node.name for node in self.plan.nodes if node.kind == "router"}
        wires = [
            wire
            for state in self._engine.links()
            if {end.node for end in state.ends} <= routers
            for wire in state.wires
        ]
        return CaptureReader(self._engine.start_capture(wires, CapturePoint.SENT, SNAP_OCTETS, RING_OCTETS))

    def _sightings(self, reader: CaptureReader) -> Iterator[tuple[int, int, int, int]]:
        for frame in reader.read(last=True):
            at = _PROBE_AT.get(int.from_bytes(frame.data[12:14], "big"))
            if at is None or len(frame.data) < at + _PROBE.size:
                continue
            magic, flow, sequence = _PROBE.unpack_from(frame.data, at)
            if magic == self._session.magic:
                yield frame.time_ns, flow, sequence, frame.wire


def _between(records: Records, begin_ns: int, end_ns: int) -> Records:
    """The packets sent meanwhile, copied."""
    return records[(records["tx_ns"] >= begin_ns) & (records["tx_ns"] < end_ns)]
