"""When a port has carrier: the link, the far interface and the SecY decide (IEEE 802.1AE-2018 6.5)."""

from dataclasses import dataclass, field

from dataplane.links.specification import FaultMode


@dataclass(slots=True)
class LinkSignal:
    """The facts that carrier depends on. Lists are by end; end 0 sends direction 0, end 1 direction 1."""

    admin_up: list[bool] = field(default_factory=lambda: [False, False])
    mac_operational: list[bool] = field(default_factory=lambda: [True, True])
    fault: FaultMode | None = None
    fault_from: int | None = None

    def carrier(self, end: int) -> bool:
        """Whether the port at this end has carrier: it hears the far end and its own SecY may send."""
        return self.fault is not FaultMode.CARRIER and self.admin_up[1 - end] and self.mac_operational[end]

    def blocked(self, direction: int) -> bool:
        """Whether the wire loses what is sent in this direction."""
        if self.fault is FaultMode.ONE_WAY:
            return direction == self.fault_from
        return self.fault is not None

    def state(self) -> str:
        """One word for people: what an operator who sees both ends would call the link."""
        if self.fault is not None:
            return {"carrier": "cut", "silent": "silent", "one-way": "one-way"}[self.fault]
        return "up" if self.carrier(0) and self.carrier(1) else "down"
