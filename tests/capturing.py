"""Captures as tests make them: what an engine shows of its links while a block runs."""

from collections.abc import Iterator
from contextlib import contextmanager

from dataplane.captures.memory import CapturePoint
from dataplane.captures.reader import CaptureReader
from dataplane.interface import EngineInterface

EVERYWHERE = CapturePoint(sum(CapturePoint))
SNAP_OCTETS = 2048
RING_OCTETS = 1 << 20


@contextmanager
def capturing(
    engine: EngineInterface,
    *links: str,
    points: CapturePoint = EVERYWHERE,
    snap_octets: int = SNAP_OCTETS,
    ring_octets: int = RING_OCTETS,
) -> Iterator[CaptureReader]:
    """Both directions of links, in the order they are named; what is left can be read afterwards."""
    states = {state.name: state for state in engine.links()}
    wires = [wire for link in links for wire in states[link].wires]
    memory = engine.start_capture(wires, points, snap_octets, ring_octets)
    reader = CaptureReader(memory)
    yield reader
    engine.stop_capture(memory.id)


def dropped(reader: CaptureReader) -> int:
    """Frames that the capture lost, of all wires and points."""
    wires = range(len(reader.memory.wires))
    return sum(reader.dropped(wire, point) for wire in wires for point in CapturePoint)
