"""What a topology has its nodes run: commands at `up` and services, with the files that they need."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from netns_lab.directory import LabDirectory
from netns_lab.node_commands import CommandFailed, run_commands
from netns_lab.state import load_plan

from tests.lab.harness import processes_of, quadlink
from tests.priorities import niceness
from tests.waiting import eventually

pytestmark = pytest.mark.lab


@pytest.fixture
def name() -> Iterator[str]:
    """The name of a lab that the test may bring up."""
    name = f"s{os.getpid()}"
    yield name
    quadlink("down", "--name", name)


def write(folder: Path, name: str, node: str) -> Path:
    """A topology of two hosts on one link, one of them with more to it."""
    path = folder / f"{name}.yaml"
    path.write_text(f"name: {name}\nnodes:\n  h2: {{}}\n  h1:\n{node}links: [{{endpoints: h1-h2}}]\n")
    return path


def test_exec_runs_in_its_node_with_its_addresses_names_files_and_environment(
    tmp_path: Path, name: str
) -> None:
    node = """\
    env: {GREETING: hello}
    files: {/etc/quadlink-test.conf: "from a file\\n"}
    exec:
    - echo "$GREETING"; cat /etc/quadlink-test.conf; getent ahostsv4 h2 | head -n 1 | cut -d' ' -f1
    - ip -br address show eth1 | cut -c 1-4; ls /sys/class/net | grep eth
"""
    up = quadlink("up", str(write(tmp_path, name, node)))
    assert up.returncode == 0, up.stderr
    directory = LabDirectory(name)
    lines = directory.log("h1.exec").read_text().splitlines()
    said = [line for line in lines if not line.startswith("$ ")]
    assert said == ["hello", "from a file", "169.254.1.1", "eth1", "eth1"]
    seen = quadlink("--name", name, "exec", "h1", "cat", "/etc/quadlink-test.conf")
    assert seen.stdout == "from a file\n"
    assert quadlink("--name", name, "exec", "h2", "ls", "/etc/quadlink-test.conf").returncode == 2
    assert not Path("/etc/quadlink-test.conf").exists()
    slow = replace(load_plan(directory).node("h1"), exec=("echo begun; sleep 60",))
    with pytest.raises(CommandFailed, match=r"^node h1: exec `.*` did not end within 0.2 s:\nbegun$"):
        run_commands(directory, slow, limit_s=0.2)


def test_an_exec_that_fails_fails_up_with_its_last_words(tmp_path: Path, name: str) -> None:
    node = """\
    exec:
    - "true"
    - seq 9; echo lost >&2; exit 3
"""
    up = quadlink("up", str(write(tmp_path, name, node)))
    assert (up.returncode, up.stdout) == (1, "")
    said = [line for line in up.stderr.splitlines() if not line.startswith("up: ")]
    assert said == [
        "quadlink: node h1: exec `seq 9; echo lost >&2; exit 3` ended with exit status 3:",
        *("6", "7", "8", "9", "lost"),
    ]
    assert not LabDirectory(name).path.exists()
    assert processes_of(name) == []


# Started anew it tells its pid; its child shares its session and nothing else.
WEB = """\
    env: {PLACE: here}
    files:
      /srv/quadlink-test/web.sh: |
        #!/bin/sh
        echo "$PLACE $(cat /etc/quadlink-test.conf) $(umask) $(getent hosts h2)"
        env -i sleep 1000 &
        exec sleep 2000
      /etc/quadlink-test.conf: from a file
    services:
    - {name: web, cmd: exec /srv/quadlink-test/web.sh}
"""


def service(name: str) -> dict[str, Any]:
    """The only service of the lab."""
    document = json.loads(quadlink("--name", name, "inspect", "nodes", "--format", "json").stdout)
    (found,) = (service for node in document["nodes"] for service in node["services"])
    return dict(found)


def sleeping(session: int) -> list[str]:
    """How long the sleeps of a session sleep."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_text().split("\0")
            if words[0] == "sleep" and os.getsid(int(folder.name)) == session:
                found.append(words[1])
        except OSError:
            continue
    return sorted(found)


def test_a_service_is_restarted_whole_outlives_its_controller_and_follows_its_topology(
    tmp_path: Path, name: str
) -> None:
    path = write(tmp_path, name, WEB)
    up = quadlink("up", str(path))
    assert up.returncode == 0, up.stderr
    directory = LabDirectory(name)
    first = service(name)
    assert (first["name"], first["state"], first["restarts"]) == ("web", "running", 0)
    eventually(lambda: sleeping(first["pid"]) == ["1000", "2000"])
    assert niceness(first["pid"]) == {0}  # its parent comes first, which is no business of the user's
    assert directory.log("h1.web").read_text() == "here from a file 0022 fd00:169::1     h2\n"
    assert sorted(os.listdir(f"/proc/{first['pid']}/fd")) == ["0", "1", "2"]
    status = Path(f"/proc/{first['pid']}/status").read_text()
    ignored = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigIgn"))
    assert not ignored & 1 << signal.SIGINT - 1

    os.kill(first["pid"], signal.SIGKILL)
    eventually(lambda: service(name)["restarts"] == 1)
    eventually(lambda: service(name)["state"] == "running")
    assert sleeping(first["pid"]) == []
    second = service(name)["pid"]
    kinds = [json.loads(line)["kind"] for line in directory.events.read_text().splitlines()]
    assert [kind for kind in kinds if "service" in kind] == [
        "service-started",
        "service-ended",
        "service-started",
    ]

    restart_controller(name)
    eventually(lambda: service(name) == {**first, "pid": second, "restarts": 1})
    assert sleeping(second) == ["1000", "2000"]
    os.kill(second, signal.SIGTERM)
    eventually(lambda: service(name)["restarts"] == 2 and service(name)["state"] == "running")
    assert sleeping(second) == []
    third = service(name)["pid"]

    path.write_text(path.read_text().replace("exec /srv/quadlink-test/web.sh", "exec sleep 3000"))
    changed = quadlink("up", str(path))
    assert (changed.returncode, changed.stdout) == (0, "node h1 changed: services\n"), changed.stderr
    fourth = service(name)["pid"]
    assert (sleeping(third), sleeping(fourth)) == ([], ["3000"])
    assert quadlink("down", "--name", name).returncode == 0
    assert sleeping(fourth) == []


def restart_controller(name: str) -> None:
    """Kills a lab's controller; the guard starts another."""

    def pid() -> int | None:
        answer = quadlink("--name", name, "inspect", "--format", "json")
        return None if answer.returncode else int(json.loads(answer.stdout)["pids"]["controller"])

    before = pid()
    assert before
    os.kill(before, signal.SIGKILL)
    eventually(lambda: pid() not in (None, before))


def test_a_service_that_does_not_run_is_a_problem_of_the_lab(tmp_path: Path, name: str) -> None:
    node = "    services: [{name: web, cmd: echo no such config >&2; exit 4}]\n"
    up = quadlink("up", "--timeout", "1s", str(write(tmp_path, name, node)))
    assert up.returncode == 1
    problem = (
        "service web of h1 ended with exit status 4 and is restarted with back-off; it said: no such config"
    )
    assert problem in up.stderr
    eventually(lambda: "web restarting" in quadlink("--name", name, "inspect", "nodes").stdout)
    inspected = quadlink("--name", name, "inspect", "nodes")
    assert (inspected.returncode, problem in inspected.stderr) == (1, True)
