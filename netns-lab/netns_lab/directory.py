"""A lab's runtime directory: sockets, logs, counters and keys in one place that only root can read."""

import contextlib
import ctypes
import json
import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dataplane.lines import peer_pid
from netns_lab.claim import Claim
from netns_lab.marks import lab_of

RUN_DIRECTORY = Path("/run/quadlink")
# fcntl.h, linux/fs.h
AT_FDCWD = -100
RENAME_NOREPLACE = 1

_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """Something the user can mend; the text is one sentence with the way out."""

    prefix = "quadlink: "
    """What stands before the sentence on a terminal."""
    exit_code = 2
    """1 where what was asked was tried and failed; 2 where it is wrong or impossible."""


class NotReady(LabError):
    """A lab did not come to do what its topology says."""

    exit_code = 1


class NameTaken(LabError):
    """There is a lab of that name."""


class NoLab(LabError):
    """There is no lab where one was expected."""


@dataclass(frozen=True, slots=True)
class LabDirectory:
    """The files of the lab `name`."""

    name: str

    @property
    def path(self) -> Path:
        return RUN_DIRECTORY / self.name

    @property
    def engine_socket(self) -> Path:
        return self.path / "engine.sock"

    @property
    def counters(self) -> Path:
        return self.path / "counters"

    @property
    def controller_socket(self) -> Path:
        return self.path / "controller.sock"

    @property
    def plan(self) -> Path:
        return self.path / "plan.json"

    @property
    def guard_socket(self) -> Path:
        return self.path / "guard.sock"

    @property
    def ending(self) -> Path:
        """There while the lab is taken down: nothing of it is started again then."""
        return self.path / "ending"

    def is_ending(self) -> bool:
        """Whether the lab is being taken down, or is gone."""
        return self.ending.exists() or not self.path.exists()

    def lock(self, process: str) -> Path:
        return self.path / f"{process}.lock"

    @property
    def mark(self) -> str:
        """What this lab's namespaces and processes carry; no other lab's do, whatever its name.

        Raises NoLab where there is no lab in this place.
        """
        try:
            mark = (self.path / "mark").read_text()
        except (OSError, UnicodeDecodeError):
            mark = ""
        if lab_of(mark) != self.name:
            raise NoLab(f"{self.path} is not the directory of a lab")
        return mark

    @property
    def kept(self) -> Path:
        """Is there once the lab stays without the process that built it: it is the user's now."""
        return self.path / "kept"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def announcements(self) -> Path:
        """What routers announce besides the prefixes of the topology."""
        return self.path / "announcements.json"

    @property
    def faults(self) -> Path:
        """The faults that are active."""
        return self.path / "faults.json"

    def held_sessions(self, node: str) -> Path:
        """The sessions of a router that are kept down until they are reset."""
        return self.path / f"{node}.held.json"

    @property
    def lost_paths(self) -> Path:
        """What BFD found lost and not up again, for the next guard."""
        return self.path / "lost-paths.json"

    @property
    def hosts(self) -> Path:
        return self.path / "hosts"

    def log(self, process: str) -> Path:
        return self.path / f"{process}.log"

    def is_served(self) -> bool:
        """True for a lab that was built, is not being taken down, and has a process of its own that runs."""
        sockets = (self.engine_socket, self.guard_socket, self.controller_socket)
        return self.kept.exists() and not self.is_ending() and any(map(_is_served, sockets))

    def is_dead(self) -> bool:
        """True for what is left of a lab that nobody builds and nothing serves: `gc` removes it."""
        try:
            with Claim(self.path):
                return not self.is_served()
        except (BlockingIOError, FileNotFoundError):
            return False

    def create(self, mark: str) -> Claim:
        """Makes the directory, which takes the lab's name.

        The lab is being built while the claim lasts: `gc` leaves it alone. Raises NameTaken where there is a
        lab of that name, NoLab where something else is in its place.
        """
        while True:
            RUN_DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
            # The end of another lab may take this place away, and `gc` what is not claimed yet: begin again.
            with contextlib.suppress(FileNotFoundError):
                return self._create(mark)

    def _create(self, mark: str) -> Claim:
        unnamed = _unnamed(mark)
        unnamed.mkdir(mode=0o700)
        claim = Claim(unnamed, wait=True)
        try:
            (unnamed / "mark").write_text(mark)
            (unnamed / self.events.name).touch(0o600)
            # The name comes last: a directory that has it is whole.
            _rename_to_free_name(unnamed, self.path)
        except BaseException as error:
            claim.close()
            self.remove(mark)
            if isinstance(error, FileExistsError):
                raise self._why_taken() from None
            raise
        return claim

    def _why_taken(self) -> LabError:
        if self.name not in running_labs():
            return NoLab(f"{self.path} is there and is no lab's; move it away, or name the lab differently")
        if self.is_dead():
            return NameTaken(
                f"what is left of a lab named {self.name} is in the way: `quadlink gc` removes it"
            )
        return NameTaken(
            f"a lab named {self.name} exists already; end it first: `quadlink down --name {self.name}`"
        )

    def read_plan(self) -> dict[str, Any]:
        """The plan of the lab as JSON types. Raises LabError where it has none yet."""
        try:
            document: dict[str, Any] = json.loads(self.plan.read_bytes())
        except FileNotFoundError:
            raise LabError(
                f"lab {self.name} is not built yet; if nobody does: `quadlink down --name {self.name}`"
            ) from None
        return document

    def announce_end(self, mark: str) -> bool:
        """Says that the lab with this mark is being taken down; false where it has no directory."""
        with contextlib.suppress(NoLab, FileNotFoundError):
            if self.mark == mark:
                self.ending.touch()
                return True
        return False

    def remove(self, mark: str) -> bool:
        """Takes the directory of the lab with this mark away; false where there is none."""
        unnamed = _unnamed(mark)
        with contextlib.suppress(NoLab, FileNotFoundError):
            if self.mark == mark:
                self.path.rename(unnamed)
        there = unnamed.exists()
        while unnamed.exists():
            with contextlib.suppress(FileNotFoundError):  # two may remove it at once
                shutil.rmtree(unnamed)
        with contextlib.suppress(OSError):  # other labs live there
            RUN_DIRECTORY.rmdir()
        return there


def _unnamed(mark: str) -> Path:
    """Where a lab's directory is before it is whole, and when it is no longer."""
    return RUN_DIRECTORY / f".{mark}"


def _rename_to_free_name(source: Path, target: Path) -> None:
    """Raises FileExistsError where the name is taken; rename(2) would replace an empty directory."""
    paths = os.fsencode(source), os.fsencode(target)
    if _libc.renameat2(AT_FDCWD, paths[0], AT_FDCWD, paths[1], RENAME_NOREPLACE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(str(path))
        except BlockingIOError:
            return True  # too busy to accept, or stopped
        except OSError:
            return False
        pid = peer_pid(probe)
    # A killed process loses its memory first and its sockets last; 0 stands for one of another pid namespace.
    return pid == 0 or not _has_lost_its_memory(pid)


def _has_lost_its_memory(pid: int) -> bool:
    try:
        return not Path(f"/proc/{pid}/environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return True
    except OSError:
        return False


def place_of_labs(pid: int | Literal["self"] = "self") -> tuple[int, int] | None:
    """Which directory a process sees as that of all labs, by device and inode; None for none."""
    try:
        status = Path(f"/proc/{pid}/root{RUN_DIRECTORY}").stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def lab_folders() -> Iterator[tuple[Path, str]]:
    """Every directory of a lab, also one that has no name yet or any more, and the lab's mark."""
    with contextlib.suppress(FileNotFoundError):
        for folder in sorted(RUN_DIRECTORY.iterdir()):
            if folder.name.startswith(".") and lab_of(folder.name[1:]):
                yield folder, folder.name[1:]
            with contextlib.suppress(NoLab):
                yield folder, LabDirectory(folder.name).mark


def running_labs() -> list[str]:
    """The names of all labs that have a directory."""
    return [folder.name for folder, _ in lab_folders() if not folder.name.startswith(".")]


def choose_lab(name: str | None) -> LabDirectory:
    """The lab that a command means; LabError where that is not clear."""
    labs = running_labs()
    if name is None and len(labs) == 1:
        name = labs[0]
    if name is None:
        there = f"several labs run ({', '.join(labs)}); say which with --name" if labs else "no lab is up"
        raise LabError(there if labs else f"{there}; start one with `quadlink up FILE`")
    if name not in labs:
        raise LabError(f"no lab named {name} is up; labs are: {', '.join(labs) or 'none'}")
    return LabDirectory(name)
