"""Faults of links: how each is to be, and what one that is active does at a moment. No clock is read here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dataplane.links.specification import FaultMode

NS_PER_S = 1_000_000_000
MAXIMUM_FAULT_S = 1e6
SHORTEST_PERIOD_S = 0.002


STATES = {
    FaultMode.CARRIER: "cut",
    FaultMode.FLAP: "flapping",
    FaultMode.SILENT: "silent",
    FaultMode.ONE_WAY: "one-way",
    FaultMode.BROWNOUT: "brownout",
}
"""What an operator who sees both ends calls a link with such a fault."""


@dataclass(frozen=True, slots=True)
class FaultSpecification:
    """A fault that is to begin. Raises ValueError.

    FLAP: carrier is lost in the first half of each period. BROWNOUT: `impairment`, fields of `Impairment`,
    goes over what the link has beside.
    """

    mode: FaultMode
    from_node: str | None = None
    """Whose frames it concerns; None: both ends', and with ONE_WAY those of the first end."""
    for_s: float | None = None
    """When it heals by itself."""
    period_s: float | None = None
    impairment: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.for_s is not None and not 0 < self.for_s < MAXIMUM_FAULT_S:
            raise ValueError(
                f"found {self.for_s:g} s, expected a time above 0 and up to {MAXIMUM_FAULT_S:.0f} s"
            )
        if (self.period_s is not None) != (self.mode is FaultMode.FLAP):
            raise ValueError(f"found mode {self.mode} and a period of {self.period_s} s")
        if self.period_s is not None and not SHORTEST_PERIOD_S <= self.period_s < MAXIMUM_FAULT_S:
            raise ValueError(
                f"found a period of {self.period_s:g} s, expected at least {SHORTEST_PERIOD_S} s"
            )
        if bool(self.impairment) != (self.mode is FaultMode.BROWNOUT):
            raise ValueError(f"found mode {self.mode} and the impairment {dict(self.impairment)}")
        if self.from_node is not None and self.mode not in (FaultMode.ONE_WAY, FaultMode.BROWNOUT):
            raise ValueError(f"found mode {self.mode} of one end's frames")

    def begin(self, id: str, sender: int | None, now_ns: int) -> "LinkFault":
        """The fault on a link, from now on; `sender` is from_node's end."""
        return LinkFault(
            id=id,
            mode=self.mode,
            sender=0 if sender is None and self.mode is FaultMode.ONE_WAY else sender,
            since_ns=now_ns,
            until_ns=None if self.for_s is None else now_ns + round(self.for_s * NS_PER_S),
            period_ns=None if self.period_s is None else round(self.period_s * NS_PER_S),
            impairment=dict(self.impairment),
        )


@dataclass(frozen=True, slots=True)
class LinkFault:
    """A fault that is active on a link, in monotonic time; `sender` is the end whose frames it concerns,
    None: both."""

    id: str
    mode: FaultMode
    sender: int | None
    since_ns: int
    until_ns: int | None
    period_ns: int | None
    impairment: Mapping[str, Any]

    def cuts(self, now_ns: int) -> bool:
        """Whether both ends lack carrier because of it."""
        return self.mode is FaultMode.CARRIER or (
            self.mode is FaultMode.FLAP and self._half_periods(now_ns) % 2 == 0
        )

    def blocks(self, direction: int, now_ns: int) -> bool:
        """Whether what is sent in this direction, by sending end, is lost."""
        if self.mode in (FaultMode.SILENT, FaultMode.ONE_WAY):
            return self.sender in (None, direction)
        return self.cuts(now_ns)

    def next_change_ns(self, after_ns: int) -> int | None:
        """When it next does something else than at after_ns; None where it stays as it is."""
        changes_ns = [] if self.until_ns is None else [self.until_ns]
        if self.period_ns is not None:
            half_periods = self._half_periods(after_ns) + 1
            changes_ns.append(self.since_ns - (-half_periods * self.period_ns // 2))
        return min(changes_ns, default=None)

    def _half_periods(self, now_ns: int) -> int:
        assert self.period_ns is not None
        return 2 * (now_ns - self.since_ns) // self.period_ns
