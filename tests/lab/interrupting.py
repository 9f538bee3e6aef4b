"""`quadlink up`, ended by a signal at any chosen step: a program that tests start and tell the steps.

A step is a source line of what builds a lab, about to run for the first or the second time. Each run is a
fork of this program, which has imported everything already. Arguments: the topology file and the signal's
number. For each step that it reads it prints how the run ended and the step, if that came; for an empty line,
every step.
"""

import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

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


def run_up(topology: str, number: int, wanted: str, passed: int) -> None:
    """Becomes `quadlink up`; writes the wanted step, or every step, to the descriptor `passed`."""

    def reached(step: str) -> None:
        if wanted in ("", step):
            os.write(passed, f"{step}\n".encode())
        if wanted == step:
            os.kill(os.getpid(), number)

    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sys.argv = ["quadlink", "up", topology]
    Tracer(reached)
    cli.main()


def main(topology: str, number: int) -> None:
    """Answers every line of the standard input by one line."""
    for line in sys.stdin:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            run_up(topology, number, line.strip(), writer)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            steps = pipe.read().split()
        _, status = os.waitpid(child, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status), "steps": steps}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
