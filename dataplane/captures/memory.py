"""What an engine and a capturing process agree on: where frames are captured, and the memory they share."""

from dataclasses import dataclass
from enum import IntFlag, StrEnum

MAXIMUM_SNAP_OCTETS = 1 << 18
RING_UNIT_OCTETS = 64
MAXIMUM_CAPTURE_OCTETS = 1 << 30


class CapturePoint(IntFlag):
    """Where on a wire a frame is captured; the values are those of the core (capture_api.h)."""

    SENT = 1
    """Clear, as the sending port gave it."""
    WIRE = 2
    """Between the SecYs, before the wire loses or delays it."""
    REFUSED = 4
    """What the receiving SecY does not deliver: addresses and tags alone."""
    RECEIVED = 8
    """Clear, as the receiving port gets it."""


class CaptureSide(StrEnum):
    """Which side of the SecYs a capture shows."""

    CLEAR = "clear"
    WIRE = "wire"
    BOTH = "both"

    @property
    def points(self) -> CapturePoint:
        clear = CapturePoint.SENT | CapturePoint.RECEIVED
        wire = CapturePoint.WIRE | CapturePoint.REFUSED
        return {CaptureSide.CLEAR: clear, CaptureSide.WIRE: wire, CaptureSide.BOTH: clear | wire}[self]


@dataclass(frozen=True, slots=True)
class CaptureWire:
    """One direction of a link, by the node that sends."""

    link: str
    from_node: str


@dataclass(frozen=True, slots=True)
class CaptureMemory:
    """A running capture: the file at `path` has a ring, behind its header, for each of `wires`.

    The path is good while the capture runs, and then for who has opened it.
    """

    id: int
    path: str
    ring_octets: int
    wires: tuple[CaptureWire, ...]
