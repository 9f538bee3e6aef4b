"""What the engine can be asked and what it tells: the same for an engine in this process and in another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dataplane.captures.memory import CaptureMemory, CapturePoint, CaptureWire
from dataplane.links.faults import FaultSpecification, LinkFault
from dataplane.links.specification import (
    FaultMode,
    Impairment,
    LinkSpecification,
    LinkType,
    MacsecSpecification,
)
from dataplane.macsec.sak import Sak

ImpairmentChanges = dict[str, Any]
"""Fields of `Impairment` and their values."""


class LinkError(Exception):
    """A request that the engine refuses; the text says which link and why."""


@dataclass(frozen=True, slots=True)
class CarrierEvent:
    """A port gained or lost its signal, at monotonic time t_ns."""

    link: str
    node: str
    interface: str
    carrier: bool
    t_ns: int


@dataclass(frozen=True, slots=True)
class FaultEvent:
    """The fault `id` began on these links, or ended (fault None), at monotonic time t_ns."""

    id: str
    links: tuple[str, ...]
    fault: FaultMode | None
    t_ns: int


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """The SAK of the SecY at `node` is to be replaced since t_ns: pending PN exhaustion (802.1X-2020 9.8)."""

    link: str
    node: str
    t_ns: int


EngineEvent = CarrierEvent | FaultEvent | PendingEvent


@dataclass(frozen=True, slots=True)
class EndState:
    """One end of a link; ifindex is the interface's number in the node's namespace."""

    node: str
    interface: str
    ifindex: int
    carrier: bool


@dataclass(frozen=True, slots=True)
class ChannelState:
    """A receive SC: its SCI in hex, its SA's SSCI with an XPN suite, AN, nextPN and lowestPN, and its own
    counters (Figure 10-4)."""

    sci: str
    ssci: int | None
    an: int
    next_pn: int
    lowest_pn: int
    counters: dict[str, int]


@dataclass(frozen=True, slots=True)
class SecYState:
    """One end's SecY: its SCI in hex, its SSCI with an XPN suite, the cipher library, MAC_Operational, of the
    encoding SA the AN, the PN that its next frame takes and the last one that it may use, and the monotonic
    time since when its SAK is to be replaced; its receive SCs."""

    sci: str
    ssci: int | None
    cipher_library: str
    operational: bool
    an: int | None
    next_pn: int
    last_pn: int
    pending_since_ns: int | None
    channels: tuple[ChannelState, ...]


@dataclass(frozen=True, slots=True)
class LinkState:
    """A link as it is. secys is by end, empty on a plain link; slot is its place in the counters; impairments
    are by sending end.

    What brownouts, which are faults, put over the impairments is not in these.
    """

    name: str
    type: LinkType
    ends: tuple[EndState, EndState]
    state: str
    faults: tuple[LinkFault, ...]
    macsec: MacsecSpecification | None
    secys: tuple[SecYState, ...]
    slot: int
    impairments: tuple[Impairment, Impairment]

    @property
    def wires(self) -> tuple[CaptureWire, CaptureWire]:
        """Both directions, by sending end, as a capture names them."""
        return CaptureWire(self.name, self.ends[0].node), CaptureWire(self.name, self.ends[1].node)


class EngineInterface(Protocol):
    """The engine's requests. All raise LinkError with one clear sentence."""

    def add_link(self, specification: LinkSpecification, sak: Sak | None = None) -> LinkState: ...

    def remove_link(self, name: str) -> None: ...

    def fail(self, id: str, links: Sequence[str], fault: FaultSpecification) -> int: ...

    def heal(self, id: str) -> int: ...

    def set_fault(
        self, name: str, mode: FaultMode, from_node: str | None = None, for_s: float | None = None
    ) -> int: ...

    def clear_fault(self, name: str) -> int: ...

    def impair(self, name: str, impairments: tuple[Impairment, Impairment]) -> None: ...

    def change_impairments(
        self, name: str, changes: tuple[ImpairmentChanges, ImpairmentChanges]
    ) -> tuple[Impairment, Impairment]: ...

    def links(self) -> list[LinkState]: ...

    def count_unread(self) -> None: ...

    def leave_devices(self) -> None: ...

    def export_sak(self, name: str) -> Sak: ...

    def flip_bit(self, name: str, from_node: str, bit: int, frames: int = 1) -> None: ...

    def inject(self, name: str, from_node: str, *frames: bytes) -> None: ...

    def start_capture(
        self, wires: Sequence[CaptureWire], points: CapturePoint, snap_octets: int, ring_octets: int
    ) -> CaptureMemory: ...

    def stop_capture(self, id: int) -> None: ...
