"""Processes with a lab's mark, or none, that tests start and end."""

import os
import subprocess
import sys
from collections.abc import Sequence

from netns_lab.marks import new_mark
from netns_lab.processes import lab_environment

LAB = f"enginetests{os.getpid()}"
MARK = new_mark(LAB)
SLEEPER = "import signal, sys, time; {setup}; print('ready', flush=True); signal.pause()"
STUBBORN = "[signal.signal(n, signal.SIG_IGN) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]"


def start(
    started: list[subprocess.Popen[bytes]],
    mark: str | None = MARK,
    setup: str = "pass",
    before: Sequence[str] = (),
) -> subprocess.Popen[bytes]:
    """A process with that mark in its environment, or none, that waits for signals; run by `before`."""
    environment = lab_environment(mark) if mark is not None else dict(os.environ)
    process = subprocess.Popen(
        [*before, sys.executable, "-c", SLEEPER.format(setup=setup)],
        env=environment,
        stdout=subprocess.PIPE,
    )
    started.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process
