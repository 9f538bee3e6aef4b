"""Sees probes: clear, as they enter each wire between routers, and whether MACsec wires hide them."""

import struct
from collections import Counter
from types import TracebackType
from typing import Self

import numpy as np

from dataplane.captures.memory import MAXIMUM_CAPTURE_OCTETS, RING_UNIT_OCTETS, CapturePoint
from dataplane.captures.reader import CapturedFrame, CaptureReader
from dataplane.client import EngineClient
from netns_lab.coverage import SIGHTING
from netns_lab.plan import LabPlan

# Ethernet, IP and UDP headers, then the probe's magic, flow and sequence.
_PROBE_AT = {0x0800: 42, 0x86DD: 62}
_PROBE = struct.Struct(">IHI")
SNAP_OCTETS = 96
"""Up to the probe's sequence number, also behind a SecTAG and over IPv6."""
RING_OCTETS = 32 << 20
"""For what one wire carries meanwhile, in memory that is taken when it is written to."""


class ProbeCapture:
    """A capture of the probes of one session; it ends with the context, and `read` takes in what it has."""

    def __init__(self, engine: EngineClient, plan: LabPlan, magic: int) -> None:
        self._engine = engine
        self._magic = magic
        routers = {node.name for node in plan.nodes if node.kind == "router"}
        between = [state for state in engine.links() if {end.node for end in state.ends} <= routers]
        self.wires = tuple(wire for state in between for wire in state.wires)
        self._hidden = {state.name for state in between if state.macsec is not None}
        most_octets = MAXIMUM_CAPTURE_OCTETS // max(len(self.wires), 1)
        ring_octets = min(RING_OCTETS, most_octets - most_octets % RING_UNIT_OCTETS)
        points = CapturePoint.SENT | CapturePoint.WIRE
        self._memory = engine.start_capture(self.wires, points, SNAP_OCTETS, ring_octets)
        self._reader = CaptureReader(self._memory)
        self.sightings = np.empty(0, SIGHTING)
        self.readable: dict[str, int] = {}
        self.dropped = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._engine.stop_capture(self._memory.id)

    def read(self) -> None:
        """Once it has ended: fills `sightings`, `readable` and `dropped`."""
        seen: list[tuple[int, int, int, int]] = []
        readable: Counter[str] = Counter(dict.fromkeys(sorted(self._hidden), 0))
        while frames := self._reader.read() or self._reader.read(last=True):
            for frame in frames:
                link = self.wires[frame.wire].link
                if frame.point == CapturePoint.SENT:
                    if (probe := self._probe(frame)) is not None:
                        seen.append((frame.time_ns, *probe, frame.wire))
                elif link in self._hidden and self._shows_probe(frame.data):
                    readable[link] += 1
        self.sightings = np.array(seen, SIGHTING)
        self.readable = dict(readable)
        self.dropped = sum(self._reader.dropped(wire, CapturePoint.SENT) for wire in range(len(self.wires)))

    def _probe(self, frame: CapturedFrame) -> tuple[int, int] | None:
        """Flow and sequence of a clear frame that is a probe."""
        at = _PROBE_AT.get(int.from_bytes(frame.data[12:14], "big"))
        if at is None or len(frame.data) < at + _PROBE.size:
            return None
        magic, flow, sequence = _PROBE.unpack_from(frame.data, at)
        return (flow, sequence) if magic == self._magic else None

    def _shows_probe(self, data: bytes) -> bool:
        """Whether the magic can be read somewhere, and what follows it is a probe's low sequence number:
        alone, its four octets are in a ciphertext now and then."""
        at = data.find(self._magic.to_bytes(4, "big"))
        return at >= 0 and data[at + 6 : at + 7] == b"\0"
