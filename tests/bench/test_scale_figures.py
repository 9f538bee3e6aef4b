"""What the scale benchmark computes and reads: growth, memory and processor time."""

import subprocess
import sys

import pytest

from bench.consumption import cpu_s, memory_mb, resident_mb
from bench.scale import fitted_power

OCTETS = 100_000_000


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_the_power_of_a_power_law_is_found(power: float) -> None:
    sizes = [10, 30, 100]
    assert fitted_power(sizes, [3 * size**power for size in sizes]) == pytest.approx(power)


def test_memory_and_processor_time_of_a_process_are_what_it_took() -> None:
    code = (
        f"held = bytearray(b'x' * {OCTETS})\n"
        "import time\n"
        "while time.process_time() < 0.5: pass\n"
        "print(time.process_time(), flush=True)\n"
        "import signal; signal.pause()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            used_s = float(process.stdout.readline())
            assert cpu_s([process.pid]) == pytest.approx(used_s, abs=0.1)
            assert OCTETS / 1e6 < resident_mb(process.pid) < OCTETS / 1e6 + 50
            assert OCTETS / 1e6 < memory_mb([process.pid]) <= resident_mb(process.pid)
        finally:
            process.kill()
