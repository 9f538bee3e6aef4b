"""How long 100 000 prefixes take from one router's announcement to another's kernel, and what they weigh."""

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from netns_lab.api import ControllerClient
from netns_lab.builder import RunningLab, running_lab
from netns_lab.demo import QUAD
from netns_lab.directory import LabError
from netns_lab.measuring import READY_TIMEOUT_S

from bench.consumption import OCTETS_PER_MB, resident_mb, with_children
from bench.figures import Figure, figure
from bench.link_lab import check_ready, quietly
from bench.shell import timed_command
from control.routes.kernel import NetlinkKernel
from control.routes.model import NextHops

PAIR = QUAD.with_name("pair.yaml")
BLOCKS = (
    "20.0.0.0/8",
    "21.0.0.0/9",
    "21.128.0.0/14",
    "21.132.0.0/15",
    "21.134.0.0/17",
    "21.134.128.0/19",
)
LENGTH = 24
PREFIXES = 100_000
"""So many of LENGTH are in BLOCKS."""
ROUNDS = 3
POLL_INTERVAL_S = 0.02
LIMIT_S = 180.0
ONE_SESSION_GOAL_S = 12
FOUR_SESSIONS_GOAL_S = 20
SPEAKER_GOAL_MB = 150

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sample:
    """What one lab showed: times of 100 000 prefixes, memory (RSS) of ExaBGP and its helper once installed.

    `path_octets` is what the controller grew by, over the paths that the receiving router heard.
    """

    installed_s: float
    lost_s: float
    back_s: float
    withdrawn_s: float
    sender_mb: float
    receiver_mb: float
    path_octets: float


def run(say: Say) -> list[Figure]:
    """All figures, each round on a lab of its own. LabError where prefixes do not arrive."""
    one = _samples(PAIR, "r1", "r2", say)
    four = _samples(QUAD, "aws", "gcp", say)
    return [
        *_figures("one session", one, ONE_SESSION_GOAL_S, SPEAKER_GOAL_MB),
        *_figures("four sessions", four, FOUR_SESSIONS_GOAL_S),
    ]


def _figures(name: str, samples: list[Sample], goal_s: float, goal_mb: float | None = None) -> list[Figure]:
    return [
        figure(f"{name}: announced, until installed", "s", [s.installed_s for s in samples], goal_s),
        figure(f"{name}: all channels cut, until withdrawn", "s", [s.lost_s for s in samples]),
        figure(f"{name}: channels healed, until installed", "s", [s.back_s for s in samples]),
        figure(f"{name}: withdrawn, until gone", "s", [s.withdrawn_s for s in samples]),
        figure(f"{name}: ExaBGP and helper that announce", "MB", [s.sender_mb for s in samples], goal_mb),
        figure(f"{name}: ExaBGP and helper that hear", "MB", [s.receiver_mb for s in samples], goal_mb),
        figure(f"{name}: controller, each path", "octets", [s.path_octets for s in samples]),
    ]


def _samples(topology: Path, sender: str, receiver: str, say: Say) -> list[Sample]:
    samples = []
    for number in range(ROUNDS):
        say(f"bench: {PREFIXES} prefixes, {topology.stem}, {number + 1} of {ROUNDS}")
        with running_lab(topology, quietly, READY_TIMEOUT_S) as lab:
            check_ready(lab.missing)
            samples.append(Trial(lab, sender, receiver).run())
    return samples


class Trial:
    """Two routers of a lab that is up, of which one announces and the other's kernel is watched."""

    def __init__(self, lab: RunningLab, sender: str, receiver: str) -> None:
        self._name = lab.directory.name
        self._sender = sender
        self._channels = [
            link.name for link in lab.plan.links if {end.node for end in link.ends} == {sender, receiver}
        ]
        with ControllerClient(lab.directory) as controller:
            pids = controller.call("inspect", topic="nodes")["pids"]
        self._controller: int = pids["controller"]
        self._announcing = with_children(pids["exabgp"][sender])
        self._hearing = with_children(pids["exabgp"][receiver])
        self._kernel = NetlinkKernel(lab.plan.node(receiver).namespace)
        self._statistics = Path(f"/proc/{pids['exabgp'][receiver]}/net/fib_triestat")
        self._others = self._count()

    def run(self) -> Sample:
        """Announce, cut all channels, heal them, withdraw."""
        before_mb = resident_mb(self._controller)
        installed_s = self._until(self._is_installed, self._announcement("announce"))
        self._verify()
        sender_mb, receiver_mb = (sum(map(resident_mb, pids)) for pids in (self._announcing, self._hearing))
        grown = (resident_mb(self._controller) - before_mb) * OCTETS_PER_MB
        lost_s = self._until(self._is_gone, *(("fail", "link", channel) for channel in self._channels))
        back_s = self._until(self._is_installed, ("heal",))
        self._verify()
        withdrawn_s = self._until(self._is_gone, self._announcement("withdraw"))
        self._kernel.close()
        path_octets = grown / PREFIXES / len(self._channels)
        return Sample(installed_s, lost_s, back_s, withdrawn_s, sender_mb, receiver_mb, path_octets)

    def _announcement(self, verb: str) -> tuple[str, ...]:
        return (verb, self._sender, *BLOCKS, "--split", str(LENGTH))

    def _until(self, reached: Callable[[], bool], *commands: tuple[str, ...]) -> float:
        """Seconds from the start of the first command until the receiving kernel is as it should be."""
        start = time.monotonic()
        with ThreadPoolExecutor(1) as shell:
            typed = [shell.submit(timed_command, "--name", self._name, *words) for words in commands]
            while not reached():
                if time.monotonic() - start > LIMIT_S:
                    raise LabError(f"`quadlink {' '.join(commands[0])}` did not do it in {LIMIT_S:.0f} s")
                time.sleep(POLL_INTERVAL_S)
            took_s = time.monotonic() - start
            for command in typed:
                command.result()
        return took_s

    def _count(self) -> int:
        """The IPv4 routes of the receiving kernel."""
        found = re.search(r"Prefixes:\s*(\d+)", self._statistics.read_text())
        assert found is not None
        return int(found[1])

    def _is_gone(self) -> bool:
        return self._count() <= self._others

    def _is_installed(self) -> bool:
        """Every prefix is there, and every group of IPv4 next hops has one on each channel."""
        return self._count() >= self._others + PREFIXES and all(
            len(hops) == len(self._channels) for hops in self._groups().values()
        )

    def _groups(self) -> dict[int, NextHops]:
        objects = {nexthop.id: nexthop for nexthop in self._kernel.nexthops()}
        groups = {
            id: frozenset(hop for member in nexthop.members if (hop := objects[member].next_hop))
            for id, nexthop in objects.items()
        }
        return {id: hops for id, hops in groups.items() if any(":" not in hop.gateway for hop in hops)}

    def _verify(self) -> None:
        """Asks the kernel for every route; LabError where one has not all channels."""
        groups = self._groups()
        prefixes = {route.prefix for route in self._kernel.dump().routes if route.nexthop in groups}
        whole = sum(prefix.startswith(("20.", "21.")) for prefix in prefixes)
        if whole != PREFIXES:
            raise LabError(f"expected {PREFIXES} prefixes over {len(self._channels)} channels, found {whole}")
