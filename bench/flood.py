"""As many of the smallest frames as one core can send, one by one, and how many reach the far end."""

import subprocess
import time
from collections.abc import Callable
from functools import partial

from netns_lab.directory import LabError

from bench.one_way import payload_octets
from bench.pairs import Pair
from dataplane.namespace import run_in_namespace
from dataplane.ports.ethtool import send_whole_frames
from dataplane.probes.load import LONGEST_TRAIN, Load
from dataplane.probes.statistics import StatisticsSession

FRAME_OCTETS = 60
OFFERED_PPS = 4_000_000
"""More than a core can send."""
NOBODY = "02:00:00:00:00:fe"
"""A destination that the far network stack drops at once: the flood is for the link, not for a receiver."""
SETTLE_S = 0.2
BEGIN_TIMEOUT_S = 5.0


def prepare(pair: Pair, interface: str) -> None:
    """Has the near namespace hand the device whole frames of their own, and send them to nobody."""
    run_in_namespace(pair.source, partial(send_whole_frames, interface))
    words = f"neighbour replace {pair.address} lladdr {NOBODY} nud permanent dev {interface}"
    subprocess.run(["ip", "-n", pair.source, *words.split()], check=True)


def frames_per_s(pair: Pair, arrived: Callable[[], int], duration_s: float, core: int) -> float:
    """How fast `arrived` counts while `core` sends as fast as it can. LabError where nothing arrives."""
    load = Load(
        packets_per_s=OFFERED_PPS,
        size_octets=payload_octets(FRAME_OCTETS),
        duration_s=BEGIN_TIMEOUT_S + SETTLE_S + 2 * duration_s,
        train=LONGEST_TRAIN,
        offload=True,
        cores=(core, core),
    )
    with StatisticsSession([pair.flow()], load):
        begin, limit_s = arrived(), time.monotonic() + BEGIN_TIMEOUT_S
        while arrived() == begin:
            if time.monotonic() > limit_s:
                raise LabError(f"of a flood from {pair.source} nothing arrives in {pair.destination}")
        time.sleep(SETTLE_S)
        before, start_s = arrived(), time.monotonic()
        time.sleep(duration_s)
        return (arrived() - before) / (time.monotonic() - start_s)
