"""Round trips of single packets over an idle path, between endpoints that sleep or that spin.

They run in a process of their own. Endpoints that sleep are two threads in blocking receives: what is
measured is the path both ways and two wake-ups. Endpoints that spin are one thread that looks at either
socket until the packet is there: no wake-up, so nearly the path alone; it needs a core for itself.
"""

from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from dataplane.probes.flows import Flow, open_connected
from dataplane.probes.histogram import SLOTS, Histogram
from dataplane.probes.load import LEAST_OCTETS, check_size
from dataplane.probes.owner import Job, ProbeProcess
from dataplane.probes.shared import SharedMemory

LIMIT_S = 0.1
"""What takes longer is lost."""
GRACE_S = 10.0
NS_PER_S = 1e9


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """The times there and back of those that ended, and how many did not within LIMIT_S."""

    times: Histogram
    lost: int


def measure_round_trips(
    flow: Flow,
    round_trips: int,
    interval_s: float,
    *,
    spin: bool = False,
    size_octets: int = LEAST_OCTETS,
    cores: tuple[int | None, int | None] = (None, None),
) -> RoundTrips:
    """Sends `round_trips` packets to the flow's destination and back, one at a time.

    `interval_s` is from one to the next at least, `size_octets` the UDP payload. `cores` are what the
    asking and the answering thread are kept on; spinning endpoints are one thread, on the first of them.
    Raises ValueError on a size or number that cannot be, OSError where a socket cannot be had.
    """
    check_size(size_octets)
    if round_trips < 1 or interval_s < 0:
        raise ValueError(f"{round_trips} round trips, {interval_s} s apart: expected at least one")
    memory = SharedMemory({"lost": (np.uint64, 1), "stop": (np.uint64, 1), "histogram": (np.uint64, SLOTS)})
    with ExitStack() as opened:
        opened.callback(memory.close)
        near, far = (end.fileno() for end in open_connected(flow, opened))
        fields = {
            "near": near,
            "far": far,
            "packet_octets": size_octets,
            "round_trips": round_trips,
            "interval_ns": round(interval_s * NS_PER_S),
            "limit_ns": round(LIMIT_S * NS_PER_S),
            **memory.offsets,
        }
        functions = ["spin"] if spin else ["ask", "answer"]
        jobs = [
            Job(f"ql_round_trip_{function}", "ql_round_trip", fields, core)
            for function, core in zip(functions, cores, strict=False)
        ]
        process = ProbeProcess(jobs, memory, (near, far))
        opened.callback(process.close)
        longest_s = round_trips * (interval_s + LIMIT_S) + GRACE_S
        for job in range(len(jobs)):
            if not process.wait(job, longest_s):
                raise TimeoutError(f"{round_trips} round trips did not end within {longest_s:.0f} s")
    return RoundTrips(Histogram(memory.arrays["histogram"]), int(memory.arrays["lost"][0]))
