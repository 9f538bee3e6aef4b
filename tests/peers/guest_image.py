"""A guest's kernel and initramfs, made of Debian's packages once and kept outside the checkout.

Nothing of them is installed. QEMU itself is, where it is missing.
"""

import hashlib
import platform
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from netns_lab import debian_packages
from netns_lab.debian_packages import PackagesUnavailable, apt, run, with_current_lists

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
    # Another recipe is another folder.
    recipes = (Path(__file__), Path(debian_packages.__file__))
    recipe = hashlib.sha256(b"".join(path.read_bytes() for path in recipes)).hexdigest()[:16]
    try:
        if shutil.which(QEMU) is None:
            with_current_lists(lambda: apt("install", "--yes", "--no-install-recommends", "qemu-system-x86"))
        folder = debian_packages.cached(debian_packages.cache_folder("guest") / recipe, _build)
    except PackagesUnavailable as error:
        raise GuestUnavailable(f"needs a guest that is made of Debian's packages: {error}") from None
    return GuestImage(folder / "vmlinuz", folder / "initramfs")


def _build(folder: Path) -> None:
    """Makes kernel and initramfs in an empty folder, and leaves nothing else there."""
    packages = folder / "packages"
    packages.mkdir()
    with_current_lists(lambda: apt("download", _current_kernel(), "busybox-static", folder=packages))
    unpacked = folder / "unpacked"
    debian_packages.unpack(packages.iterdir(), unpacked)
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
    archive = run(str(busybox), "cpio", "-o", "-H", "newc", folder=root, words_in=files)
    (folder / "initramfs").write_bytes(archive)
    next((unpacked / "boot").glob("vmlinuz-*")).rename(folder / "vmlinuz")
    for leftover in (packages, unpacked, root):
        shutil.rmtree(leftover)


def _copy_modules(busybox: Path, unpacked: Path, root: Path) -> None:
    """MODULES with all that they depend on, and the lists that modprobe(8) goes by."""
    source = next(unpacked.glob("**/lib/modules/*"))  # of unpacked or, in later releases, of its usr
    run(str(busybox), "depmod", "-b", str(source.parents[2]), source.name)
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
        raise PackagesUnavailable("there is no ip of iproute2 here")
    shutil.copy(ip, root / "sbin")
    for library in re.findall(r"(/\S+) \(0x", run("ldd", ip).decode()):
        target = root / library[1:]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)


def _current_kernel() -> str:
    """The package of the kernel that KERNEL stands for now."""
    found = re.search(r"Depends: (linux-image-\S+)", run("apt-cache", "depends", KERNEL).decode())
    if found is None:
        raise PackagesUnavailable(f"apt does not have {KERNEL} here")
    return found[1]
