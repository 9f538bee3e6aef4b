"""Debian packages that are fetched with apt and unpacked into a cache folder, not installed.

An installed daemon would be started as the machine's own; from the folder it runs only where it is asked to.
"""

import fcntl
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

USR = Path("/usr")
LIBRARY_FOLDERS = "library-folders"
"""A file beside what is unpacked."""


class PackagesUnavailable(Exception):
    """Why something cannot be made of Debian's packages here."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program that can be run: its path, and the variables that it needs besides the caller's."""

    path: Path
    environment: Mapping[str, str]


def find_program(place: str, package: str) -> Program | None:
    """A program that is installed or was fetched before; None where neither is so.

    `place` is where its package has it below /usr, such as sbin/bird. One of sbin or bin may be anywhere on
    PATH.
    """
    folder, name = Path(place).parent, Path(place).name
    if str(folder) in ("bin", "sbin") and (found := shutil.which(name)):
        return Program(Path(found), {})
    if os.access(USR / place, os.X_OK):
        return Program(USR / place, {})
    root = _place_of(package)
    if not (root / "usr" / place).exists():
        return None
    folders = (str(root / folder) for folder in (root / LIBRARY_FOLDERS).read_text().splitlines())
    return Program(root / "usr" / place, {"LD_LIBRARY_PATH": os.pathsep.join(folders)})


def fetch_program(place: str, package: str) -> Program:
    """A program that is fetched now where it is neither installed nor in the cache.

    Raises PackagesUnavailable.
    """
    if find_program(place, package) is None:
        _unpacked(package)
    program = find_program(place, package)
    if program is None:
        raise PackagesUnavailable(f"Debian's package {package} has no {place}")
    return program


def cache_folder(kind: str) -> Path:
    """The folder that outlives labs and checkouts, and in it that of one kind of thing."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "/var/cache") / "quadlink" / kind


def cached(folder: Path, build: Callable[[Path], None]) -> Path:
    """A folder of the cache, which `build` fills once: one that was only begun has another name."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = (folder.parent / "lock").open("w")
    except OSError as error:
        raise PackagesUnavailable(f"cannot write to {folder.parent}: {error.strerror}") from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            begun = folder.with_suffix(".begun")
            shutil.rmtree(begun, ignore_errors=True)
            begun.mkdir()
            build(begun)
            begun.rename(folder)
    return folder


def _place_of(package: str) -> Path:
    """Where a package is unpacked: programs of one release do not run by another's libraries."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    return (
        cache_folder("packages") / f"{package}-{release.get('ID', 'linux')}-{release.get('VERSION_ID', '')}"
    )


def _unpacked(package: str) -> Path:
    """The root of a package and of every package that it needs and that is not installed."""

    def build(folder: Path) -> None:
        archives = folder / "archives"
        (archives / "partial").mkdir(parents=True)
        place = ("-o", f"Dir::Cache::archives={archives}")
        with_current_lists(
            lambda: apt("install", "--download-only", "--yes", "--no-install-recommends", *place, package)
        )
        unpack(archives.glob("*.deb"), folder)
        shutil.rmtree(archives)
        list_libraries(folder)

    return cached(_place_of(package), build)


def unpack(archives: Iterable[Path], root: Path) -> None:
    """Lays the files of packages out below a folder. Raises PackagesUnavailable."""
    for archive in archives:
        run("dpkg", "-x", str(archive), str(root))


def list_libraries(root: Path) -> None:
    """Writes down which folders below a root have shared libraries: it is read more often than made."""
    folders = sorted({str(library.parent.relative_to(root)) for library in root.glob("**/lib*.so.*")})
    (root / LIBRARY_FOLDERS).write_text("\n".join(folders))


def with_current_lists(action: Callable[[], object]) -> None:
    """Package lists are fetched only when it does not work without."""
    try:
        action()
    except PackagesUnavailable:
        apt("update")
        action()


def apt(*words: str, folder: Path | None = None) -> None:
    """apt-get, run in a folder. Raises PackagesUnavailable."""
    # As another user, which is the default, apt could not write to the folder.
    run("apt-get", "-o", "DPkg::Lock::Timeout=300", "-o", "APT::Sandbox::User=root", *words, folder=folder)


def run(*words: str, folder: Path | None = None, words_in: str = "") -> bytes:
    """What a command prints. Raises PackagesUnavailable with its last word where it fails."""
    try:
        done = subprocess.run(
            words,
            cwd=folder,
            input=words_in.encode(),
            capture_output=True,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
        )
    except FileNotFoundError:
        raise PackagesUnavailable(f"there is no {words[0]} here") from None
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise PackagesUnavailable(f"`{' '.join(words)}` failed: {last}")
    return done.stdout
