"""TCP through a MACsec link: beside bare veth and wireguard-go, with delay, among many links."""

from collections.abc import Callable
from functools import partial

from bench.figures import Figure, figure
from bench.iperf import throughput_gbps
from bench.link_effort import Effort
from bench.link_lab import Settings, link_lab
from bench.pairs import Pair, veth_pair, wireguard_pair
from bench.sampling import in_turn

STREAMS = 4
VETH_GOAL = 0.6
STREAMS_GOAL = 0.85
WIREGUARD_GOAL = 8
DELAY_GOAL = 0.8
MANY_LINKS_GOAL = 0.8
BUFFERS = {"net.ipv4.tcp_rmem": "4096 131072 268435456", "net.ipv4.tcp_wmem": "4096 131072 268435456"}
"""More than a path of ten gigabits with a round trip of 20 ms holds, which are 25 MB."""


def streams(effort: Effort) -> list[Figure]:
    """One stream and four, through a link, over bare veth and through wireguard-go."""
    with link_lab({"link": {}}) as lab, veth_pair() as veth, wireguard_pair() as wireguard:
        link = lab.pair("link")
        gbps = in_turn(
            {
                "veth": _stream(veth, effort),
                "link": _stream(link, effort),
                "wireguard-go": _stream(wireguard, effort),
                "four over veth": _stream(veth, effort, STREAMS),
                "four": _stream(link, effort, STREAMS),
            },
            effort.rounds,
        )
    bare = figure("one TCP stream over bare veth", "Gbit/s", gbps["veth"])
    other = figure("one TCP stream through wireguard-go", "Gbit/s", gbps["wireguard-go"])
    one = figure("one TCP stream through a link", "Gbit/s", gbps["link"], VETH_GOAL, "ratio at least", bare)
    four_name = "four TCP streams through a link"
    return [
        bare,
        one,
        other,
        figure(
            "one TCP stream through a link, beside wireguard-go",
            "Gbit/s",
            gbps["link"],
            WIREGUARD_GOAL,
            "ratio at least",
            other,
        ),
        figure("four TCP streams over bare veth", "Gbit/s", gbps["four over veth"]),
        figure(four_name, "Gbit/s", gbps["four"], STREAMS_GOAL, "ratio at least", one),
    ]


def delayed(effort: Effort) -> list[Figure]:
    """One stream with 10 ms of delay in each direction, and without; the sockets may buffer the same."""
    links: dict[str, Settings] = {"clean": {}, "delayed": {"impair": {"delay": "10ms"}}}
    with link_lab(links, node={"sysctl": BUFFERS}) as lab:
        omitted_s = effort.delayed_tcp_omitted_s
        works = {name: _stream(lab.pair(name), effort, omitted_s=omitted_s) for name in links}
        gbps = in_turn(works, effort.rounds)
    clean = figure("one TCP stream without delay, large buffers", "Gbit/s", gbps["clean"])
    name = "one TCP stream with 10 ms delay each way"
    return [clean, figure(name, "Gbit/s", gbps["delayed"], DELAY_GOAL, "ratio at least", clean)]


def among_many(effort: Effort) -> list[Figure]:
    """One stream through the only link of a lab, and through one of many."""
    with link_lab({"l0": {}}) as alone, link_lab({f"l{n}": {} for n in range(effort.links)}) as many:
        works = {"alone": _stream(alone.pair("l0"), effort), "many": _stream(many.pair("l0"), effort)}
        gbps = in_turn(works, effort.rounds)
    reference = figure("one TCP stream through the only link of a lab", "Gbit/s", gbps["alone"])
    name = f"one TCP stream through one of {effort.links} links"
    return [reference, figure(name, "Gbit/s", gbps["many"], MANY_LINKS_GOAL, "ratio at least", reference)]


def _stream(
    pair: Pair, effort: Effort, streams: int = 1, omitted_s: int | None = None
) -> Callable[[], float]:
    omitted_s = effort.tcp_omitted_s if omitted_s is None else omitted_s
    return partial(throughput_gbps, pair, effort.tcp_s, omitted_s, streams)
