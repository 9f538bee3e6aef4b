"""A probe session that keeps statistics in constant memory, however many packets there are.

The terms are RFC 4737's: of the first copies that arrive, one is reordered where its sequence is lower than
one that came before; its extent is how many arrivals earlier the first of those was. A flow remembers its
last WINDOW sequence numbers. What comes later than that may be a duplicate or a first copy: it is `too_late`,
and lost.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dataplane._core import lib
from dataplane.probes.flows import Flow
from dataplane.probes.histogram import SLOTS, Histogram
from dataplane.probes.load import Load
from dataplane.probes.records import FLOW, Accounts
from dataplane.probes.session import NS_PER_S, Session

WINDOW: int = lib.QL_PROBE_WINDOW
NS_PER_MS = 1e6
MS_PER_S = 1e3


@dataclass(frozen=True, slots=True)
class WayStatistics:
    """All flows of one direction."""

    way: str
    flows: int
    sent: int
    """Refused packets are among them."""
    received: int
    """First copies."""
    duplicates: int
    reordered: int
    reorder_extent_mean: float | None
    """Packets; None where none was reordered."""
    reorder_extent_max: int
    too_late: int
    longest_gap_ms: float
    """The longest time that any flow had no arrival, from the first deadline to the last send."""
    interval_ms: float
    """Between two sends of a flow: no gap is shorter, and an outage is known to no better than this."""
    latency: Histogram
    """One way, of first copies, from just before the send to the time that the load chose."""

    @property
    def lost(self) -> int:
        """Packets of which no copy arrived in time."""
        return self.sent - self.received

    @property
    def loss_share(self) -> float:
        """0 to 1."""
        return self.lost / self.sent if self.sent else 0.0

    @property
    def reordered_ratio(self) -> float:
        """Of the packets received, 0 to 1 (RFC 4737, 3.4)."""
        return self.reordered / self.received if self.received else 0.0

    def as_json(self) -> dict[str, Any]:
        """Everything by name, with the latency's percentiles."""
        return {
            "way": self.way,
            "flows": self.flows,
            "sent": self.sent,
            "received": self.received,
            "lost": self.lost,
            "loss_share": self.loss_share,
            "duplicates": self.duplicates,
            "reordered": self.reordered,
            "reordered_ratio": self.reordered_ratio,
            "reorder_extent_mean": self.reorder_extent_mean,
            "reorder_extent_max": self.reorder_extent_max,
            "too_late": self.too_late,
            "longest_gap_ms": round(self.longest_gap_ms, 3),
            "interval_ms": round(self.interval_ms, 3),
            "latency": self.latency.as_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeStatistics(Accounts):
    """The statistics of a session so far: each direction's, in the order of the flows."""

    ways: tuple[WayStatistics, ...]
    packets_per_s: float
    """What the sender reached, from the first deadline to the last send."""


class StatisticsSession(Session):
    """Flows are numbered from 0; their `direction` is the way that they count in. 4.2 kB each."""

    def __init__(self, flows: Sequence[Flow], load: Load) -> None:
        """Raises ValueError for flows that cannot be."""
        if [flow.id for flow in flows] != list(range(len(flows))):
            raise ValueError("the ids of the flows: expected 0, 1, 2 and so on")
        self._ways = list(dict.fromkeys(flow.direction for flow in flows))
        kept: dict[str, tuple[npt.DTypeLike, int]] = {
            "flows": (FLOW, len(flows)),
            "latency": (np.uint64, SLOTS * len(self._ways)),
        }
        super().__init__(flows, load, kept, {"flow_count": len(flows)})
        self._memory.arrays["flows"]["way"] = [self._ways.index(flow.direction) for flow in flows]

    def stop(self, grace_s: float = 0.2) -> ProbeStatistics:
        """Stop sending, receive for `grace_s` more, close the sockets. Called again: the same statistics."""
        self.end(grace_s)
        return self.statistics()

    def statistics(self) -> ProbeStatistics:
        """What was sent and received so far. While the session runs, packets under way count as lost."""
        flows = self._memory.arrays["flows"].copy()
        sent_count = self._sent("sent_count")
        begin_ns, last_tx_ns = self._sent("begin_ns"), self._sent("last_tx_ns")
        sent = sent_by_flow(sent_count, len(flows), self.load.train)
        gaps_ns = _longest_gaps_ns(flows, begin_ns, last_tx_ns)
        elapsed_s = (last_tx_ns - begin_ns) / NS_PER_S
        return ProbeStatistics(
            ways=tuple(self._each_way(flows, sent, gaps_ns)),
            packets_per_s=(sent_count - 1) / elapsed_s if elapsed_s > 0 else 0.0,
            **self._accounts(),
        )

    def _each_way(
        self, flows: npt.NDArray[np.void], sent: npt.NDArray[np.int64], gaps_ns: npt.NDArray[np.int64]
    ) -> Iterator[WayStatistics]:
        for number, way in enumerate(self._ways):
            own = flows["way"] == number
            total = {name: int(flows[own][name].sum()) for name in ("received", "duplicates", "reordered")}
            extents = int(flows[own]["extent_sum"].sum())
            yield WayStatistics(
                way=way,
                flows=int(own.sum()),
                sent=int(sent[own].sum()),
                **total,
                reorder_extent_mean=extents / total["reordered"] if total["reordered"] else None,
                reorder_extent_max=int(flows[own]["extent_max"].max()),
                too_late=int(flows[own]["too_late"].sum()),
                longest_gap_ms=float(gaps_ns[own].max()) / NS_PER_MS,
                interval_ms=len(flows) * self.load.train / self.load.packets_per_s * MS_PER_S,
                latency=Histogram(self._memory.arrays["latency"][number * SLOTS : (number + 1) * SLOTS]),
            )


def sent_by_flow(packets: int, flows: int, train: int) -> npt.NDArray[np.int64]:
    """How many of the first `packets` are each flow's, where flows take turns, a train each."""
    trains, rest = divmod(packets, train)
    rounds, turn = divmod(trains, flows)
    sent = np.full(flows, rounds * train, np.int64)
    sent[:turn] += train
    sent[turn] += rest
    return sent


def _longest_gaps_ns(flows: npt.NDArray[np.void], begin_ns: int, last_tx_ns: int) -> npt.NDArray[np.int64]:
    """Each flow's longest time without an arrival; begin and end count as arrivals."""
    first, last = flows["first_rx_ns"].astype(np.int64), flows["last_rx_ns"].astype(np.int64)
    before = np.where(last > 0, first, last_tx_ns) - begin_ns
    behind = np.where(last > 0, last_tx_ns - last, 0)
    between = flows["longest_gap_ns"].astype(np.int64)
    longest: npt.NDArray[np.int64] = np.maximum(np.maximum(before, behind), between)
    return longest
