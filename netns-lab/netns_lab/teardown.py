"""Ends a lab: its processes, its namespaces, its directory. Needs nothing but its mark."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from signal import SIG_IGN, SIGHUP, SIGINT, SIGTERM, Signals, signal
from typing import Any

from dataplane.client import EngineClient, EngineGone
from dataplane.interface import LinkError
from netns_lab.directory import LabDirectory, LabError, NoLab
from netns_lab.marks import lab_of
from netns_lab.namespaces import delete_namespace, marked_namespaces
from netns_lab.processes import end_processes

PROCESS_GRACE_S = 0.2
"""Nothing of quadlink's own needs any: this is for what users run in their nodes."""
ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Removed:
    """A part of a lab that is no more: a "process", a "namespace" or a "directory", and which one."""

    lab: str
    kind: str
    what: str


def bring_down(directory: LabDirectory) -> None:
    """Leaves nothing of the lab, whatever state it is in; no error where there is none.

    Interruptions are ignored meanwhile. Raises LabError where a process outlives SIGKILL.
    """
    with suppress(NoLab):
        remove(directory.mark)


def remove(mark: str) -> list[Removed]:
    """The same for the lab with this mark, which may have no directory any more; what was removed."""
    name = lab_of(mark)
    assert name is not None
    directory = LabDirectory(name)
    removed = []
    with _undisturbed():
        if directory.announce_end(mark):  # so that guard and controller do not start each other again
            _leave_devices(directory)
        # A process may have started another between the look and the signal: look again until none is found.
        for _ in range(ROUNDS):
            ended = end_processes(mark, PROCESS_GRACE_S)
            if not ended:
                break
            removed += [Removed(name, "process", f"{pid} ({command})") for pid, command in ended.items()]
        else:
            raise LabError(f"processes {set(ended)} of lab {name} do not end; try `quadlink gc` again")
        for namespace in [namespace for namespace, found in marked_namespaces().items() if found == mark]:
            delete_namespace(namespace, mark)
            removed.append(Removed(name, "namespace", namespace))
        if directory.remove(mark):
            removed.append(Removed(name, "directory", str(directory.path)))
    return removed


def hand_over(directory: LabDirectory) -> None:
    """Lets the lab stay when the process that built it ends; an interruption comes too late from now on."""
    _ignore_interruptions()
    directory.kept.touch()


def _leave_devices(directory: LabDirectory) -> None:
    """Leaves the interfaces to the end of their namespaces, if there is an engine that can be asked."""
    with suppress(EngineGone, LinkError):
        engine = EngineClient(directory.engine_socket)
        engine.leave_devices()
        engine.close()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignores SIGINT, SIGTERM and SIGHUP. Blocking them would not do: any other thread could take them."""
    before = _ignore_interruptions()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal(number, handler)


def _ignore_interruptions() -> dict[Signals, Any]:
    return {number: signal(number, SIG_IGN) for number in (SIGINT, SIGTERM, SIGHUP)}
