"""A lab's three processes: how each is started, and when it counts as there."""

import asyncio
import fcntl
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TypeVar

from control.guard.channel import GuardEvents
from dataplane import descriptors
from dataplane.client import EngineClient
from dataplane.lines import LineStream
from netns_lab.api import connect_controller
from netns_lab.directory import LabDirectory, LabError
from netns_lab.plan import EnginePlan
from netns_lab.processes import start_daemon

START_TIMEOUT_S = 120.0
"""A controller answers once it has started an ExaBGP for each router: on a busy machine that may take half a
second each. One that ends is noticed at once."""
POLL_INTERVAL_S = 0.02
Client = TypeVar("Client", EngineClient, GuardEvents, LineStream)


def launch_guard(directory: LabDirectory) -> subprocess.Popen[bytes]:
    """Starts the guard and does not wait for it."""
    return _launch(directory, "guard", "netns_lab.guard", directory.name)


def launch_controller(directory: LabDirectory) -> subprocess.Popen[bytes]:
    """Starts the controller and does not wait for it."""
    return _launch(directory, "controller", "netns_lab.controller", directory.name)


def start_engine(directory: LabDirectory, plan: EnginePlan) -> EngineClient:
    """Starts the engine. LabError with the end of its log where it does not come to answer."""
    arguments = ["--socket", str(directory.engine_socket), "--counters", str(directory.counters)]
    arguments += ["--workers", str(plan.workers)] if plan.workers is not None else []
    arguments += ["--busy-poll"] if plan.busy_poll else []
    process = _launch(directory, "engine", "dataplane.service", *arguments)
    return _await(directory, "engine", process, lambda: EngineClient(directory.engine_socket))


def start_guard(directory: LabDirectory) -> None:
    """Starts the guard; it answers once it knows the state of every interface. LabError as above."""
    process = launch_guard(directory)
    _await(directory, "guard", process, lambda: GuardEvents(directory.guard_socket)).close()


def start_controller(directory: LabDirectory) -> None:
    """Starts the controller. LabError as above."""
    process = launch_controller(directory)
    _await(directory, "controller", process, lambda: connect_controller(directory)).close()


def run_daemon(name: str, lab: str, serve: Callable[[LabDirectory], Coroutine[None, None, None]]) -> None:
    """What guard and controller begin with: a log with times, files for root alone, one of each in a lab."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )
    # Ctrl-C in the terminal that brought the lab up is not meant for them; a signal that they ignored would
    # be ignored by every process they start.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    os.umask(0o077)
    descriptors.allow_all()
    directory = LabDirectory(lab)
    with directory.lock(name).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"lab {lab} has a {name} already")
        asyncio.run(serve(directory))


def _launch(directory: LabDirectory, name: str, module: str, *arguments: str) -> subprocess.Popen[bytes]:
    return start_daemon([sys.executable, "-m", module, *arguments], directory.mark, directory.log(name))


def _await(
    directory: LabDirectory, name: str, process: subprocess.Popen[bytes], connect: Callable[[], Client]
) -> Client:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            return connect()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline_s:
                status = f"exit status {process.poll()}" if process.poll() is not None else "no answer"
                raise LabError(
                    f"the {name} did not start ({status}):\n{_tail(directory.log(name))}"
                ) from None
            time.sleep(POLL_INTERVAL_S)


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
