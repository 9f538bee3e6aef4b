"""The outage stopwatch: how long each probe flow was dark, from what was sent and what arrived.

The method is RFC 6413's, with the terms of RFC 6412. Each flow is offered at a constant rate, so it is a
clock that ticks once per send interval (the packet sampling interval), and loss is measured for each flow by
itself (the route-specific loss-derived method) rather than over the sum:

- lost: sent, and no copy arrived. A late, reordered or duplicated packet is not lost. A send that the kernel
  refused was offered load, and is lost.
- outage (route loss of connectivity period): from the send time of the first packet lost after the fault (the
  convergence event) to the send time of the next packet that was delivered; 0 when none was lost. Send times,
  so the path's delay and the receiver's wake-up are not in it. It is the first unbroken run of losses;
  `loss_runs` tells whether there were more.
- loss-derived time: packets lost times the send interval, over all runs.
- rate-derived time: from the fault to the end of the last packet sampling interval of which fewer packets
  were delivered than offered, by more than a tenth and by more than one.
- restored: the arrival of that next packet. The earliest over the flows is the first route convergence
  instant, the latest the convergence recovery instant.

A flow of which no packet was delivered after the first loss is `dark`: its outage is then the least it was,
up to the last packet sent in the window. All functions are pure; records are as in dataplane.probes.records.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dataplane.probes.records import Records

NS_PER_MS = 1e6
NS_PER_US = 1e3
RATE_TOLERANCE = 0.1
NOT_DELIVERED = -1

Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FlowOutage:
    """One flow after a fault; see the module for the terms."""

    flow: int
    sent: int
    lost: int
    loss_runs: int
    outage_ms: float
    longest_ms: float
    """The longest unbroken run, measured as `outage_ms` is: more where a later one was longer."""
    loss_derived_ms: float
    resolution_ms: float
    """The flow's send interval: the outage is known to no better than this."""
    dark: bool
    restored_ms: float | None
    """Arrival of the first packet delivered again, after the fault. None: nothing lost or none came back."""


@dataclass(frozen=True, slots=True)
class OutageSummary:
    """A set of flows after a fault. While `dark` is not 0 the outages are lower bounds."""

    flows: int
    dark: int
    """Flows that did not come back within the window."""
    lost: int
    outage_ms_max: float
    outage_ms_median: float
    outage_ms_p99: float
    loss_derived_ms_max: float
    resolution_ms: float
    """The longest send interval of any of the flows."""
    first_restored_ms: float | None
    last_restored_ms: float | None
    """After the fault, over the flows that lost packets and came back; None where there is no such flow."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Packets sent in a span of time: how many were lost, and how long the others took."""

    sent: int
    lost: int
    latency_us_median: float | None
    latency_us_p99: float | None
    latency_us_max: float | None
    """One way, send to read; None when no packet arrived."""


def arrivals(sent: Records, received: Records) -> Times:
    """For each sent packet the arrival of its first copy in nanoseconds, or NOT_DELIVERED."""
    if len(received) == 0:
        return np.full(len(sent), NOT_DELIVERED, np.int64)
    identities, first_copy = np.unique(_identity(received), return_index=True)
    wanted = _identity(sent)
    place = np.minimum(np.searchsorted(identities, wanted), len(identities) - 1)
    found = received["rx_ns"][first_copy[place]]
    return np.where(identities[place] == wanted, found, NOT_DELIVERED)


def outages_after(
    sent: Records, rx_ns: Times, t_fault_ns: int, until_ns: int, *, in_flight_ns: int = 0
) -> list[FlowOutage]:
    """The outage of each flow, by id, over the packets sent from the fault until `until_ns` (exclusive).
    `rx_ns` are the `arrivals` of `sent`.

    A fault also takes what is on its way: `in_flight_ns`, at least the path's delay, puts packets sent that
    much earlier into the window. What is sent just before `until_ns` must have had time to arrive.
    Raises ValueError where a flow sent fewer than two packets in all, which tell no send interval.
    """
    result = []
    for flow, places in _by_flow(sent):
        tx_ns = sent["tx_ns"][places]
        if len(tx_ns) < 2:
            raise ValueError(f"flow {flow} sent one packet: expected at least two, to know its send interval")
        interval_ns = float(tx_ns[-1] - tx_ns[0]) / (len(tx_ns) - 1)
        window = (tx_ns >= t_fault_ns - in_flight_ns) & (tx_ns < until_ns)
        result.append(_flow_outage(flow, tx_ns[window], rx_ns[places][window], interval_ns, t_fault_ns))
    return result


def summarize(outages: Iterable[FlowOutage]) -> OutageSummary:
    """The outages of a set of flows as one; all zero for an empty set."""
    chosen = list(outages)
    outage_ms = [outage.outage_ms for outage in chosen]
    restored_ms = [outage.restored_ms for outage in chosen if outage.restored_ms is not None]
    return OutageSummary(
        flows=len(chosen),
        dark=sum(outage.dark for outage in chosen),
        lost=sum(outage.lost for outage in chosen),
        outage_ms_max=max(outage_ms, default=0.0),
        outage_ms_median=float(np.median(outage_ms)) if chosen else 0.0,
        outage_ms_p99=_p99(outage_ms) if chosen else 0.0,
        loss_derived_ms_max=max((outage.loss_derived_ms for outage in chosen), default=0.0),
        resolution_ms=max((outage.resolution_ms for outage in chosen), default=0.0),
        first_restored_ms=min(restored_ms, default=None),
        last_restored_ms=max(restored_ms, default=None),
    )


def rate_derived_ms(tx_ns: Times, rx_ns: Times, t_fault_ns: int, until_ns: int, sampling_ns: int) -> float:
    """The rate-derived time of packets sent at `tx_ns`, with their `arrivals`, in any order.

    0 where every whole sampling interval up to `until_ns` had its packets. Packets are of the interval they
    were sent in, so that neither latency nor a pause of the machine is taken for a lower rate.
    """
    edges = np.arange(t_fault_ns, until_ns + 1, sampling_ns)
    if len(edges) < 2:
        return 0.0
    offered, lost = (np.histogram(times, edges)[0] for times in (tx_ns, tx_ns[rx_ns == NOT_DELIVERED]))
    short = np.flatnonzero(lost > np.maximum(1.0, offered * RATE_TOLERANCE))
    return float((short[-1] + 1) * sampling_ns) / NS_PER_MS if len(short) else 0.0


def delivery(sent: Records, rx_ns: Times, begin_ns: int, end_ns: int) -> Delivery:
    """Loss and one-way latency of the packets sent meanwhile; `rx_ns` are the `arrivals` of `sent`."""
    chosen = (sent["tx_ns"] >= begin_ns) & (sent["tx_ns"] < end_ns)
    delivered = chosen & (rx_ns != NOT_DELIVERED)
    latency_us = (rx_ns[delivered] - sent["tx_ns"][delivered]) / NS_PER_US
    known = len(latency_us) > 0
    return Delivery(
        sent=int(np.count_nonzero(chosen)),
        lost=int(np.count_nonzero(chosen & ~delivered)),
        latency_us_median=float(np.median(latency_us)) if known else None,
        latency_us_p99=_p99(latency_us) if known else None,
        latency_us_max=float(latency_us.max()) if known else None,
    )


def _p99(values: list[float] | npt.NDArray[np.float64]) -> float:
    """A value that is there, which 99 % do not exceed."""
    return float(np.percentile(values, 99, method="inverted_cdf"))


def _identity(records: Records) -> npt.NDArray[np.uint64]:
    identity: npt.NDArray[np.uint64] = (
        records["flow"].astype(np.uint64) << np.uint64(32) | records["sequence"]
    )
    return identity


def _by_flow(records: Records) -> Iterator[tuple[int, npt.NDArray[np.intp]]]:
    """Each flow's id with the places of its records, in their order."""
    places = np.argsort(records["flow"], kind="stable")
    ids, starts = np.unique(records["flow"][places], return_index=True)
    yield from zip(ids.tolist(), np.split(places, starts[1:]) if len(ids) else [], strict=True)


def _flow_outage(flow: int, tx_ns: Times, rx_ns: Times, interval_ns: float, t_fault_ns: int) -> FlowOutage:
    """The outage within one flow's window; `tx_ns` rises, `rx_ns` belongs to it packet by packet."""
    lost = np.flatnonzero(rx_ns == NOT_DELIVERED)
    runs, outage_ns, longest_ns, dark, restored_ms = 0, 0, 0, False, None
    if len(lost):
        begins = np.flatnonzero(np.diff(lost, prepend=-2) > 1)
        first_lost, last_lost = lost[begins], lost[np.append(begins[1:], len(lost)) - 1]
        after = np.minimum(last_lost + 1, len(tx_ns) - 1)
        outages_ns = tx_ns[after] - tx_ns[first_lost]
        runs, outage_ns, longest_ns = len(begins), int(outages_ns[0]), int(outages_ns.max())
        dark = bool(rx_ns[after[0]] == NOT_DELIVERED)
        restored_ms = None if dark else float(rx_ns[after[0]] - t_fault_ns) / NS_PER_MS
    return FlowOutage(
        flow=flow,
        sent=len(tx_ns),
        lost=len(lost),
        loss_runs=runs,
        outage_ms=outage_ns / NS_PER_MS,
        longest_ms=longest_ns / NS_PER_MS,
        loss_derived_ms=len(lost) * interval_ns / NS_PER_MS,
        resolution_ms=interval_ns / NS_PER_MS,
        dark=dark,
        restored_ms=restored_ms,
    )
