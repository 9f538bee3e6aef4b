"""How long 100 000 prefixes take from one router's announcement to another's kernel, and what they weigh."""

from dataclasses import dataclass
from pathlib import Path

from netns_lab.api import ControllerClient
from netns_lab.builder import RunningLab, running_lab
from netns_lab.demo import QUAD
from netns_lab.measuring import READY_TIMEOUT_S

from bench.announcing import Announcing
from bench.consumption import OCTETS_PER_MB, resident_mb, with_children
from bench.figures import Figure, figure
from bench.ready_lab import check_ready, quietly
from bench.running import Say

PAIR = QUAD.with_name("pair.yaml")
PREFIXES = 100_000
ROUNDS = 3
ONE_SESSION_GOAL_S = 12
FOUR_SESSIONS_GOAL_S = 20
SPEAKER_GOAL_MB = 150


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
            with Announcing.between(lab, sender, receiver, PREFIXES) as announcing:
                samples.append(_measure(lab, announcing, sender, receiver))
    return samples


def _measure(lab: RunningLab, announcing: Announcing, sender: str, receiver: str) -> Sample:
    """Announce, cut all channels, heal them, withdraw."""
    with ControllerClient(lab.directory) as controller:
        pids = controller.call("inspect", topic="nodes")["pids"]
    before_mb = resident_mb(pids["controller"])
    installed_s = announcing.announce()
    sender_mb, receiver_mb = (
        sum(map(resident_mb, with_children(pids["exabgp"][node]))) for node in (sender, receiver)
    )
    grown = (resident_mb(pids["controller"]) - before_mb) * OCTETS_PER_MB
    channels = announcing.channels
    lost_s = announcing.until(announcing.is_gone, *(("fail", "link", channel) for channel in channels))
    back_s = announcing.until(announcing.is_installed, ("heal",))
    announcing.verify()
    withdrawn_s = announcing.until(announcing.is_gone, announcing.command("withdraw"))
    path_octets = grown / PREFIXES / len(channels)
    return Sample(installed_s, lost_s, back_s, withdrawn_s, sender_mb, receiver_mb, path_octets)
