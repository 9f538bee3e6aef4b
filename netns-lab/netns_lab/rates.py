"""What a link's counters say of the last second or so: rates, and the latency that the engine adds."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataplane.interface import LinkState
from dataplane.links.link import (
    DROP_REASONS,
    LATENCY_SLOT,
    LINK_SLOTS,
    WIRE_COUNTERS,
    WIRE_SLOTS,
    Counters,
    LinkCounters,
)

READING_INTERVAL_S = 1.0
SHORTEST_SPAN_S = 0.5
"""Over less a rate would say more of chance than of the link."""
NS_PER_S = 1e9
NS_PER_US = 1e3
BITS_PER_OCTET = 8
BITS_PER_MBIT = 1e6
_SLOTS = {name: slot for slot, name in enumerate(WIRE_COUNTERS)}
_GAUGES = [_SLOTS["queue_frames"], _SLOTS["queue_octets"]]


@dataclass(frozen=True, slots=True)
class Recent:
    """What one direction of a link did over `span_s` seconds: the rise of its counters, (WIRE_SLOTS,)."""

    rise: NDArray[np.int64]
    span_s: float

    @property
    def frames_per_s(self) -> float:
        """Frames that were delivered."""
        return float(self.rise[_SLOTS["rx_frames"]] / self.span_s)

    @property
    def bits_per_s(self) -> float:
        """Of clear frames that were delivered, from destination address to payload."""
        return float(self.rise[_SLOTS["rx_octets"]] * BITS_PER_OCTET / self.span_s)

    @property
    def latency_us(self) -> float | None:
        """The mean time that frames spent in the engine, without what an impairment asked for."""
        frames = self.rise[LATENCY_SLOT:].sum()
        return float(self.rise[_SLOTS["latency_ns"]] / frames / NS_PER_US) if frames else None

    @property
    def latency_p99_us(self) -> float | None:
        """At most this long took 99 of 100 frames, to a power of two; None where that is not known."""
        buckets = self.rise[LATENCY_SLOT:]
        bucket = int(np.searchsorted(buckets.cumsum(), 0.99 * buckets.sum()))
        return float(1 << bucket) if buckets.any() and bucket < len(buckets) - 1 else None


class Readings:
    """The last two readings of all wires: one of them is old enough for a rate, and none is too old.

    Whoever owns it calls `take` every READING_INTERVAL_S.
    """

    def __init__(self, counters: Counters, now_ns: Callable[[], int]) -> None:
        self._links = counters.reshape(-1, LINK_SLOTS)
        self._now_ns = now_ns
        self._count = 0
        self._readings: deque[tuple[int, Counters]] = deque(maxlen=2)

    def cover(self, states: Iterable[LinkState]) -> None:
        """Reads these links, too, from now on."""
        self._count = max([self._count, *(state.slot + 1 for state in states)])

    def take(self) -> None:
        """Reads all counters."""
        self._readings.append((self._now_ns(), self._links[: self._count, : 2 * WIRE_SLOTS].copy()))

    def recent(self, slot: int) -> tuple[Recent, Recent] | None:
        """Both directions of the link in that place, by sending end; None before it was read for a while.

        A link whose counters are lower than they were is another one in the same place.
        """
        now_ns = self._now_ns()
        for then_ns, links in reversed(self._readings):
            span_s = (now_ns - then_ns) / NS_PER_S
            if span_s >= SHORTEST_SPAN_S and slot < len(links):
                rise = (self._links[slot, : 2 * WIRE_SLOTS] - links[slot]).astype(np.int64)
                first, second = rise.reshape(2, WIRE_SLOTS)
                if (np.delete(rise.reshape(2, WIRE_SLOTS), _GAUGES, axis=1) < 0).any():
                    return None
                return Recent(first, span_s), Recent(second, span_s)
        return None


def direction_documents(
    state: LinkState, counters: LinkCounters, recent: tuple[Recent, Recent] | None
) -> list[dict[str, Any]]:
    """Both directions of a link, by sending end: what is counted, and rates, null while there are none."""
    documents = []
    for sender, wire in enumerate(counters.wires):
        by_name = dict(zip(WIRE_COUNTERS, map(int, wire), strict=False))
        drops = {reason: by_name.pop(name) for name, reason in DROP_REASONS.items()}
        by_name.pop("latency_ns")  # of no use without the frames of its buckets
        documents.append(
            {
                "from": state.ends[sender].node,
                "to": state.ends[1 - sender].node,
                **by_name,
                "drops": drops,
                **_rates(recent[sender] if recent else None),
            }
        )
    return documents


def _rates(recent: Recent | None) -> dict[str, float | None]:
    if recent is None:
        return dict.fromkeys(("frames_per_s", "rate_mbps", "latency_us", "latency_p99_us"))
    latency_us = recent.latency_us
    return {
        "frames_per_s": round(recent.frames_per_s, 1),
        "rate_mbps": round(recent.bits_per_s / BITS_PER_MBIT, 6),
        "latency_us": None if latency_us is None else round(latency_us, 2),
        "latency_p99_us": recent.latency_p99_us,
    }
