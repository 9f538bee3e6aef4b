"""How often memory is allocated while frames are protected and validated, counted by glibc (mtrace(3)).

python -m bench.allocations LIBRARY FRAMES protects and validates in a process that glibc traces.
"""

import os
import subprocess
import sys
from tempfile import NamedTemporaryFile

from bench.secys import RoundTrip, frames_of
from dataplane._core import lib
from dataplane.frames import FrameBatch
from dataplane.macsec.native import native_batch

BATCH_FRAMES = 500
WARM_FRAMES = 16 * BATCH_FRAMES
"""Behind them Python itself, which makes the calls, has what it needs."""
TRACER = "libc_malloc_debug.so.0"
"""Part of glibc since 2.34, which only counts where it is loaded first."""


def allocations(cipher_library: str, frames: int) -> int:
    """Calls of malloc and its like that this many frames cause, in either direction, after some others.

    Raises RuntimeError where glibc does not trace: allocations that surely happen are not seen.
    """
    without = _traced(cipher_library, WARM_FRAMES)
    if without == 0:
        raise RuntimeError(f"{TRACER} counts no allocations on this machine, expected glibc 2.34 or later")
    return _traced(cipher_library, WARM_FRAMES + frames) - without


def _traced(cipher_library: str, frames: int) -> int:
    """All allocations between mtrace and muntrace in a process of its own."""
    with NamedTemporaryFile(mode="r") as trace:
        command = [sys.executable, "-P", "-m", "bench.allocations", cipher_library, str(frames)]
        preload = " ".join(filter(None, (os.environ.get("LD_PRELOAD"), TRACER)))
        subprocess.run(
            command, check=True, env=os.environ | {"LD_PRELOAD": preload, "MALLOC_TRACE": trace.name}
        )
        # "@ where + address size": malloc; "> address size": what realloc gave.
        return sum(line.split()[2:3] in (["+"], [">"]) for line in trace)


def main(cipher_library: str, frames: int) -> None:
    """Makes two SecYs, which takes memory, then protects and validates in the core, which should not."""
    batch = FrameBatch.from_frames(frames_of([64] * BATCH_FRAMES))
    native = native_batch(batch)
    lib.mtrace()
    trip = RoundTrip(batch, cipher_library=cipher_library)
    for _ in range(frames // BATCH_FRAMES):
        lib.ql_secy_protect(trip.sender.handle, native)
        lib.ql_secy_validate(trip.receiver.handle, native)
    lib.muntrace()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
