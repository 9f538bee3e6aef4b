"""Runs a command inside a node: its network namespace, its names and files, the lab's mark."""

import os
import signal
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

from dataplane.namespace import NAMESPACE_DIRECTORY, enter_namespace
from netns_lab.directory import LabDirectory, LabError
from netns_lab.mounts import MS_BIND, mount, unmount, unshare_mounts
from netns_lab.names import NodePlace
from netns_lab.node_files import show_files
from netns_lab.processes import lab_environment


def execute(directory: LabDirectory, node: NodePlace, command: Sequence[str]) -> NoReturn:
    """Becomes the command, inside the node. Raises LabError or OSError where it cannot be started."""
    enter(directory, node)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and so would the command
    try:
        os.execvpe(command[0], list(command), environment(directory, node))
    except FileNotFoundError:
        raise no_command(command) from None


def start_inside(
    directory: LabDirectory,
    node: NodePlace,
    command: Sequence[str],
    **settings: Any,  # noqa: ANN401 - those of Popen
) -> subprocess.Popen[Any]:
    """Starts a command in the node; a thread of its own enters, starts it there and ends.

    `settings` are those of Popen. Raises LabError or OSError where it cannot be started.
    """

    def start() -> subprocess.Popen[Any]:
        enter(directory, node)
        try:
            return subprocess.Popen(
                command, **{"stdin": subprocess.DEVNULL, "env": environment(directory, node), **settings}
            )
        except FileNotFoundError:
            raise no_command(command) from None

    with ThreadPoolExecutor(1) as visitor:
        return visitor.submit(start).result()


def no_command(command: Sequence[str]) -> LabError:
    """What to raise where a command is not found."""
    return LabError(f"no command {command[0]} on this machine")


def environment(directory: LabDirectory, node: NodePlace) -> dict[str, str]:
    """What a command in a node finds in its environment: the caller's, the lab's mark, the node's own."""
    return {**lab_environment(directory.mark), **node.env}


def enter(directory: LabDirectory, node: NodePlace) -> None:
    """Moves the calling thread, and the processes it starts, into the node. There is no way back."""
    try:
        enter_namespace(NAMESPACE_DIRECTORY / node.namespace)
    except FileNotFoundError:
        raise LabError(f"namespace {node.namespace} was deleted; rebuild the lab") from None
    # A mount namespace of its own lets the lab's names and files stand at their paths for this command alone.
    unshare_mounts()
    # /sys shows the network devices of the namespace it was mounted in.
    unmount(Path("/sys"))
    mount("sysfs", Path("/sys"), kind="sysfs")
    mount(directory.hosts, Path("/etc/hosts"), MS_BIND)
    show_files(directory, node.name)
