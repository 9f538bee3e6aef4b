"""How exactly a link delays, limits and loses, and what frames that wait in it cost."""

from functools import partial

import numpy as np
import numpy.typing as npt

from bench import impairment
from bench.figures import Figure, figure
from bench.link_effort import Effort
from bench.link_lab import link_lab
from bench.one_way import END_TIMEOUT_S, GRACE_S, payload_octets, send, way
from bench.pairs import Pair
from bench.sampling import in_turn
from dataplane.links.specification import MACSEC_OCTETS
from dataplane.probes.histogram import HIGHEST_NS, Histogram
from dataplane.probes.load import Load
from dataplane.probes.session import ProbeSession

FAST_PPS = 100_000
SMALL_FRAME_OCTETS = 60
LARGE_FRAME_OCTETS = 1514
DELAY_MS = 10
DELAY_GOAL_US = 100
RATE_MBPS = 1000
OFFERED_SHARE = 1.3
RATE_GOAL_PERCENT = 1
LOSS_PERCENT = 1
LOSS_GOAL_POINTS = 0.1
NS_PER_US = 1e3
US_PER_S = 1e6


def delay(effort: Effort) -> list[Figure]:
    """How far single packets are from the delay that was set, which the time without it is taken from."""
    with link_lab({"clean": {}, "delayed": {"impair": {"delay": f"{DELAY_MS}ms"}}}) as lab:
        load = _small(FAST_PPS, effort.load_s)
        works = {name: partial(_latency, lab.pair(name), load) for name in ("clean", "delayed")}
        times = in_turn(works, effort.rounds)
    clean_us = [_median_us(entry) for entry in times["clean"]]
    reference = figure(f"one-way latency p50 at {FAST_PPS} packets/s, no delay", "us", clean_us)
    expected_us = [entry + DELAY_MS * 1000 for entry in clean_us]
    errors_us = [
        p99_error_us(entry, expected) for entry, expected in zip(times["delayed"], expected_us, strict=True)
    ]
    name = f"delay of {DELAY_MS} ms: error p99 at {FAST_PPS} packets/s"
    return [reference, figure(name, "us", errors_us, DELAY_GOAL_US, "at most", reference)]


def _latency(pair: Pair, load: Load) -> Histogram:
    return way(send(pair, load)).latency


def p99_error_us(times: Histogram, expected_us: float) -> float:
    """What 99 % of the times are not further from the expected one, above or below."""
    errors_us = np.abs(HIGHEST_NS / NS_PER_US - expected_us)
    order = np.argsort(errors_us)
    at = int(np.searchsorted(np.cumsum(times.counts[order]), 0.99 * times.total))
    return float(errors_us[order][at])


def rate(effort: Effort) -> list[Figure]:
    """Octets of protected frames a second, by their times of arrival, where more is offered."""
    frame_octets = LARGE_FRAME_OCTETS + MACSEC_OCTETS
    offered_pps = round(OFFERED_SHARE * RATE_MBPS * US_PER_S / (8 * frame_octets))
    load = Load(
        packets_per_s=offered_pps,
        size_octets=payload_octets(LARGE_FRAME_OCTETS),
        duration_s=effort.load_s,
        kernel_time=True,
    )
    with link_lab({"limited": {"impair": {"rate": f"{RATE_MBPS}mbit"}}}) as lab:
        pair = lab.pair("limited")
        rates = [mbps(_arrivals_ns(pair, load), frame_octets) for _ in range(effort.rounds)]
    reference = figure(f"rate of {RATE_MBPS} Mbit/s: protected octets that cross", "Mbit/s", rates)
    errors = [100 * abs(each / RATE_MBPS - 1) for each in rates]
    name = f"rate of {RATE_MBPS} Mbit/s: error"
    return [reference, figure(name, "%", errors, RATE_GOAL_PERCENT)]


def _arrivals_ns(pair: Pair, load: Load) -> npt.NDArray[np.int64]:
    with ProbeSession([pair.flow()], load) as session:
        session.wait(load.duration_s + END_TIMEOUT_S)
        arrivals: npt.NDArray[np.int64] = session.stop(GRACE_S).received["rx_ns"]
        return arrivals.copy()


def mbps(arrivals_ns: npt.NDArray[np.int64], frame_octets: int) -> float:
    """What frames of one size take of a line, from the first to the last, in Mbit/s."""
    elapsed_us = (int(arrivals_ns.max()) - int(arrivals_ns.min())) / NS_PER_US
    return (len(arrivals_ns) - 1) * frame_octets * 8 / elapsed_us


def loss(effort: Effort) -> list[Figure]:
    """The share of packets lost, and that without loss none is."""
    load = _small(FAST_PPS, effort.lossy_frames / FAST_PPS)
    with link_lab({"clean": {}, "lossy": {"impair": {"loss": f"{LOSS_PERCENT}%"}}}) as lab:
        works = {name: partial(_lost_percent, lab.pair(name), load) for name in ("clean", "lossy")}
        lost = in_turn(works, effort.rounds)
    reference = figure(f"loss of {load.packets} frames, none set", "%", lost["clean"])
    errors = [abs(each - LOSS_PERCENT) for each in lost["lossy"]]
    name = f"loss of {load.packets} frames, {LOSS_PERCENT} % set"
    return [
        reference,
        figure(name, "%", lost["lossy"]),
        figure(f"{name}: error", "points", errors, LOSS_GOAL_POINTS),
    ]


def _lost_percent(pair: Pair, load: Load) -> float:
    return 100 * way(send(pair, load)).loss_share


def queued(effort: Effort) -> list[Figure]:
    """What a frame costs with 10 000 waiting, beside one burst waiting."""
    return impairment.run(lambda text: None, impairment.SIZES, effort.queue_rounds)


def _small(packets_per_s: int, duration_s: float) -> Load:
    """The smallest frames."""
    return Load(
        packets_per_s=packets_per_s,
        size_octets=payload_octets(SMALL_FRAME_OCTETS),
        duration_s=duration_s,
        kernel_time=True,
    )


def _median_us(times: Histogram) -> float:
    value = times.percentile_us(50)
    assert value is not None  # something arrived
    return value
