"""The commands that a topology has a node run once, when it is built: `exec`."""

import os
import signal
import subprocess

from netns_lab.directory import LabDirectory, LabError
from netns_lab.execute import start_inside
from netns_lab.names import NodePlace
from netns_lab.plan import NodePlan
from netns_lab.processes import how_it_ended

LIMIT_S = 30.0
QUOTED_LINES = 5


class CommandFailed(LabError):
    """An `exec` command of a topology failed."""

    exit_code = 1


def run_commands(directory: LabDirectory, node: NodePlan, limit_s: float = LIMIT_S) -> None:
    """Runs them one after the other; what they print goes to the log NODE.exec.

    Raises CommandFailed at the first that fails or takes longer than `limit_s`. What a command leaves running
    behind it runs on.
    """
    for command in node.exec:
        with directory.log(f"{node.name}.exec").open("a+b") as log:
            log.write(f"$ {command}\n".encode())
            log.flush()
            start = log.tell()
            process = start_inside(
                directory,
                NodePlace.of(node),
                ["/bin/sh", "-c", command],
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
            problem = _wait(process, limit_s)
            if problem:
                log.seek(start)
                said = log.read().decode(errors="replace").splitlines()[-QUOTED_LINES:]
                quoted = "\n".join([":", *said]) if said else ""
                raise CommandFailed(f"node {node.name}: exec `{command}` {problem}{quoted}")


def _wait(process: subprocess.Popen[bytes], limit_s: float) -> str:
    """What went wrong with it; empty where nothing did. Whatever ends the wait early ends the command."""
    try:
        status = process.wait(limit_s)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            return f"did not end within {limit_s:g} s"
        raise
    return how_it_ended(status) if status else ""
