"""Ends a process by a signal at any chosen step; as a program, `quadlink up`.

A step is a source line of what builds a lab or ends it, about to run for the first or the second time. The
program has imported all it needs, so each run is a quick fork. Its arguments are the topology file and the
signal's number; for each step that it reads it prints the outcome of a run as JSON.
"""

import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from netns_lab import builder, cli

WATCHED = (
    *("builder", "claim", "commands/life", "daemons", "directory", "marks", "namespaces"),
    *("node_commands", "node_files", "node_network", "processes", "readiness", "state", "teardown"),
)
TIMES = 2
"""How often a line counts: a loop's first turn and its second, and not each look of a loop that waits."""
ROOT = Path(builder.__file__).parent
FILES = {str(ROOT / f"{name}.py"): name for name in WATCHED}


class Tracer:
    """Counts the steps of this process, in every thread, and calls back at each."""

    def __init__(self, reached: Callable[[str], None]) -> None:
        self._reached = reached
        self._times: Counter[tuple[str, int]] = Counter()
        threading.settrace(self._enter)
        sys.settrace(self._enter)

    def _enter(self, frame: FrameType, event: str, argument: object) -> Any:  # noqa: ANN401 - as settrace has it
        return self._run if frame.f_code.co_filename in FILES else None

    def _run(self, frame: FrameType, event: str, argument: object) -> Any:  # noqa: ANN401 - as settrace has it
        if event == "line":
            place = (FILES[frame.f_code.co_filename], frame.f_lineno)
            self._times[place] += 1
            if self._times[place] <= TIMES:
                self._reached(f"{place[0]}:{place[1]}:{self._times[place]}")
        return self._run


class Outcome(NamedTuple):
    """How a run ended, its exit status or minus the signal that killed it, and the steps it told of."""

    status: int
    steps: list[str]


def run_until(wanted: str, number: int, run: Callable[[], object]) -> Outcome:
    """Runs it in a fork of this process, which gets the signal at the wanted step if that comes.

    Tells the wanted step if it came; for an empty one every step, and then no signal is sent.
    """
    reader, writer = os.pipe()

    def reached(step: str) -> None:
        if wanted in ("", step):
            os.write(writer, f"{step}\n".encode())
        if wanted == step:
            os.kill(os.getpid(), number)

    child = os.fork()
    if child == 0:
        os.close(reader)
        Tracer(reached)
        run()
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        steps = pipe.read().split()
    _, status = os.waitpid(child, 0)
    return Outcome(os.waitstatus_to_exitcode(status), steps)


def up(topology: str) -> None:
    """Becomes `quadlink up`."""
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sys.argv = ["quadlink", "up", topology]
    cli.main()


def main(topology: str, number: int) -> None:
    """Answers every line of the standard input by one line."""
    for line in sys.stdin:
        outcome = run_until(line.strip(), number, partial(up, topology))
        print(json.dumps(outcome._asdict()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
