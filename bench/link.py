"""What a link does to traffic: how fast it is, what it adds, how exactly it impairs.

Everything is measured on labs and namespaces of its own, what is compared in turn, and a figure is the median
of its samples.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from netns_lab.directory import LabError

from bench import link_impairment, link_one_way, link_rate, link_round_trip, link_tcp
from bench.figures import Figure
from bench.link_effort import FULL, Effort
from bench.running import Say, chosen

PACKAGES = {"iperf3": "iperf3", "wireguard-go": "wireguard-go", "wg": "wireguard-tools"}
"""Debian's packages of the commands that are measured with."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the figures, and the commands that measuring them takes."""

    measure: Callable[[Effort], list[Figure]]
    commands: tuple[str, ...] = ()


PARTS = {
    "tcp": Part(link_tcp.streams, ("iperf3", "wireguard-go", "wg")),
    "tcp-delay": Part(link_tcp.delayed, ("iperf3",)),
    "many-links": Part(link_tcp.among_many, ("iperf3",)),
    "small-frames": Part(link_rate.small_frames),
    "round-trip": Part(link_round_trip.round_trips),
    "idle": Part(link_round_trip.idle),
    "latency": Part(link_one_way.latency),
    "delay": Part(link_impairment.delay),
    "rate": Part(link_impairment.rate),
    "loss": Part(link_impairment.loss),
    "queue": Part(link_impairment.queued),
}


def run(say: Say, only: Sequence[str] = (), effort: Effort = FULL) -> list[Figure]:
    """The figures of all parts, or of those in `only`.

    LabError, before anything is measured, where there is no such part or a command is missing.
    """
    parts = chosen("link", PARTS, only)
    _check_commands({command for part in parts.values() for command in part.commands})
    figures = []
    for name, part in parts.items():
        say(f"bench: {name}")
        figures += part.measure(effort)
    return figures


def _check_commands(commands: set[str]) -> None:
    missing = sorted(PACKAGES[command] for command in commands if shutil.which(command) is None)
    if missing:
        raise LabError(
            f"this measures with {' and '.join(missing)}; run: apt-get install {' '.join(missing)}"
        )
