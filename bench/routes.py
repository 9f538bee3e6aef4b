"""How long 100 000 prefixes take from one router's announcement to another's kernel, and what they weigh."""

from dataclasses import dataclass
from pathlib import Path

from netns_lab.api import ControllerClient
from netns_lab.builder import running_lab
from netns_lab.demo import QUAD
from netns_lab.measuring import READY_TIMEOUT_S

from bench.announcing import Announcing
from bench.consumption import OCTETS_PER_MB, resident_mb, with_children
from bench.figures import Figure, figure, p99
from bench.ready_lab import check_ready, quietly
from bench.running import Say

PAIR = QUAD.with_name("pair.yaml")
PREFIXES = 100_000
TRIALS = 20
ONE_SESSION_GOAL_S = 12
FOUR_SESSIONS_GOAL_S = 20
SPEAKER_GOAL_MB = 150


@dataclass(frozen=True, slots=True)
class Sample:
    """What one trial showed: times of 100 000 prefixes, memory (RSS) of ExaBGP and its helper once installed.

    `path_octets` is what the controller has grown by since before the first trial, over the paths that the
    receiving router heard.
    """

    installed_s: float
    lost_s: float
    back_s: float
    withdrawn_s: float
    sender_mb: float
    receiver_mb: float
    path_octets: float


def run(say: Say) -> list[Figure]:
    """All figures, each topology's trials one after the other on one lab.

    LabError where prefixes do not arrive.
    """
    one = _samples(PAIR, "r1", "r2", say)
    four = _samples(QUAD, "aws", "gcp", say)
    return [
        *_figures("one session", one, ONE_SESSION_GOAL_S, SPEAKER_GOAL_MB),
        *_figures("four sessions", four, FOUR_SESSIONS_GOAL_S),
    ]


def _figures(name: str, samples: list[Sample], goal_s: float, goal_mb: float | None = None) -> list[Figure]:
    """Memory counts at its most: what a trial leaves behind, the next has too."""
    announced = f"{name}: announced, until installed"
    installed_s = [sample.installed_s for sample in samples]
    return [
        figure(f"{announced}, median", "s", installed_s, goal_s),
        figure(f"{announced}, p99", "s", installed_s, of=p99),
        figure(f"{name}: all channels cut, until withdrawn", "s", [s.lost_s for s in samples]),
        figure(f"{name}: channels healed, until installed", "s", [s.back_s for s in samples]),
        figure(f"{name}: withdrawn, until gone", "s", [s.withdrawn_s for s in samples]),
        figure(
            f"{name}: ExaBGP and helper that announce", "MB", [s.sender_mb for s in samples], goal_mb, of=max
        ),
        figure(
            f"{name}: ExaBGP and helper that hear", "MB", [s.receiver_mb for s in samples], goal_mb, of=max
        ),
        figure(f"{name}: controller, each path", "octets", [s.path_octets for s in samples], of=max),
    ]


def _samples(topology: Path, sender: str, receiver: str, say: Say) -> list[Sample]:
    samples = []
    with running_lab(topology, quietly, READY_TIMEOUT_S) as lab:
        check_ready(lab.missing)
        with ControllerClient(lab.directory) as controller:
            pids = controller.call("inspect", topic="nodes")["pids"]
        speakers = pids["exabgp"][sender], pids["exabgp"][receiver]
        before_mb = resident_mb(pids["controller"])
        with Announcing.between(lab, sender, receiver, PREFIXES) as announcing:
            for number in range(TRIALS):
                say(f"bench: {PREFIXES:,} prefixes, {topology.stem}, {number + 1} of {TRIALS}")
                samples.append(_measure(announcing, speakers, pids["controller"], before_mb))
    return samples


def _measure(
    announcing: Announcing, speakers: tuple[int, int], controller: int, controller_before_mb: float
) -> Sample:
    """Announce, cut all channels, heal them, withdraw."""
    installed_s = announcing.announce()
    sender_mb, receiver_mb = (sum(map(resident_mb, with_children(pid))) for pid in speakers)
    grown = (resident_mb(controller) - controller_before_mb) * OCTETS_PER_MB
    channels = announcing.channels
    lost_s = announcing.until(announcing.is_gone, *(("fail", "link", channel) for channel in channels))
    back_s = announcing.until(announcing.is_installed, ("heal",))
    announcing.verify()
    withdrawn_s = announcing.until(announcing.is_gone, announcing.command("withdraw"))
    path_octets = grown / PREFIXES / len(channels)
    return Sample(installed_s, lost_s, back_s, withdrawn_s, sender_mb, receiver_mb, path_octets)
