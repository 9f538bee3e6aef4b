"""The owner's side of a probe process: start it, hear what ended, end it."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from dataplane.probes.process import BEGIN
from dataplane.probes.shared import SharedMemory

START_TIMEOUT_S = 30.0
END_TIMEOUT_S = 10.0
MS_PER_S = 1e3


@dataclass(frozen=True, slots=True)
class Job:
    """One native loop: a C function and the struct that it takes, whose pointers are offsets or None."""

    function: str
    struct: str
    fields: dict[str, Any]
    core: int | None = None
    """The only core that its thread may use; None leaves that to the kernel."""


class ProbeProcess:
    """Runs jobs in a process of their own, which ends when they do, or when its owner closes it or dies."""

    def __init__(self, jobs: Sequence[Job], memory: SharedMemory, sockets: Iterable[int]) -> None:
        """Starts it; `sockets` are the descriptors that it inherits, under the same numbers.

        Raises OSError where it does not come to run.
        """
        self._running = set(range(len(jobs)))
        self._said = b""
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "dataplane.probes.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(memory.descriptor, *sockets),
            start_new_session=True,  # Ctrl-C in a terminal is the owner's to act on
            bufsize=0,
        )
        self._input = cast("Any", self._process.stdin)
        self._output: int = cast("Any", self._process.stdout).fileno()
        self._readable = select.poll()  # a session of many flows has more descriptors than select(2) can name
        self._readable.register(self._output, select.POLLIN)
        plan = {
            "memory": memory.descriptor,
            "jobs": [(job.function, job.struct, job.fields, job.core) for job in jobs],
        }
        try:
            self._input.write(json.dumps(plan).encode() + b"\n")
            self._await_begin()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def wait(self, job: int, timeout_s: float) -> bool:
        """Waits until a job has ended; whether it has. OSError where the process ended without it."""
        deadline_s = time.monotonic() + timeout_s
        while job in self._running:
            line = self._line(deadline_s - time.monotonic())
            if line is None:
                return False
            self._running.discard(int(line))
        return True

    def join(self, job: int) -> None:
        """Waits for the end of a job that was told to end. TimeoutError where it does not."""
        if not self.wait(job, END_TIMEOUT_S):
            raise TimeoutError(f"a probe did not end within {END_TIMEOUT_S:.0f} s")

    def close(self) -> None:
        """Ends the process, at once where jobs still run."""
        if self._running:
            self._process.kill()
        self._input.close()
        self._process.wait()
        cast("Any", self._process.stdout).close()

    def _await_begin(self) -> None:
        line = self._line(START_TIMEOUT_S)
        if line is None:
            raise TimeoutError(f"the probe process did not begin within {START_TIMEOUT_S:.0f} s")
        if line != BEGIN:
            raise OSError(line.decode())

    def _line(self, timeout_s: float) -> bytes | None:
        """The next line that the process says, or None when the time is over."""
        while b"\n" not in self._said:
            if not self._readable.poll(max(0.0, timeout_s) * MS_PER_S):
                return None
            more = os.read(self._output, 4096)
            if not more:
                raise OSError(f"the probe process ended with status {self._process.wait()}")
            self._said += more
        line, _, self._said = self._said.partition(b"\n")
        return line
