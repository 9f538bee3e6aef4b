"""`quadlink logs`: what the processes of a lab and of its nodes wrote, and what they go on to write."""

import time
from collections.abc import Iterator
from pathlib import Path

from netns_lab.directory import LabDirectory, LabError
from netns_lab.names import read_names, unknown

PROCESSES = ("engine", "guard", "controller")
POLL_INTERVAL_S = 0.1


class _LogFile:
    """One file, read line by line as it grows; `label` stands before each line."""

    def __init__(self, path: Path, label: str) -> None:
        self._file = path.open("rb")
        self._label = label
        self._unfinished = b""

    def new_lines(self) -> list[str]:
        """The lines that were finished since the last look."""
        *lines, self._unfinished = (self._unfinished + self._file.read()).split(b"\n")
        return [self._text(line) for line in lines]

    def unfinished(self) -> list[str]:
        """What stands behind the last line break, if anything."""
        return [self._text(self._unfinished)] if self._unfinished else []

    def _text(self, line: bytes) -> str:
        return self._label + line.decode(errors="replace")

    def close(self) -> None:
        self._file.close()


def read_logs(directory: LabDirectory, name: str, count: int, follow: bool) -> Iterator[str]:
    """The last `count` lines of a process of the lab, or of each program of a node: its ExaBGP, its services,
    its commands. `follow` waits for more while there is a lab.

    Raises LabError where nothing has that name, or what has it keeps no log.
    """
    nodes = [] if name in PROCESSES else [node.name for node in read_names(directory).nodes]
    if name not in (*PROCESSES, *nodes):
        raise LabError(unknown("log", name, [*PROCESSES, *nodes]))
    if not _labels(directory, name):
        raise LabError(f"{name} has no log: nothing in it has been started")
    files: dict[Path, _LogFile] = {}
    try:
        while True:
            for path, label in _labels(directory, name).items():
                if path in files:
                    yield from files[path].new_lines()
                    continue
                file = files[path] = _LogFile(path, label)
                lines = file.new_lines() + ([] if follow else file.unfinished())
                yield from lines[len(lines) - min(count, len(lines)) :]
            if not follow or not directory.path.exists():
                return
            time.sleep(POLL_INTERVAL_S)
    finally:
        for file in files.values():
            file.close()


def _labels(directory: LabDirectory, name: str) -> dict[Path, str]:
    """The files of a process, which is one, or of a node, each with the name of the program that wrote it."""
    if name in PROCESSES:
        log = directory.log(name)
        return {log: ""} if log.exists() else {}
    logs = sorted(directory.path.glob(f"{name}.*.log"))
    return {log: f"{log.stem.removeprefix(f'{name}.')}: " for log in logs}
