"""Runs one command in many nodes at once; each line of output says which node it comes from."""

import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from threading import Lock, Thread
from typing import IO

from netns_lab.directory import LabDirectory, LabError
from netns_lab.execute import start_inside
from netns_lab.names import LabNames, NodePlace, unknown

AT_ONCE = 32


def matching_nodes(names: LabNames, patterns: str) -> list[NodePlace]:
    """The nodes of `a,b`, `aws-*` or `*`, each once, in file order; LabError where a word fits none."""
    known = [node.name for node in names.nodes]
    words = patterns.split(",")
    for word in words:
        if not any(fnmatchcase(name, word) for name in known):
            raise LabError(unknown("node", word, known))
    return [node for node in names.nodes if any(fnmatchcase(node.name, word) for word in words)]


class FanOut:
    """Runs a command in nodes, AT_ONCE of them at a time."""

    def __init__(self, directory: LabDirectory, command: Sequence[str]) -> None:
        self._directory = directory
        self._command = command
        self._printing = Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._ending = False

    def run(self, nodes: Iterable[NodePlace]) -> int:
        """The first exit code, in the order of nodes, that is not 0. Raises LabError or OSError where the
        command cannot be started; whatever ends the run early ends its processes."""
        with ThreadPoolExecutor(AT_ONCE) as workers:
            try:
                codes = list(workers.map(self._run_in, nodes))
            except BaseException:
                self._ending = True
                workers.shutdown(wait=False, cancel_futures=True)
                for process in list(self._running):
                    process.kill()
                raise
        return next((code for code in codes if code), 0)

    def _run_in(self, node: NodePlace) -> int:
        process = start_inside(
            self._directory,
            node,
            self._command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self._running.add(process)
        if self._ending:
            process.kill()
        assert process.stdout is not None
        assert process.stderr is not None
        with process:
            errors = Thread(target=self._copy, args=(node.name, process.stderr, sys.stderr))
            errors.start()
            self._copy(node.name, process.stdout, sys.stdout)
            errors.join()
        self._running.discard(process)
        code = process.returncode
        return 128 - code if code < 0 else code

    def _copy(self, name: str, source: IO[str], target: IO[str]) -> None:
        for line in source:
            with self._printing:
                print(f"{name}: {line.rstrip()}", file=target, flush=True)
