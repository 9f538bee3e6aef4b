"""What is known of a captured frame besides its octets: where it is seen, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dataplane.captures.memory import CapturePoint, CaptureWire
from dataplane.captures.pcapng import INBOUND, OUTBOUND
from dataplane.captures.reader import CapturedFrame
from dataplane.interface import LinkState
from dataplane.links.link import DROP_REASONS, WIRE_COUNTERS
from dataplane.macsec.counters import SLOTS

_DIRECTIONS: dict[int, int] = {
    CapturePoint.SENT: OUTBOUND,
    CapturePoint.WIRE: OUTBOUND,
    CapturePoint.REFUSED: INBOUND,
    CapturePoint.RECEIVED: INBOUND,
}
_VERDICTS = {slot + 1: name for name, slot in SLOTS.items()}
_DROPPED = {WIRE_COUNTERS.index(name): reason for name, reason in DROP_REASONS.items()}
_HALF = 1 << 31


@dataclass(frozen=True, slots=True)
class Interface:
    """Where frames are seen: the clear side of a link at an end, or a direction of its wire."""

    name: str
    description: str


class Story(NamedTuple):
    """What is known of a frame besides its octets.

    SCI, in hex, and PN are those by which its other sides are found; `verdict` is of the SecY that it has
    just passed, and `dropped` what lost it there.
    """

    sci: str | None
    pn: int | None
    verdict: str | None
    dropped: str | None

    def text(self) -> str:
        """What is known, as words `name=value`; none where nothing is."""
        sci, pn, verdict, dropped = self
        text = "" if pn is None else f"sci={sci} pn={pn} "
        if verdict is not None:
            text += f"verdict={verdict} "
        if dropped is not None:
            text += f"dropped={dropped}"
        return text.rstrip()


@dataclass(slots=True)
class _Sender:
    """The SecY that sends on a wire; last_pn is the highest packet number seen of it."""

    sci: bytes
    xpn: bool
    last_pn: int

    def extended(self, pn: int) -> int:
        """The packet number of which an XPN frame carries the low 32 bits: the nearest to those before."""
        pn = self.last_pn + (pn - self.last_pn + _HALF) % (2 * _HALF) - _HALF
        self.last_pn = max(self.last_pn, pn)
        return pn


class Places:
    """The interfaces of a capture of `wires`, links as they were when it began, at `points`."""

    def __init__(
        self, states: Sequence[LinkState], wires: Sequence[CaptureWire], points: CapturePoint
    ) -> None:
        self.interfaces: list[Interface] = []
        self._at: dict[tuple[int, int], int] = {}
        self._senders: list[_Sender | None] = []
        numbers: dict[str, int] = {}
        links = {state.name: state for state in states}
        for wire, place in enumerate(wires):
            state = links[place.link]
            self._senders.append(_sender(state, place.from_node))
            for point in CapturePoint:
                if points & point:
                    interface = _interface(state, place.from_node, point)
                    number = numbers.setdefault(interface.name, len(self.interfaces))
                    if number == len(self.interfaces):
                        self.interfaces.append(interface)
                    self._at[wire, point] = number

    def interface(self, frame: CapturedFrame) -> int:
        """The number of the interface that the frame is seen at."""
        return self._at[frame.wire, frame.point]

    def places_of(self, interface: int) -> list[tuple[int, CapturePoint]]:
        """The wires and points that show their frames at an interface."""
        return [(wire, CapturePoint(point)) for (wire, point), at in self._at.items() if at == interface]

    def story(self, frame: CapturedFrame) -> Story:
        """What is known of a frame. Frames of a wire must be asked about in order."""
        sci, pn = frame.sci, frame.pn
        sender = self._senders[frame.wire]
        if pn is not None and sender is not None:
            sci = sci or sender.sci
            if sender.xpn and sci == sender.sci:
                pn = sender.extended(pn)
        return Story(
            sci.hex() if sci else None, pn, _VERDICTS.get(frame.verdict), _DROPPED.get(frame.dropped)
        )


def direction(frame: CapturedFrame) -> int:
    """INBOUND or OUTBOUND: to a node or from it; on the wire, what arrives at its far end or is sent."""
    return _DIRECTIONS[frame.point]


def _sender(state: LinkState, node: str) -> _Sender | None:
    if state.macsec is None:
        return None
    secy = state.secys[0 if state.ends[0].node == node else 1]
    return _Sender(bytes.fromhex(secy.sci), secy.ssci is not None, secy.next_pn)


def _interface(state: LinkState, from_node: str, point: CapturePoint) -> Interface:
    sender, receiver = state.ends if state.ends[0].node == from_node else state.ends[::-1]
    if point in (CapturePoint.WIRE, CapturePoint.REFUSED):
        return Interface(
            f"{state.name} wire {sender.node}->{receiver.node}",
            f"link {state.name}, what {sender.node} puts on the wire",
        )
    end = sender if point is CapturePoint.SENT else receiver
    return Interface(
        f"{state.name} clear {end.node}", f"link {state.name}, interface {end.interface} of {end.node}"
    )
