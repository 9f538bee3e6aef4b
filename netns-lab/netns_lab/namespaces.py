"""The lab's network namespaces, each marked from its birth, so that nothing foreign is ever removed.

The mark is the alias of the loopback device inside: a namespace gets its name only once it carries it.
"""

import ctypes
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dataplane.link_state import get_link, set_link
from dataplane.namespace import CLONE_NEWNET, NAMESPACE_DIRECTORY
from dataplane.netlink import NetlinkSocket
from netns_lab.directory import LabError

MS_BIND = 0x1000
MS_REC = 0x4000
MS_SHARED = 0x100000
MNT_DETACH = 2
LOOPBACK_IFINDEX = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _alias_of(mark: str) -> str:
    return f"quadlink {mark}"


def create_namespace(name: str, mark: str, sysctls: Mapping[str, str]) -> None:
    """Makes the namespace with its loopback up and its sysctls set; LabError where that cannot be."""
    _prepare_directory()
    path = NAMESPACE_DIRECTORY / name
    naming = threading.Lock()
    given_up, named = threading.Event(), threading.Event()

    def make() -> None:
        _check(_libc.unshare(CLONE_NEWNET))
        with NetlinkSocket() as netlink:
            refusals = netlink.execute([set_link(LOOPBACK_IFINDEX, up=True, alias=_alias_of(mark))])
        if refusals:
            raise LabError(f"namespace {name}: {refusals[0]}")
        for key, value in sysctls.items():
            _set_sysctl(name, key, value)
        with naming:
            if given_up.is_set():
                return
            # The name comes last: whoever is killed before leaves nothing.
            os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o444))
            named.set()
            _check(_libc.mount(b"/proc/thread-self/ns/net", os.fsencode(path), b"none", MS_BIND, None))

    try:
        # unshare(2) moves one thread: it must not be the caller's.
        with ThreadPoolExecutor(1) as visitor:
            visitor.submit(make).result()
    except FileExistsError:
        raise LabError(f"namespace {name} exists already and is not this lab's; rename one of them") from None
    except BaseException:
        with naming:  # an interruption may come while the thread still works
            given_up.set()
            if named.is_set():  # else a file of that name is somebody else's
                delete_namespace(name)
        raise


def _set_sysctl(namespace: str, key: str, value: str) -> None:
    try:
        (Path("/proc/sys") / key.replace(".", "/")).write_text(value)
    except OSError as error:
        raise LabError(f"namespace {namespace}: sysctl {key} cannot be {value!r}: {error.strerror}") from None


def namespaces_of(mark: str) -> list[str]:
    """The namespaces that carry a lab's mark."""
    try:
        names = sorted(entry.name for entry in NAMESPACE_DIRECTORY.iterdir())
    except FileNotFoundError:
        return []
    return [name for name in names if _alias(name) == _alias_of(mark)]


def delete_namespace(name: str) -> None:
    """Takes the name away; the namespace ends with the last process inside it."""
    path = NAMESPACE_DIRECTORY / name
    _libc.umount2(os.fsencode(path), MNT_DETACH)
    path.unlink(missing_ok=True)


def _alias(name: str) -> str | None:
    try:
        with NetlinkSocket(name) as netlink:
            loopback = get_link(netlink, LOOPBACK_IFINDEX)
    except OSError:
        return None  # a file that is no namespace
    return loopback.alias if loopback else None


def _prepare_directory() -> None:
    """Makes /run/netns a shared mount as ip-netns(8) does, so that every mount namespace sees the names."""
    NAMESPACE_DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
    path = os.fsencode(NAMESPACE_DIRECTORY)
    if _libc.mount(b"", path, b"none", MS_SHARED | MS_REC, None) != 0:
        _check(_libc.mount(path, path, b"none", MS_BIND | MS_REC, None))
        _check(_libc.mount(b"", path, b"none", MS_SHARED | MS_REC, None))


def _check(result: int) -> None:
    if result != 0:
        reason = os.strerror(ctypes.get_errno())
        raise LabError(f"no network namespace can be made here: {reason}")
