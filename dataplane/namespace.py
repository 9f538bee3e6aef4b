"""Runs one function inside a network namespace (setns(2)) and leaves the caller where it is.

A socket belongs for life to the namespace it was created in, so one short visit is enough to serve a
namespace from outside. setns(2) moves one thread: the visit happens in a thread that ends with it.
"""

import ctypes
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

NAMESPACE_DIRECTORY = Path("/run/netns")
CLONE_NEWNET = 0x40000000  # linux/sched.h

Result = TypeVar("Result")

_libc = ctypes.CDLL(None, use_errno=True)


def _enter(path: Path) -> None:
    """Move the calling thread into the network namespace that `path` names."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise FileNotFoundError(f"no network namespace {path.name}: {path} does not exist") from None
    try:
        if _libc.setns(descriptor, CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"cannot enter network namespace {path}: {os.strerror(number)}")
    finally:
        os.close(descriptor)


def run_in_namespace(namespace: str | Path, function: Callable[[], Result]) -> Result:
    """The result of `function()`, called in a thread inside `namespace`; its exception propagates.

    `namespace` is a name, looked up in /run/netns as ip-netns(8) does, or a path such as /proc/PID/ns/net.
    Child processes that `function` starts stay in the namespace; the caller's thread never enters it.
    Raises FileNotFoundError where there is no such namespace, OSError where it may not be entered.
    """
    path = NAMESPACE_DIRECTORY / namespace
    outcome: Future[Result] = Future()

    def visit() -> None:
        try:
            _enter(path)
            outcome.set_result(function())
        except BaseException as error:
            outcome.set_exception(error)

    thread = threading.Thread(target=visit, name=f"netns {path.name}")
    thread.start()
    thread.join()
    return outcome.result()
