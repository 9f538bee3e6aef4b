"""One-way latency under load, over a link and over bare veth, each at shares of what it carries at most."""

import statistics
from functools import partial

from bench.figures import Figure, figure
from bench.link_effort import Effort
from bench.link_lab import link_lab
from bench.one_way import highest_rate, is_carried, payload_octets, send, way
from bench.pairs import Pair, veth_pair
from bench.sampling import in_turn
from dataplane.probes.histogram import Histogram
from dataplane.probes.load import Load

FRAME_OCTETS = {64: 60, 1500: 1514}
"""By the usual name of the size, the octets of the frame without FCS."""
PERCENTILES = (50, 99, 99.9)
LOWEST_PPS, HIGHEST_PPS = 50_000, 1_600_000


def latency(effort: Effort) -> list[Figure]:
    """What each carries at most, and the percentiles of its latency at shares of that."""
    figures = []
    with link_lab({"link": {}}) as lab, veth_pair() as veth:
        pairs = {"veth": veth, "link": lab.pair("link")}
        for size in effort.latency_sizes:
            octets = payload_octets(FRAME_OCTETS[size])
            searches = {name: partial(capacity_pps, pair, octets, effort) for name, pair in pairs.items()}
            found = in_turn(searches, effort.rounds)
            figures += _beside_veth(f"{size} B: carried at most", "packets/s", found)
            capacities = {name: statistics.median(rates) for name, rates in found.items()}
            for percent in effort.latency_shares_percent:
                works = {
                    name: partial(_latency, pair, round(capacities[name] * percent / 100), octets, effort)
                    for name, pair in pairs.items()
                }
                times = in_turn(works, effort.rounds)
                for percentile in PERCENTILES:
                    name = f"{size} B at {percent} % of that: one-way latency p{percentile:g}"
                    samples = {each: _us(taken, percentile) for each, taken in times.items()}
                    figures += _beside_veth(name, "us", samples)
    return figures


def _latency(pair: Pair, rate: int, octets: int, effort: Effort) -> Histogram:
    load = Load(packets_per_s=rate, size_octets=octets, duration_s=effort.latency_s)
    return way(send(pair, load)).latency


def capacity_pps(pair: Pair, octets: int, effort: Effort) -> float:
    """The highest rate of packets with that payload that arrive, as RFC 2544 looks for it."""

    def carried(rate: int) -> bool:
        load = Load(packets_per_s=rate, size_octets=octets, duration_s=effort.trial_s)
        return is_carried(send(pair, load), rate)

    return highest_rate(carried, LOWEST_PPS, HIGHEST_PPS, effort.trials)


def _beside_veth(name: str, unit: str, samples: dict[str, list[float]]) -> list[Figure]:
    reference = figure(f"{name}: veth", unit, samples["veth"])
    return [reference, figure(f"{name}: link", unit, samples["link"], reference=reference)]


def _us(times: list[Histogram], percentile: float) -> list[float]:
    return [value for each in times if (value := each.percentile_us(percentile)) is not None]
