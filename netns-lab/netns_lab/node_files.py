"""The files that a topology gives a node: kept in the lab's directory, seen at their paths in that node only.

They lie below `files/NODE` as they would below `/`. One that the machine has too covers the machine's. Where
the machine has none, the nearest directory that it has is covered as a whole, by one of ours with every entry
of the machine's mounted in its place. What the node adds to it stays in the lab's directory.
"""

import contextlib
import json
import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from netns_lab.directory import LabDirectory, LabError
from netns_lab.mounts import (
    KERNEL_DIRECTORIES,
    MS_BIND,
    MS_MOVE,
    MS_PRIVATE,
    MS_REC,
    MS_UNBINDABLE,
    change_propagation,
    mount,
)
from netns_lab.plan import FilePlan, NodePlan

ROOT = Path("/")


@dataclass(frozen=True, slots=True)
class Covers:
    """Real paths of what is covered: files, and directories with the names they keep, deepest first."""

    files: Sequence[str]
    directories: Mapping[str, Sequence[str]]


def write_files(directory: LabDirectory, node: NodePlan) -> None:
    """Lays a node's files out in the lab's directory, in the place of those that were there for it before.

    Raises LabError where one cannot be at its path.
    """
    remove_files(directory, node.name)
    if not node.files:
        return
    base = _base(directory, node.name)
    base.mkdir(parents=True)
    base.chmod(0o755)
    files: list[str] = []
    incomplete: set[Path] = set()
    for file in node.files:
        path = _real_path(node, file)
        _write(base, path, file.content.reveal())
        if path.exists():
            files.append(str(path))
        else:
            incomplete.add(next(parent for parent in path.parents if parent.exists()))
    deepest_first = sorted(incomplete, key=lambda path: len(path.parts), reverse=True)
    directories = {str(path): _hold_places(path, _below(base, path)) for path in deepest_first}
    _record(directory, node.name).write_text(json.dumps(asdict(Covers(files, directories))))


def remove_files(directory: LabDirectory, node: str) -> None:
    """Removes a node's files from the lab's directory; not an error where it has none."""
    shutil.rmtree(_base(directory, node), ignore_errors=True)
    _record(directory, node).unlink(missing_ok=True)


def _real_path(node: NodePlan, file: FilePlan) -> Path:
    path = Path(os.path.realpath(file.path))
    nearest = next(place for place in (path, *path.parents) if place.exists())
    if nearest == path and path.is_dir():
        problem = f"{path} is a directory on this machine"
    elif nearest != path and not nearest.is_dir():
        problem = f"{nearest} is no directory on this machine"
    elif any(path.is_relative_to(kernels) for kernels in KERNEL_DIRECTORIES):
        problem = f"it leads to {path} on this machine, which is the kernel's"
    else:
        return path
    raise LabError(f"node {node.name}: file {file.path} cannot be made: {problem}")


def _write(base: Path, path: Path, content: str) -> None:
    """Makes our copy of `path`, and its directories, with the owners and modes that the machine's have."""
    for above in reversed(path.parents[:-1]):
        ours = _below(base, above)
        if not ours.exists():
            ours.mkdir()
            _own_like(above, ours, 0o755)
    ours = _below(base, path)
    ours.write_text(content)
    _own_like(path, ours, 0o755 if content.startswith("#!") else 0o644)


def _own_like(path: Path, ours: Path, mode: int) -> None:
    """Gives ours the owner and mode of `path`; root and `mode` where there is none."""
    if path.exists():
        status = path.stat()
        os.chown(ours, status.st_uid, status.st_gid)
        mode = stat.S_IMODE(status.st_mode)
    ours.chmod(mode)


def _hold_places(path: Path, ours: Path) -> list[str]:
    """Makes something to mount on for each entry of `path` that is not covered; returns their names."""
    names = []
    for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
        place = ours / entry.name
        if entry.is_symlink():
            place.symlink_to(os.readlink(entry.path))
        elif entry.is_dir():
            place.mkdir(exist_ok=True)
            names.append(entry.name)
        elif not place.exists():
            place.touch()
            names.append(entry.name)
    return names


def show_files(directory: LabDirectory, node: str) -> None:
    """Covers what the node's files cover in the calling thread's mount namespace, which must be its own."""
    try:
        covers = Covers(**json.loads(_record(directory, node).read_bytes()))
    except FileNotFoundError:
        return
    working_directory = _working_directory()
    base = _base(directory, node)
    for path in map(Path, covers.files):
        mount(_below(base, path), path, MS_BIND)
    for path, names in ((Path(path), names) for path, names in covers.directories.items()):
        _cover_directory(path, _below(base, path), names)
    os.chdir(working_directory)  # the one we stand in may have been covered


def _working_directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return "/"  # it was removed


def _cover_directory(path: Path, ours: Path, names: Sequence[str]) -> None:
    mount(ours, ours, MS_BIND)
    # No copy of a directory above may hold what is mounted here: removing ours would remove the machine's.
    change_propagation(ours, MS_UNBINDABLE)
    for name in names:
        with contextlib.suppress(FileNotFoundError):  # the machine has removed it since
            mount(path / name, ours / name, MS_BIND | MS_REC)
    if path == ROOT:
        os.chroot(ours)
    else:
        mount(ours, path, MS_MOVE)
        change_propagation(path, MS_PRIVATE)


def _base(directory: LabDirectory, node: str) -> Path:
    return directory.path / "files" / node


def _record(directory: LabDirectory, node: str) -> Path:
    return directory.path / "files" / f"{node}.json"


def _below(base: Path, path: Path) -> Path:
    """Where our copy of an absolute path lies."""
    return base / path.relative_to(ROOT)
