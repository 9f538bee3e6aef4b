"""Visits to a network namespace (setns(2)) that leave the caller where it is.

A socket belongs for life to the namespace it was created in, so one short visit is enough to serve a
namespace from outside. setns(2) moves one thread: a visit happens in a thread that ends with it, or, where
there are thousands, in one that comes back.
"""

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

NAMESPACE_DIRECTORY = Path("/run/netns")
OWN_NAMESPACE = "/proc/self/ns/net"
"""In the place of a name: this process's own, for the engine that of the machine."""
CLONE_NEWNET = 0x40000000  # linux/sched.h

Result = TypeVar("Result")

_libc = ctypes.CDLL(None, use_errno=True)


def open_namespace(path: Path) -> int:
    """A descriptor that holds the network namespace; raises FileNotFoundError where there is none."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise FileNotFoundError(f"no network namespace {path.name}: {path} does not exist") from None


def enter_namespace(path: Path) -> None:
    """Moves the calling thread, and what it starts from then on, into the network namespace `path` names.

    Raises FileNotFoundError where there is none, OSError where it may not be entered.
    """
    descriptor = open_namespace(path)
    try:
        if _libc.setns(descriptor, CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"cannot enter network namespace {path}: {os.strerror(number)}")
    finally:
        os.close(descriptor)


class UnnamedNamespace:
    """A network namespace of this process's own, without IPv6. It ends, with the devices in it, when it is
    closed and no socket uses it any more: at the latest with the process, however that ends."""

    def __init__(self) -> None:
        """Raises OSError where none can be made."""

        def make() -> int:
            if _libc.unshare(CLONE_NEWNET) != 0:
                number = ctypes.get_errno()
                raise OSError(number, f"no network namespace: {os.strerror(number)}")
            # The kernel must say nothing of its own on the devices that come.
            if (ipv6 := Path("/proc/sys/net/ipv6/conf/default/disable_ipv6")).exists():
                ipv6.write_text("1")
            return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

        # unshare(2) moves one thread: it must not be the caller's.
        with ThreadPoolExecutor(1) as visitor:
            self._descriptor = visitor.submit(make).result()
        self.path = Path(f"/proc/self/fd/{self._descriptor}")

    def close(self) -> None:
        os.close(self._descriptor)


@contextmanager
def inside(namespace: str | Path) -> Iterator[None]:
    """Moves the calling thread into `namespace` for a block: 100 times cheaper than a thread for the visit.

    Only for threads in which no signal handler raises: it could do so on the way back. Raises as
    `run_in_namespace` does.
    """
    origin = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter_namespace(NAMESPACE_DIRECTORY / namespace)
        try:
            yield
        finally:
            if _libc.setns(origin, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "cannot return from a network namespace")
    finally:
        os.close(origin)


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
            enter_namespace(path)
            outcome.set_result(function())
        except BaseException as error:
            outcome.set_exception(error)

    thread = threading.Thread(target=visit, name=f"netns {path.name}")
    thread.start()
    thread.join()
    return outcome.result()
