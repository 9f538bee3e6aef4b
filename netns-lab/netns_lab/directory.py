"""A lab's runtime directory: sockets, logs, counters and keys in one place that only root can read."""

import contextlib
import json
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RUN_DIRECTORY = Path("/run/quadlink")


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
        """What this lab's namespaces and processes carry; no other lab's do, whatever its name."""
        try:
            return f"{self.name}.{(self.path / 'id').read_text()}"
        except FileNotFoundError:
            return f"{self.name}."  # nothing can carry it yet

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def hosts(self) -> Path:
        return self.path / "hosts"

    def log(self, process: str) -> Path:
        return self.path / f"{process}.log"

    def create(self) -> None:
        """Makes the directory, which is the claim on the lab's name.

        Raises NameTaken where there is one already.
        """
        RUN_DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
        try:
            self.path.mkdir(mode=0o700)
        except FileExistsError:
            raise NameTaken(
                f"a lab named {self.name} exists already; end it first: `quadlink down --name {self.name}`"
            ) from None
        try:
            (self.path / "id").write_text(secrets.token_hex(8))
            self.events.touch(0o600)
        except BaseException:
            self.remove()
            raise

    def read_plan(self) -> dict[str, Any]:
        """The plan of the lab as JSON types. Raises LabError where it has none yet."""
        try:
            document: dict[str, Any] = json.loads(self.plan.read_bytes())
        except FileNotFoundError:
            raise LabError(
                f"lab {self.name} is not built yet; if nobody does: `quadlink down --name {self.name}`"
            ) from None
        return document

    def remove(self) -> None:
        """Takes the directory away; not an error where there is none."""
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.path)
        with contextlib.suppress(OSError):  # other labs live there
            RUN_DIRECTORY.rmdir()


def running_labs() -> list[str]:
    """The names of all labs that have a directory."""
    try:
        return sorted(entry.name for entry in RUN_DIRECTORY.iterdir() if entry.is_dir())
    except FileNotFoundError:
        return []


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
