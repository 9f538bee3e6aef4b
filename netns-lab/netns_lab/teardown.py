"""Ends a lab: its processes, its namespaces, its directory. Needs nothing but the lab's name."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from signal import SIG_IGN, SIGHUP, SIGINT, SIGTERM, signal

from dataplane.client import EngineClient, EngineGone
from dataplane.interface import LinkError
from netns_lab.directory import LabDirectory, LabError
from netns_lab.namespaces import delete_namespace, namespaces_of
from netns_lab.processes import end_processes, marked_processes, processes_inside

PROCESS_GRACE_S = 0.2
"""Nothing of quadlink's own needs any: this is for what users run in their nodes."""
ROUNDS = 5


def bring_down(directory: LabDirectory) -> None:
    """Leaves nothing of the lab, whatever state it is in. Safe to call again; interruptions are ignored.

    Raises LabError where a process outlives SIGKILL.
    """
    with _undisturbed():
        with suppress(FileNotFoundError):
            directory.ending.touch()  # so that guard and controller do not start each other again
        namespaces = namespaces_of(directory.mark)
        _leave_devices(directory)
        # A process may have started another between the look and the signal: look again until none is found.
        for _ in range(ROUNDS):
            pids = {*marked_processes(directory.mark), *processes_inside(namespaces)}
            if not pids:
                break
            end_processes(pids, PROCESS_GRACE_S)
        else:
            raise LabError(f"processes {pids} of lab {directory.name} do not end; try `quadlink down` again")
        for namespace in namespaces:
            delete_namespace(namespace)
        directory.remove()


def _leave_devices(directory: LabDirectory) -> None:
    """Leaves the interfaces to the end of their namespaces, if there is an engine that can be asked."""
    with suppress(EngineGone, LinkError):
        engine = EngineClient(directory.engine_socket)
        engine.leave_devices()
        engine.close()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignores SIGINT, SIGTERM and SIGHUP. Blocking them would not do: any other thread could take them."""
    before = {number: signal(number, SIG_IGN) for number in (SIGINT, SIGTERM, SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal(number, handler)
