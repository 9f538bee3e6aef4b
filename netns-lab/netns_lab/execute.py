"""Runs a command inside a node: its network namespace, its names, the lab's mark."""

import ctypes
import os
from collections.abc import Sequence
from typing import NoReturn

from dataplane.namespace import CLONE_NEWNET, NAMESPACE_DIRECTORY
from netns_lab.directory import LabDirectory, LabError
from netns_lab.names import NodePlace
from netns_lab.processes import lab_environment

CLONE_NEWNS = 0x20000
MS_BIND = 0x1000
MS_REC = 0x4000
MS_SLAVE = 0x80000
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def execute(directory: LabDirectory, node: NodePlace, command: Sequence[str]) -> NoReturn:
    """Becomes the command, inside the node. Raises LabError or OSError where it cannot be started."""
    enter(directory, node)
    try:
        os.execvpe(command[0], list(command), environment(directory, node))
    except FileNotFoundError:
        raise no_command(command) from None


def no_command(command: Sequence[str]) -> LabError:
    """What to raise where a command is not found."""
    return LabError(f"no command {command[0]} on this machine")


def environment(directory: LabDirectory, node: NodePlace) -> dict[str, str]:
    """What a command in a node finds in its environment: the caller's, the lab's mark, the node's own."""
    return {**lab_environment(directory.mark), **node.env}


def enter(directory: LabDirectory, node: NodePlace) -> None:
    """Moves the calling thread, and the processes it starts, into the node. There is no way back."""
    try:
        descriptor = os.open(NAMESPACE_DIRECTORY / node.namespace, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise LabError(f"namespace {node.namespace} was deleted; rebuild the lab") from None
    try:
        _check(_libc.setns(descriptor, CLONE_NEWNET), f"enter {node.namespace}")
    finally:
        os.close(descriptor)
    # A mount namespace of its own lets the lab's names stand in /etc/hosts for this command alone.
    _check(_libc.unshare(CLONE_NEWNS), "make a mount namespace")
    _check(_libc.mount(b"none", b"/", None, MS_REC | MS_SLAVE, None), "keep its mounts to itself")
    # /sys shows the network devices of the namespace it was mounted in.
    _check(_libc.umount2(b"/sys", MNT_DETACH), "unmount /sys")
    _check(_libc.mount(b"sysfs", b"/sys", b"sysfs", 0, None), "mount /sys")
    hosts = os.fsencode(directory.hosts)
    _check(_libc.mount(hosts, b"/etc/hosts", None, MS_BIND, None), "mount the lab's hosts file")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot {what}: {os.strerror(number)}")
