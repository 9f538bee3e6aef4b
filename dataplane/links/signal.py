"""When a port has carrier: the link, the far interface and the SecY decide (IEEE 802.1AE-2018 6.5)."""

from dataclasses import dataclass, field

from dataplane.links.faults import STATES, LinkFault


@dataclass(slots=True)
class LinkSignal:
    """The facts that carrier depends on. Lists are by end; end 0 sends direction 0, end 1 direction 1.

    Faults, by id, overlap: each bites for itself, so that to end one leaves the others.
    """

    admin_up: list[bool] = field(default_factory=lambda: [False, False])
    mac_operational: list[bool] = field(default_factory=lambda: [True, True])
    faults: dict[str, LinkFault] = field(default_factory=dict)

    def carrier(self, end: int, now_ns: int) -> bool:
        """Whether the port at this end has carrier: it hears the far end and its own SecY may send."""
        cut = any(fault.cuts(now_ns) for fault in self.faults.values())
        return not cut and self.admin_up[1 - end] and self.mac_operational[end]

    def blocked(self, direction: int, now_ns: int) -> bool:
        """Whether the wire loses what is sent in this direction."""
        return any(fault.blocks(direction, now_ns) for fault in self.faults.values())

    def next_change_ns(self, after_ns: int) -> int | None:
        """When a fault ends or changes by itself, after that moment."""
        changes_ns = (fault.next_change_ns(after_ns) for fault in self.faults.values())
        return min((at_ns for at_ns in changes_ns if at_ns is not None), default=None)

    def state(self, now_ns: int) -> str:
        """One word for people: what an operator who sees both ends would call the link."""
        modes = {fault.mode for fault in self.faults.values()}
        for mode, word in STATES.items():
            if mode in modes:
                return word
        return "up" if self.carrier(0, now_ns) and self.carrier(1, now_ns) else "down"
