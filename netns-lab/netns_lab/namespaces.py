"""The lab's network namespaces, each marked from its birth, so that nothing foreign is ever removed.

The mark is the alias of the loopback device inside, and the content of the file that its name is mounted on:
whatever instant a process is killed at, what it leaves says whose it is.
"""

import ctypes
import os
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dataplane.link_state import get_link, set_link
from dataplane.namespace import CLONE_NEWNET, NAMESPACE_DIRECTORY, run_in_namespace
from dataplane.netlink import NetlinkSocket
from netns_lab.claim import Claim
from netns_lab.directory import LabError
from netns_lab.marks import lab_of

MS_BIND = 0x1000
MS_REC = 0x4000
MS_SHARED = 0x100000
MNT_DETACH = 2
LOOPBACK_IFINDEX = 1
ALIAS_PREFIX = "quadlink "
MAXIMUM_ALIAS_OCTETS = 256  # linux/if.h

_libc = ctypes.CDLL(None, use_errno=True)


def create_namespace(name: str, mark: str, sysctls: Mapping[str, str]) -> None:
    """Makes the namespace with its loopback up and its sysctls set; LabError where that cannot be.

    An interruption leaves either nothing or a namespace that `marked_namespaces` knows.
    """
    _prepare_directory()
    naming = threading.Lock()
    given_up = threading.Event()

    def make() -> None:
        _check(_libc.unshare(CLONE_NEWNET))
        with NetlinkSocket() as netlink:
            refusals = netlink.execute([set_link(LOOPBACK_IFINDEX, up=True, alias=f"{ALIAS_PREFIX}{mark}")])
        if refusals:
            raise LabError(f"namespace {name}: {refusals[0]}")
        for key, value in sysctls.items():
            _set_sysctl(name, key, value)
        with naming:
            if not given_up.is_set():
                _name_this_namespace(NAMESPACE_DIRECTORY / name, mark)

    try:
        # unshare(2) moves one thread: it must not be the caller's.
        with ThreadPoolExecutor(1) as visitor:
            visitor.submit(make).result()
    except FileExistsError:
        raise LabError(f"namespace {name} exists already and is not this lab's; rename one of them") from None
    except BaseException:
        given_up.set()
        with naming:  # the thread may still be at work: whoever cleans up next must find all it did
            raise


def _name_this_namespace(path: Path, mark: str) -> None:
    """Names the calling thread's namespace; raises FileExistsError where the name is taken."""
    descriptor = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o444)
    try:
        os.write(descriptor, f"{ALIAS_PREFIX}{mark}".encode())
        # Any src_dir_fd makes it linkat(2), which follows the symbolic link that link(2) would not.
        os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor)
    finally:
        os.close(descriptor)
    _check(_libc.mount(b"/proc/thread-self/ns/net", os.fsencode(path), b"none", MS_BIND, None))


def set_sysctls(name: str, sysctls: Mapping[str, str]) -> None:
    """Sets a namespace's sysctls; LabError where the kernel refuses one."""

    def write() -> None:
        for key, value in sysctls.items():
            _set_sysctl(name, key, value)

    run_in_namespace(name, write)


def _set_sysctl(namespace: str, key: str, value: str) -> None:
    try:
        (Path("/proc/sys") / key.replace(".", "/")).write_text(value)
    except OSError as error:
        raise LabError(f"namespace {namespace}: sysctl {key} cannot be {value!r}: {error.strerror}") from None


def marked_namespaces() -> dict[str, str]:
    """The marks in /run/netns by name, also of namespaces whose making or deleting was cut short."""
    try:
        entries = sorted(NAMESPACE_DIRECTORY.iterdir())
    except FileNotFoundError:
        return {}
    # A symbolic link is somebody else's name for it, and opening a pipe would wait for its writer.
    files = [entry for entry in entries if entry.is_file() and not entry.is_symlink()]
    return {path.name: mark for path, mark in read_marks(files).items()}


def read_marks(paths: Iterable[Path]) -> dict[Path, str]:
    """The marks of network namespaces, by path, of those that carry one."""
    with ThreadPoolExecutor(1) as visitor:
        marks = visitor.submit(lambda: {path: _read_mark(path) for path in paths}).result()
    return {path: mark for path, mark in marks.items() if mark is not None}


def delete_namespace(name: str, mark: str) -> None:
    """Takes the name away if it carries the mark; the namespace ends with the last process inside it."""
    path = NAMESPACE_DIRECTORY / name
    with ThreadPoolExecutor(1) as visitor:
        visitor.submit(_delete, path, mark).result()


def _delete(path: Path, mark: str) -> None:
    while _read_mark(path) == mark:
        # What carries it is the namespace mounted there, or else the file.
        if _libc.umount2(os.fsencode(path), MNT_DETACH) != 0:
            path.unlink(missing_ok=True)


def _read_mark(path: Path) -> str | None:
    """What the namespace or the file is marked with. Leaves the calling thread in the namespace."""
    try:
        with path.open("rb") as file:
            if _libc.setns(file.fileno(), CLONE_NEWNET) != 0:
                text = file.read(MAXIMUM_ALIAS_OCTETS).decode(errors="replace")
            else:
                with NetlinkSocket() as netlink:
                    loopback = get_link(netlink, LOOPBACK_IFINDEX)
                text = loopback.alias if loopback else ""
    except OSError:
        return None  # it is gone, or cannot be entered
    mark = text.removeprefix(ALIAS_PREFIX)
    return mark if mark != text and lab_of(mark) else None


def _prepare_directory() -> None:
    """Makes /run/netns a shared mount as ip-netns(8) does, so that every mount namespace sees the names."""
    NAMESPACE_DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
    path = os.fsencode(NAMESPACE_DIRECTORY)
    with Claim(NAMESPACE_DIRECTORY, wait=True):  # as ip-netns(8) does: two at once would mount it twice
        if _libc.mount(b"", path, b"none", MS_SHARED | MS_REC, None) != 0:
            _check(_libc.mount(path, path, b"none", MS_BIND | MS_REC, None))
            _check(_libc.mount(b"", path, b"none", MS_SHARED | MS_REC, None))


def _check(result: int) -> None:
    if result != 0:
        reason = os.strerror(ctypes.get_errno())
        raise LabError(f"no network namespace can be made here: {reason}")
