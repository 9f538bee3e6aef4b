"""The probes' own limit: what they do where there is nothing but the kernel between sender and receiver.

Over loopback and over bare veth between two namespaces: the highest rate without loss and what a packet takes
of a core, with packets handed to the kernel one by one and in trains that it cuts; one-way latency, round
trips and lateness of a sender that nothing hurries. Over veth also frames between AF_XDP sockets, where the
machine has them.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from bench.figures import Figure, figure
from bench.pairs import PROBE_PORTS, veth_pair
from bench.running import Say
from dataplane.probes.flows import Flow
from dataplane.probes.frames import FrameSession
from dataplane.probes.histogram import Histogram
from dataplane.probes.load import LONGEST_TRAIN, MOST_PACKETS_PER_S, Load
from dataplane.probes.round_trips import measure_round_trips
from dataplane.probes.statistics import ProbeStatistics, StatisticsSession

ROUNDS = 3
FLAT_OUT_S = 0.2
STEP = 0.8
"""A rate that lost packets or was not held is followed by this much of it."""
HELD = 0.99
LEAST_PACKETS_PER_S = 10_000
GOAL_PACKETS_PER_S = 1_000_000
SMALLEST_OCTETS = 18
DEVICES = ("v0", "v1")
"""The ends of veth_pair."""
UNHURRIED_PACKETS_PER_S = 10_000
UNHURRIED_S = 0.25
ROUND_TRIPS = 250
INTERVAL_S = 0.001
WAIT_S = 20.0
LAST_PACKETS_S = 0.1
NS_PER_S = 1e9
PERCENTILES = (50, 99)
TRAINS = {"one by one": 1, f"in trains of {LONGEST_TRAIN}": LONGEST_TRAIN}
WAITING = {"asleep": False, "spinning": True}


def run(say: Say, rounds: int = ROUNDS) -> list[Figure]:
    """All figures, in about half a minute."""
    figures: list[Figure] = []
    with _paths() as paths:
        for path, flow in paths.items():
            for how, train in TRAINS.items():
                say(f"bench: packets {how} over {path}")
                figures += _rates(f"{path}, {how}", flow, train, rounds)
            if path == "veth":
                say("bench: frames over veth")
                figures += _frame_rates(flow, rounds, say)
            for how, spin in WAITING.items():
                say(f"bench: latency {how} over {path}")
                figures += _latencies(f"{path}, {how}", flow, spin, rounds)
    return figures


@contextmanager
def _paths() -> Iterator[Mapping[str, Flow]]:
    loopback = Flow(0, "loopback", 4, None, "127.0.0.1", None, "127.0.0.1", *PROBE_PORTS)
    with veth_pair() as pair:
        yield {"loopback": loopback, "veth": pair.flow()}


def _send(session: StatisticsSession) -> ProbeStatistics:
    with session:
        session.wait(WAIT_S)
        return session.stop(LAST_PACKETS_S)


def _rates(where: str, flow: Flow, train: int, rounds: int) -> list[Figure]:
    """Frames of 60 octets over IPv4, one flow."""

    def session(load: Load) -> StatisticsSession:
        return StatisticsSession([flow], replace(load, train=train, offload=train > 1))

    found = [_highest_without_loss(session) for _ in range(rounds)]
    received_ns = [NS_PER_S * best.receiver_cpu_s / best.ways[0].received for best in found]
    return [
        _reached(where, found, GOAL_PACKETS_PER_S if train > 1 else None),
        figure(f"{where}: sending a packet", "ns of a core", _sender_ns(found)),
        figure(f"{where}: receiving a packet", "ns of a core", received_ns),
    ]


def _frame_rates(flow: Flow, rounds: int, say: Say) -> list[Figure]:
    """The same frames between AF_XDP sockets, sent and received by one thread; none without AF_XDP."""
    where = "veth, frames between AF_XDP sockets"
    try:
        found = [_highest_without_loss(partial(FrameSession, flow, DEVICES)) for _ in range(rounds)]
    except OSError as error:
        say(f"bench: no frames over AF_XDP: {error}")
        return []
    return [
        _reached(where, found, None),
        figure(f"{where}: sending and receiving a frame", "ns of a core", _sender_ns(found)),
    ]


def _reached(where: str, found: list[ProbeStatistics], goal: float | None) -> Figure:
    rates = [best.packets_per_s for best in found]
    return figure(f"{where}: highest rate without loss", "packets/s", rates, goal, "at least")


def _sender_ns(found: list[ProbeStatistics]) -> list[float]:
    return [NS_PER_S * best.sender_cpu_s / best.ways[0].sent for best in found]


def _highest_without_loss(session: Callable[[Load], StatisticsSession]) -> ProbeStatistics:
    """First as fast as it goes, then slower until every packet arrives at the rate that was asked for."""
    packets_per_s: float = MOST_PACKETS_PER_S
    while True:
        load = Load(
            packets_per_s=round(packets_per_s),
            size_octets=SMALLEST_OCTETS,
            duration_s=FLAT_OUT_S * min(1, GOAL_PACKETS_PER_S / packets_per_s),
        )
        statistics = _send(session(load))
        held = packets_per_s == MOST_PACKETS_PER_S or statistics.packets_per_s > HELD * packets_per_s
        if (statistics.ways[0].lost == 0 and held) or packets_per_s < LEAST_PACKETS_PER_S:
            return statistics
        packets_per_s = STEP * min(packets_per_s, statistics.packets_per_s)


def _latencies(where: str, flow: Flow, spin: bool, rounds: int) -> list[Figure]:
    unhurried = Load(
        packets_per_s=UNHURRIED_PACKETS_PER_S,
        size_octets=SMALLEST_OCTETS,
        duration_s=UNHURRIED_S,
        spin=spin,
    )
    sent = [_send(StatisticsSession([flow], unhurried)) for _ in range(rounds)]
    there_and_back = [
        measure_round_trips(flow, ROUND_TRIPS, INTERVAL_S, spin=spin).times for _ in range(rounds)
    ]
    offered = f"at {UNHURRIED_PACKETS_PER_S} packets/s"
    return [
        *_percentiles(f"{where}: round trip", there_and_back),
        *_percentiles(f"{where}: one-way latency {offered}", [done.ways[0].latency for done in sent]),
        *_percentiles(f"{where}: the sender's lateness {offered}", [done.lateness for done in sent]),
    ]


def _percentiles(what: str, samples: list[Histogram]) -> list[Figure]:
    figures = []
    for percentile in PERCENTILES:
        times_us = [sample.percentile_us(percentile) for sample in samples]
        figures.append(figure(f"{what} p{percentile:g}", "us", [us for us in times_us if us is not None]))
    return figures
