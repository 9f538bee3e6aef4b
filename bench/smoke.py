"""The few figures that tell whether the whole works as it should: build, break, carry, take down."""

import select
import time
from functools import partial

from netns_lab.builder import RunningLab, running_lab
from netns_lab.demo import QUAD
from netns_lab.directory import LabError
from netns_lab.measuring import READY_TIMEOUT_S, FaultRequest, measure_fault, observation_s
from netns_lab.plan import LabPlan
from netns_lab.stopwatch import Stopwatch
from pyroute2 import IPRoute

from bench.figures import Figure, figure
from bench.iperf import throughput_gbps
from bench.link_lab import LinkLab
from bench.pairs import veth_pair
from bench.ready_lab import check_ready, quietly
from bench.running import Say
from bench.sampling import in_turn
from bench.shell import timed_command
from dataplane.link_state import LinkMonitor
from dataplane.namespace import run_in_namespace

ROUNDS = 3
CARRIER_ROUNDS = 10
CARRIER_TIMEOUT_S = 5.0
CUTS = 5
CUT_OBSERVED_S = 0.5
TRAFFIC_LIMIT_S = 180.0
TCP_S = 3


def run(say: Say) -> list[Figure]:
    """All figures, measured one after the other on labs of its own."""
    up_s, down_s = [], []
    for number in range(ROUNDS):
        say(f"bench: up and down {number + 1} of {ROUNDS}")
        start = time.monotonic()
        with running_lab(QUAD, quietly, READY_TIMEOUT_S) as lab:
            up_s.append(time.monotonic() - start)
            check_ready(lab.missing)
            start = time.monotonic()
        down_s.append(time.monotonic() - start)
    say("bench: demo")
    demo_s = timed_command("demo", "--format", "json")
    with running_lab(QUAD, quietly, READY_TIMEOUT_S) as lab:
        check_ready(lab.missing)
        say("bench: inspect")
        inspect_s = [timed_command("--name", lab.directory.name, "inspect", "links") for _ in range(ROUNDS)]
        say("bench: carrier of the far end")
        carrier_ms = [_far_carrier_loss_ms(lab.plan) for _ in range(CARRIER_ROUNDS)]
        say("bench: TCP over one channel, and over bare veth")
        channel, veth = _tcp(LinkLab(lab.directory, lab.plan))
        outages = _outages(lab, say)
    return [
        figure("lab up: sessions established, prefixes installed", "s", up_s, 5),
        figure("lab down", "s", down_s, 1),
        figure("demo, once set up", "s", [demo_s], 30),
        figure("inspect at the shell", "s", inspect_s, 0.3),
        figure("interface down, until the far end's carrier is lost", "ms", carrier_ms, 5),
        *outages,
        veth,
        channel,
    ]


def _far_carrier_loss_ms(plan: LabPlan) -> float:
    """From the command in one namespace to the notice in the other; both interfaces are up afterwards."""
    near, far = next(link for link in plan.links if link.macsec is not None).ends
    namespace = plan.node(near.node).namespace
    monitor = LinkMonitor(plan.node(far.node).namespace)
    try:
        start = run_in_namespace(namespace, partial(_set_link, near.name, "down"))
        _await_carrier(monitor, far.name, False)
        lost = time.monotonic()
        run_in_namespace(namespace, partial(_set_link, near.name, "up"))
        _await_carrier(monitor, far.name, True)
    finally:
        monitor.close()
    return (lost - start) * 1000


def _set_link(interface: str, state: str) -> float:
    """When the command was given to the kernel."""
    with IPRoute() as netlink:
        start = time.monotonic()
        netlink.link("set", ifname=interface, state=state)
        return start


def _await_carrier(monitor: LinkMonitor, interface: str, carrier: bool) -> None:
    while select.select([monitor.fileno()], [], [], CARRIER_TIMEOUT_S)[0]:
        if any(state.name == interface and state.carrier is carrier for state in monitor.read()):
            return
    raise LabError(f"{interface}: no change of carrier within {CARRIER_TIMEOUT_S:.0f} s")


def _tcp(lab: LinkLab) -> tuple[Figure, Figure]:
    channel = lab.pair(next(link for link in lab.plan.links if link.macsec is not None).name)
    with veth_pair() as veth:
        works = {
            "veth": partial(throughput_gbps, veth, TCP_S),
            "channel": partial(throughput_gbps, channel, TCP_S),
        }
        gbps = in_turn(works, ROUNDS)
    reference = figure("one TCP stream over bare veth", "Gbit/s", gbps["veth"])
    name = "one TCP stream over one MACsec channel"
    return figure(name, "Gbit/s", gbps["channel"], 1, "at least", reference), reference


def _outages(lab: RunningLab, say: Say) -> list[Figure]:
    outage_ms: dict[str, list[float]] = {}
    with Stopwatch(lab.directory, lab.plan, limit_s=TRAFFIC_LIMIT_S) as stopwatch:
        link = stopwatch.busiest_link()
        for number in range(CUTS):
            say(f"bench: carrier cut {number + 1} of {CUTS}")
            cut = measure_fault(
                stopwatch, lab.directory, FaultRequest("link", link, "carrier"), CUT_OBSERVED_S
            )
            for way in cut.directions:
                outage_ms.setdefault(way, []).append(cut.outage(way).outage_ms_max)
        say("bench: silent cut")
        silence = FaultRequest("link", link, "silent")
        silent = measure_fault(stopwatch, lab.directory, silence, observation_s(lab.plan, silence))
    cuts = [
        figure(f"carrier cut, outage {way} (known to {cut.resolution_ms:.0f} ms)", "ms", samples, 20)
        for way, samples in outage_ms.items()
    ]
    worst = [silent.outage(way).outage_ms_max for way in silent.directions]
    return [*cuts, figure("silent cut, outage (BFD at 50 ms x 3)", "ms", worst, 180)]
