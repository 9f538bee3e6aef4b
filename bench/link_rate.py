"""Smallest frames a second through a MACsec link, the engine on one core, by the kind of the link's ports."""

import json
import subprocess
from functools import partial

from bench.consumption import pin
from bench.figures import Figure, figure
from bench.flood import FRAME_OCTETS, frames_per_s, prepare
from bench.link_effort import Effort
from bench.link_lab import LinkLab, Settings, link_lab
from bench.pairs import Pair, veth_pair
from bench.sampling import in_turn, two_cores

GOALS_MPPS = {"tap": 0.8, "xdp": 0.9}
ONE_WORKER: Settings = {"engine": {"workers": 1}}
FRAMES_PER_MILLION = 1e6


def small_frames(effort: Effort) -> list[Figure]:
    """Frames that arrive while another core sends as many as it can; over bare veth, too."""
    first, last = two_cores()
    links: dict[str, Settings] = {port: {"port": port} for port in GOALS_MPPS}
    with link_lab(links, ONE_WORKER) as lab, veth_pair() as veth:
        pin(lab.engine_pid(), first)
        ways = {"veth": (veth, "v0", partial(_received, veth, "v1"))} | {
            port: (lab.pair(port), port, partial(_delivered, lab, port)) for port in links
        }
        for pair, interface, _ in ways.values():
            prepare(pair, interface)
        works = {
            name: partial(frames_per_s, pair, arrived, effort.flood_s, last)
            for name, (pair, _, arrived) in ways.items()
        }
        samples = in_turn(works, effort.rounds)
    mpps = {name: [each / FRAMES_PER_MILLION for each in rates] for name, rates in samples.items()}
    reference = figure(f"{FRAME_OCTETS} B frames over bare veth", "Mpps", mpps["veth"])
    figures = [reference]
    for port, goal in GOALS_MPPS.items():
        name = f"{FRAME_OCTETS} B frames through a link, engine on one core, {port} ports"
        figures.append(figure(name, "Mpps", mpps[port], goal, "at least", reference))
    return figures


def _delivered(lab: LinkLab, link: str) -> int:
    """What the engine counts as handed to the far port: the interface counts frames put together as one."""
    count: int = lab.shown(link)["rx_frames"]
    return count


def _received(pair: Pair, interface: str) -> int:
    """What the kernel counts at the far interface."""
    command = ["ip", "-n", pair.destination, "-s", "-j", "link", "show", "dev", interface]
    described = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    count: int = json.loads(described)[0]["stats64"]["rx"]["packets"]
    return count
