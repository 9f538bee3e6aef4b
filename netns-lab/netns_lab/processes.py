"""The lab's processes: started with a mark in their environment, found by it, and ended."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from dataplane.namespace import NAMESPACE_DIRECTORY

LAB_VARIABLE = "QUADLINK_LAB"
QUOTED_OCTETS = 4096


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


def marked_processes(mark: str) -> list[int]:
    """The pids that carry a lab's mark, this process and its ancestors aside."""
    wanted = f"{LAB_VARIABLE}={mark}".encode()
    return [pid for pid in _others() if wanted in _environment(pid).split(b"\0")]


def marked_commands(mark: str) -> dict[int, list[str]]:
    """The command line of every process that carries a lab's mark, by pid."""
    return {pid: _command(pid) for pid in marked_processes(mark)}


def processes_inside(namespaces: Iterable[str]) -> list[int]:
    """The pids that live in one of these network namespaces, this process and its ancestors aside."""
    inodes = {_inode(NAMESPACE_DIRECTORY / name) for name in namespaces} - {None}
    return [pid for pid in _others() if _inode(Path(f"/proc/{pid}/ns/net")) in inodes]


def _others() -> list[int]:
    own = _ancestry()
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in pids if pid not in own]


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""  # it ended meanwhile


def _command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []  # it ended meanwhile


def _inode(path: Path) -> int | None:
    """None where there is nothing, or nothing any more."""
    try:
        return path.stat().st_ino
    except OSError:
        return None


def end_processes(pids: Iterable[int], grace_s: float) -> None:
    """SIGTERM, then SIGKILL for those that are still there after grace_s; returns when all are gone."""
    watched = _open_pidfds(pids)
    try:
        _signal_all(watched, signal.SIGTERM)
        _await_exit(watched, grace_s)
        _signal_all(watched, signal.SIGKILL)
        _await_exit(watched, 5.0)
    finally:
        for descriptor in watched:
            os.close(descriptor)


def _ancestry() -> set[int]:
    pids = set()
    pid = os.getpid()
    while pid > 0:
        pids.add(pid)
        status = Path(f"/proc/{pid}/stat").read_text()
        pid = int(status.rpartition(")")[2].split()[1])
    return pids


def _open_pidfds(pids: Iterable[int]) -> list[int]:
    descriptors = []
    for pid in pids:
        try:
            descriptors.append(os.pidfd_open(pid))
        except ProcessLookupError:
            continue
    return descriptors


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
