"""The lab's processes: started with a mark in their environment, found by it, and ended."""

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from netns_lab.marks import lab_of
from netns_lab.namespaces import read_marks

LAB_VARIABLE = "QUADLINK_LAB"
QUOTED_OCTETS = 4096
EXIT_TIMEOUT_S = 5.0
MAXIMUM_WATCHED = 500  # a process may open 1024 files


def lab_environment(mark: str) -> dict[str, str]:
    """This process's environment with a lab's mark."""
    return {**os.environ, LAB_VARIABLE: mark}


def daemon_environment(mark: str) -> dict[str, str]:
    """The same for our own processes: Python must not load code from the folder that a user stands in."""
    return {**lab_environment(mark), "PYTHONSAFEPATH": "1"}


def start_daemon(command: Sequence[str], mark: str, log: Path) -> subprocess.Popen[bytes]:
    """Starts a marked process in a session of its own; what it prints goes to `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=daemon_environment(mark),
            cwd="/",
            start_new_session=True,
        )


def marked_processes() -> dict[int, set[str]]:
    """The marks of every process that has one, by pid; this process and its ancestors aside.

    A process has the mark in its environment, and that of the network namespace it lives in.
    """
    namespaces = _namespaces_in_use()
    found = {pid: _marks_of(pid, namespaces) for pid in _others()}
    return {pid: marks for pid, marks in found.items() if marks}


def marked_commands(mark: str) -> dict[int, list[str]]:
    """The command line of every process that has a lab's mark, by pid."""
    return {pid: _command(pid) for pid, marks in marked_processes().items() if mark in marks}


def end_processes(mark: str, grace_s: float) -> dict[int, str]:
    """Ends every process that has the mark, this one and its ancestors aside; returns when they are gone.

    SIGTERM, then SIGKILL for those that are still there after grace_s. What was ended: command line by pid.
    """
    namespaces = _namespaces_in_use()
    return _end(lambda pid: mark in _marks_of(pid, namespaces), grace_s)


def end_processes_inside(namespace: Path, grace_s: float) -> dict[int, str]:
    """The same for every process that lives in a network namespace."""
    inode = _inode(namespace)
    return {} if inode is None else _end(lambda pid: _inode(_namespace_of(pid)) == inode, grace_s)


def _end(belongs: Callable[[int], bool], grace_s: float) -> dict[int, str]:
    ended: dict[int, str] = {}
    watched: list[int] = []
    try:
        for pid in _others():
            with contextlib.suppress(ProcessLookupError):
                # The pidfd comes before the look: what is signalled is what was looked at.
                watched.append(os.pidfd_open(pid))
                if belongs(pid):
                    ended[pid] = " ".join(_command(pid)).strip()
                else:
                    os.close(watched.pop())
            if len(watched) == MAXIMUM_WATCHED:
                break
        _signal_all(watched, signal.SIGTERM)
        _await_exit(watched, grace_s)
        _signal_all(watched, signal.SIGKILL)
        _await_exit(watched, EXIT_TIMEOUT_S)
    finally:
        for descriptor in watched:
            os.close(descriptor)
    return ended


def _namespaces_in_use() -> dict[int | None, str]:
    """The mark of every network namespace that has one and a process inside, by inode."""
    paths = {inode: path for pid in _others() if (inode := _inode(path := _namespace_of(pid))) is not None}
    marks = read_marks(paths.values())
    return {inode: marks[path] for inode, path in paths.items() if path in marks}


def _marks_of(pid: int, namespaces: Mapping[int | None, str]) -> set[str]:
    prefix = f"{LAB_VARIABLE}=".encode()
    variables = _read(pid, "environ").split(b"\0")
    values = {variable.removeprefix(prefix) for variable in variables if variable.startswith(prefix)}
    marks = {mark for value in values if lab_of(mark := value.decode(errors="replace"))}
    inode = _inode(_namespace_of(pid))
    if inode in namespaces:
        marks.add(namespaces[inode])
    return marks


def _others() -> list[int]:
    own = _ancestry()
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in pids if pid not in own]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""  # it ended meanwhile


def _command(pid: int) -> list[str]:
    return _read(pid, "cmdline").decode(errors="replace").split("\0")


def _namespace_of(pid: int) -> Path:
    return Path(f"/proc/{pid}/ns/net")


def _inode(path: Path) -> int | None:
    """None where there is nothing, or nothing any more."""
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _ancestry() -> set[int]:
    pids = set()
    pid = os.getpid()
    while pid > 0:
        pids.add(pid)
        status = Path(f"/proc/{pid}/stat").read_text()
        pid = int(status.rpartition(")")[2].split()[1])
    return pids


def _signal_all(descriptors: list[int], number: signal.Signals) -> None:
    for descriptor in descriptors:
        try:
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            continue


def _await_exit(descriptors: list[int], timeout_s: float) -> None:
    """Closes and forgets the descriptors of processes that end within the time."""
    poller = select.poll()
    for descriptor in descriptors:
        poller.register(descriptor, select.POLLIN)
    deadline = time.monotonic() + timeout_s
    while descriptors and (left_s := deadline - time.monotonic()) > 0:
        for descriptor, _ in poller.poll(left_s * 1000):
            poller.unregister(descriptor)
            descriptors.remove(descriptor)
            os.close(descriptor)


def resume_process(pid: int) -> bool:
    """Has a process go on that is stopped; whether it was."""
    stopped = is_stopped(pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
    return stopped


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped, as by SIGSTOP."""
    return _read(pid, "stat").rpartition(b")")[2].split()[:1] == [b"T"]


def how_it_ended(status: int | None) -> str:
    """A wait status as Popen gives it, in words; None where it is not known."""
    if status is None:
        return "ended"
    if status >= 0:
        return f"ended with exit status {status}"
    return f"was killed by {signal.Signals(-status).name}"


def last_line(log: Path) -> str:
    """The end of a process's log; `nothing` where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - QUOTED_OCTETS))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "nothing"
