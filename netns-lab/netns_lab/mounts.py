"""mount(2), umount2(2) and unshare(2): what a node's own view of the file system is made of."""

import ctypes
import os
from pathlib import Path

CLONE_NEWNS = 0x20000  # linux/sched.h
# sys/mount.h
MS_BIND = 0x1000
MS_MOVE = 0x2000
MS_REC = 0x4000
MS_UNBINDABLE = 0x20000
MS_PRIVATE = 0x40000
MS_SLAVE = 0x80000
MNT_DETACH = 2

KERNEL_DIRECTORIES = ("/dev", "/proc", "/sys")
"""Trees in which the kernel alone makes files."""

_libc = ctypes.CDLL(None, use_errno=True)


def unshare_mounts() -> None:
    """Gives the calling thread a mount namespace of its own: mounts made in it are seen nowhere else."""
    _check(_libc.unshare(CLONE_NEWNS), "make a mount namespace")
    change_propagation(Path("/"), MS_SLAVE | MS_REC)


def mount(source: Path | str, target: Path, flags: int = 0, kind: str | None = None) -> None:
    """mount(2) without options; raises OSError."""
    _check(
        _libc.mount(os.fsencode(source), os.fsencode(target), kind and kind.encode(), flags, None),
        f"mount {source} on {target}",
    )


def change_propagation(target: Path, flags: int) -> None:
    """Makes a mount slave, unbindable and so on; raises OSError."""
    _check(
        _libc.mount(b"none", os.fsencode(target), None, flags, None), f"change how mounts at {target} spread"
    )


def unmount(target: Path) -> None:
    """Takes a mount and what is below it out of sight at once; raises OSError."""
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), f"unmount {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot {what}: {os.strerror(number)}")
