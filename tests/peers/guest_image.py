"""A guest's kernel and initramfs, made of Debian's packages once and kept outside the checkout.

Nothing of them is installed. QEMU itself is, where it is missing.
"""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

KERNEL = "linux-image-cloud-amd64"
MODULES = ("virtio_pci", "virtio_net", "macsec", "gcm", "ctr", "ghash-generic")
QEMU = "qemu-system-x86_64"
READY = "guest: "

# A shell on the serial console: a command a line, then what it printed and READY with its exit status.
# busybox prefers its own ip, which knows no MACsec, to any file of that name.
INIT = f"""#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec </dev/ttyS0 >/dev/ttyS0 2>&1
stty raw -echo
ip() {{ /sbin/ip "$@"; }}
modprobe -a {" ".join(MODULES)}
echo "{READY}$?"
while read -r command; do
    eval "$command"
    echo "{READY}$?"
done
"""


class GuestUnavailable(Exception):
    """Why this machine can have no guest."""


@dataclass(frozen=True, slots=True)
class GuestImage:
    """What QEMU boots."""

    kernel: Path
    initramfs: Path


def guest_image() -> GuestImage:
    """The image, made now if it is not in the cache, and QEMU. Raises GuestUnavailable."""
    if platform.machine() != "x86_64":
        raise GuestUnavailable(f"needs an x86-64 machine for its guest; this one is {platform.machine()}")
    if shutil.which(QEMU) is None:
        _with_current_lists(lambda: _apt("install", "--yes", "--no-install-recommends", "qemu-system-x86"))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "/var/cache") / "quadlink" / "guest"
    cache.mkdir(parents=True, exist_ok=True)
    # Another recipe is another folder, and one that was only begun has another name.
    folder = cache / hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            begun = folder.with_suffix(".begun")
            shutil.rmtree(begun, ignore_errors=True)
            begun.mkdir()
            _build(begun)
            begun.rename(folder)
    return GuestImage(folder / "vmlinuz", folder / "initramfs")


def _build(folder: Path) -> None:
    """Makes kernel and initramfs in an empty folder, and leaves nothing else there."""
    packages = folder / "packages"
    packages.mkdir()
    _with_current_lists(lambda: _apt("download", _current_kernel(), "busybox-static", folder=packages))
    unpacked = folder / "unpacked"
    for package in packages.iterdir():
        _run("dpkg", "-x", str(package), str(unpacked))
    root = folder / "root"
    for name in ("bin", "sbin", "dev", "proc", "sys"):
        (root / name).mkdir(parents=True)
    busybox = root / "bin" / "busybox"
    shutil.copy(next(unpacked.glob("**/bin/busybox")), busybox)
    (root / "sbin" / "modprobe").symlink_to("/bin/busybox")  # what the kernel asks for crypto modules
    (root / "init").write_text(INIT)
    (root / "init").chmod(0o755)
    _copy_modules(busybox, unpacked, root)
    _copy_ip(root)
    files = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    archive = _run(str(busybox), "cpio", "-o", "-H", "newc", folder=root, words_in=files)
    (folder / "initramfs").write_bytes(archive)
    next((unpacked / "boot").glob("vmlinuz-*")).rename(folder / "vmlinuz")
    for leftover in (packages, unpacked, root):
        shutil.rmtree(leftover)


def _copy_modules(busybox: Path, unpacked: Path, root: Path) -> None:
    """MODULES with all that they depend on, and the lists that modprobe(8) goes by."""
    source = next(unpacked.glob("**/lib/modules/*"))  # of unpacked or, in later releases, of its usr
    _run(str(busybox), "depmod", "-b", str(source.parents[2]), source.name)
    target = root / "lib" / "modules" / source.name
    target.mkdir(parents=True)
    for name in ("modules.dep", "modules.builtin"):
        shutil.copy(source / name, target)
    for line in (source / "modules.dep").read_text().splitlines():
        module, *needed = line.replace(":", "").split()
        if Path(module).name.partition(".")[0] in MODULES:
            for name in (module, *needed):
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source / name, target / name)


def _copy_ip(root: Path) -> None:
    """This machine's ip(8) with its libraries."""
    ip = shutil.which("ip")
    if ip is None:
        raise GuestUnavailable("needs ip of iproute2")
    shutil.copy(ip, root / "sbin")
    for library in re.findall(r"(/\S+) \(0x", _run("ldd", ip).decode()):
        target = root / library[1:]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)


def _current_kernel() -> str:
    """The package of the kernel that KERNEL stands for now."""
    found = re.search(r"Depends: (linux-image-\S+)", _run("apt-cache", "depends", KERNEL).decode())
    if found is None:
        raise GuestUnavailable(f"needs the kernel of Debian's package {KERNEL}, which apt does not have here")
    return found[1]


def _with_current_lists(action: Callable[[], object]) -> None:
    """Package lists are fetched only when it does not work without."""
    try:
        action()
    except GuestUnavailable:
        _apt("update")
        action()


def _apt(*words: str, folder: Path | None = None) -> None:
    # As another user, which is the default, apt could not write to the folder.
    _run("apt-get", "-o", "DPkg::Lock::Timeout=300", "-o", "APT::Sandbox::User=root", *words, folder=folder)


def _run(*words: str, folder: Path | None = None, words_in: str = "") -> bytes:
    """What a command prints. Raises GuestUnavailable with its last word where it fails."""
    try:
        done = subprocess.run(
            words,
            cwd=folder,
            input=words_in.encode(),
            capture_output=True,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
        )
    except FileNotFoundError:
        raise GuestUnavailable(
            f"needs {words[0]} for its guest, which is made of Debian's packages"
        ) from None
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise GuestUnavailable(f"needs Debian's packages for its guest: `{' '.join(words)}` failed: {last}")
    return done.stdout
