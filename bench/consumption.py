"""What the processes of a lab take of the machine, by /proc."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from netns_lab.directory import LabDirectory
from netns_lab.processes import marked_commands

OCTETS_PER_MB = 1e6
NS_PER_S = 1e9


def memory_mb(pids: Iterable[int]) -> float:
    """Memory of these processes; a page that several share counts once, in parts (PSS)."""
    return sum(_octets(pid, "smaps_rollup", "Pss:") for pid in pids) / OCTETS_PER_MB


def resident_mb(pid: int) -> float:
    """All memory that a process has pages in, shared ones included (RSS)."""
    return _octets(pid, "status", "VmRSS:") / OCTETS_PER_MB


def cpu_s(pids: Iterable[int]) -> float:
    """Seconds of processor time that these processes have used."""
    return sum(_ticks(pid) for pid in pids) / os.sysconf("SC_CLK_TCK")


def run_time_s(pid: int) -> float:
    """Seconds that the threads which a process has now have run, to the nanosecond (schedstat)."""
    return sum(int(task.joinpath("schedstat").read_text().split()[0]) for task in _tasks(pid)) / NS_PER_S


def pin(pid: int, core: int) -> None:
    """Keeps every thread that a process has on one core."""
    for task in _tasks(pid):
        os.sched_setaffinity(int(task.name), {core})


def _tasks(pid: int) -> Iterator[Path]:
    return Path(f"/proc/{pid}/task").iterdir()


def with_children(pid: int) -> list[int]:
    """A process and those that it started."""
    children = (task.joinpath("children").read_text().split() for task in _tasks(pid))
    return [pid, *(int(child) for listed in children for child in listed)]


def lab_pids(lab: str) -> list[int]:
    """Every process of a lab that is up."""
    return list(marked_commands(LabDirectory(lab).mark))


def _octets(pid: int, file: str, field: str) -> int:
    lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024


def _ticks(pid: int) -> int:
    """utime and stime (proc_pid_stat(5)), counted from behind the name, which may hold anything."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
