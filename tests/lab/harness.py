"""A running lab as tests see it: through the command line, iproute2 and its own plan."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netns_lab import templates
from netns_lab.directory import LabDirectory
from netns_lab.event_log import event_line, read_events
from netns_lab.inspection import ask
from netns_lab.plan import LabPlan
from netns_lab.processes import LAB_VARIABLE
from netns_lab.state import load_plan

from tests.waiting import eventually

QUAD = templates.SHIPPED / "quad.yaml"
QUADLINK = Path(sys.executable).with_name("quadlink")
COMMAND_TIMEOUT_S = 60
EVENTS_TOLD = 300
"""Of a lab whose test has failed."""
ROUTES = (("aws", "10.2.0.0/16"), ("aws", "fd02::/48"), ("gcp", "10.1.0.0/16"), ("gcp", "fd01::/48"))
"""Which router must have a route to which prefix."""


def quadlink(*words: str, timeout_s: float = COMMAND_TIMEOUT_S) -> subprocess.CompletedProcess[str]:
    """Runs the command line as a user does."""
    return subprocess.run(
        [str(QUADLINK), *words], capture_output=True, text=True, check=False, timeout=timeout_s
    )


def interrupted(number: int, said: str, *words: str) -> subprocess.Popen[str]:
    """A command that got a signal once it had said this, and has ended."""
    run = subprocess.Popen([str(QUADLINK), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stderr is not None
    for line in run.stderr:
        if said in line:
            break
    run.send_signal(number)
    run.communicate(timeout=30)
    return run


def processes_of(name: str) -> list[int]:
    """The processes of any lab of that name, also of one that has no directory any more."""
    mark = f"{LAB_VARIABLE}={name}.".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            environment = (folder / "environ").read_bytes().split(b"\0")
            if any(variable.startswith(mark) for variable in environment):
                found.append(int(folder.name))
    return found


@dataclass(frozen=True)
class Lab:
    """A lab that is up."""

    directory: LabDirectory
    plan: LabPlan

    @property
    def name(self) -> str:
        return self.directory.name

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return quadlink("--name", self.name, *words)

    def json(self, *words: str) -> Any:  # noqa: ANN401 - what the command prints
        answer = self.run(*words, "--format", "json")
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    def ask(self, topic: str) -> Any:  # noqa: ANN401 - what `inspect` prints
        """The document of a topic without the command line: a poll costs no command."""
        return ask(topic, self.directory)

    def link(self, name: str) -> dict[str, Any]:
        links = self.json("inspect", "links")["links"]
        return next(link for link in links if link["name"] == name)

    def carriers(self, name: str) -> list[bool | None]:
        return [end["carrier"] for end in self.link(name)["endpoints"]]

    def established(self) -> int:
        sessions = self.json("inspect", "bgp")["sessions"]
        return sum(session["state"] == "established" for session in sessions)

    def ip(self, node: str, *words: str) -> Any:  # noqa: ANN401 - what ip(8) prints
        command = ["ip", "-n", f"{self.name}-{node}", "-j", *words]
        return json.loads(subprocess.run(command, capture_output=True, check=True).stdout or b"[]")

    def route(self, node: str, prefix: str) -> tuple[int, list[int]]:
        """The nexthop group of a route, and the group's members, by iproute2's word; (0, []) without one."""
        family = "-6" if ":" in prefix else "-4"
        routes = [entry for entry in self.ip(node, family, "route", "show", prefix) if "nhid" in entry]
        if not routes:
            return 0, []
        nhid = routes[0]["nhid"]
        groups = [entry for entry in self.ip(node, "nexthop") if entry["id"] == nhid]
        if not groups:  # the route has another since
            return self.route(node, prefix)
        return nhid, [member["id"] for member in groups[0]["group"]]

    def paths(self, node: str, prefix: str) -> int:
        return len(self.route(node, prefix)[1])

    def heal(self) -> None:
        self.run("heal")
        eventually(self.whole, 20)

    def whole(self) -> bool:
        """All sessions up, all four paths in use at both ends."""
        return self.established() == 16 and all(self.paths(node, prefix) == 4 for node, prefix in ROUTES)


def brought_up(path: Path, *words: str, timeout_s: float = COMMAND_TIMEOUT_S) -> Lab:
    """The lab of a topology file, which has the lab's name."""
    answer = quadlink("up", *words, str(path), timeout_s=timeout_s)
    assert answer.returncode == 0, answer.stderr
    directory = LabDirectory(path.stem)
    return Lab(directory, load_plan(directory))


def last_events(directory: LabDirectory) -> str:
    """What happened in a lab lately, for people; nothing where there is no lab."""
    if not directory.events.exists():
        return ""
    return "\n".join(map(event_line, [*read_events(directory.events)][-EVENTS_TOLD:]))


@contextlib.contextmanager
def lab_of(path: Path) -> Iterator[Lab]:
    """The same for the time of a block; one that fails is told with the lab's last events."""
    try:
        yield brought_up(path)
    except Exception:
        print(last_events(LabDirectory(path.stem)))
        raise
    finally:
        quadlink("down", "--name", path.stem)


def write_quad(folder: Path, name: str) -> Path:
    """quad.yaml under another name, so that tests and a user's own lab do not meet."""
    path = folder / f"{name}.yaml"
    path.write_text(templates.quad(name))
    return path
