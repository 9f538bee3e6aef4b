"""Labs come and go whole: nothing is left behind, nothing foreign is touched, mistakes are one sentence."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from netns_lab import templates
from netns_lab.directory import LabDirectory

from tests.lab.harness import QUADLINK, Lab, processes_of, quadlink, write_quad
from tests.waiting import eventually

pytestmark = pytest.mark.lab


@pytest.fixture
def name() -> Iterator[str]:
    """The name of a lab that the test may bring up."""
    name = f"l{os.getpid()}"
    yield name
    quadlink("down", "--name", name)


def left_of(name: str) -> list[str]:
    """Whatever a lab of that name has left on the machine."""
    namespaces = [entry.name for entry in Path("/run/netns").glob(f"{name}-*")]
    processes = [f"process {pid}" for pid in processes_of(name)]
    directory = LabDirectory(name).path
    return namespaces + processes + ([str(directory)] if directory.exists() else [])


def test_down_leaves_nothing_of_the_lab(tmp_path: Path, name: str) -> None:
    write_quad(tmp_path, name)
    answer = quadlink("deploy", str(tmp_path), "--format", "json")
    document = json.loads(answer.stdout)
    assert (answer.returncode, document["lab"], document["ready"], document["missing"]) == (0, name, True, [])
    assert [link["state"] for link in document["links"]] == ["up"] * 8
    assert len(left_of(name)) > 6
    assert quadlink("destroy", "--name", name).returncode == 0
    assert left_of(name) == []


def test_a_lab_that_does_not_become_ready_is_code_1_and_what_is_missing(tmp_path: Path, name: str) -> None:
    path = tmp_path / "pair.yaml"
    path.write_text(templates.pair(name).replace('"r2:eth1"]', '"r2:eth1"], impair: {loss: 100%}', 1))
    answer = quadlink("up", str(path), "--timeout", "10ms")
    assert answer.returncode == 1
    assert f"lab {name} is up, but after 10ms it lacks:" in answer.stderr
    assert "  r2: no session with r1 over ch1 (fd00:169::)" in answer.stderr.splitlines()
    assert "ch1" in answer.stdout
    assert quadlink("--name", name, "exec", "h1", "--", "true").returncode == 0


def test_two_labs_of_the_same_topology_live_side_by_side(tmp_path: Path, name: str, quad: Lab) -> None:
    answer = quadlink("up", str(write_quad(tmp_path, name)))
    assert answer.returncode == 0
    assert [line.split()[0] for line in answer.stdout.splitlines()][:3] == ["link", "ch1", "ch2"]
    assert answer.stderr.splitlines()[-1] == f"lab {name} is up; try `quadlink ping-all`"
    quadlink("--name", name, "fail", "link", "ch1")
    assert quad.link("ch1")["state"] == "up"
    ambiguous = quadlink("inspect")
    assert ambiguous.returncode == 2
    assert "several labs run" in ambiguous.stderr
    quadlink("down", "--name", name)
    assert left_of(name) == []
    assert quad.whole()


def test_a_foreign_namespace_of_a_wanted_name_is_refused_and_kept(tmp_path: Path, name: str) -> None:
    foreign = f"{name}-gcp"
    subprocess.run(["ip", "netns", "add", foreign], check=True)
    try:
        answer = quadlink("up", str(write_quad(tmp_path, name)))
        assert answer.returncode == 2
        assert f"namespace {foreign} exists already" in answer.stderr
        assert left_of(name) == [foreign]
    finally:
        subprocess.run(["ip", "netns", "delete", foreign], check=True)


def test_more_interrupts_do_not_stop_the_taking_down(tmp_path: Path, name: str) -> None:
    up = subprocess.Popen(
        [str(QUADLINK), "up", str(write_quad(tmp_path, name))], stderr=subprocess.PIPE, text=True
    )
    assert up.stderr is not None
    for line in up.stderr:
        if "controller" in line:
            break
    while up.poll() is None:
        up.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            up.wait(timeout=0.05)
    up.stderr.close()
    assert up.returncode in (128 + signal.SIGINT, -signal.SIGINT)
    assert left_of(name) == []


def test_a_dead_engine_takes_every_carrier_and_inspect_says_so(tmp_path: Path, name: str) -> None:
    quadlink("up", str(write_quad(tmp_path, name)))
    pids = json.loads(quadlink("--name", name, "inspect", "--format", "json").stdout)["pids"]
    os.kill(pids["engine"], signal.SIGKILL)
    eventually(lambda: quadlink("--name", name, "inspect", "links").returncode == 1)
    answer = quadlink("--name", name, "inspect", "links")
    assert "the engine ended: no link carries traffic" in answer.stderr


def test_commands_without_a_lab_say_how_to_get_one() -> None:
    answer = quadlink("--name", "nowhere", "inspect")
    assert answer.returncode == 2
    assert "no lab named nowhere is up" in answer.stderr


@pytest.mark.parametrize("capability", ["net_admin", "sys_admin"])
def test_a_root_without_a_capability_is_told_which(tmp_path: Path, name: str, capability: str) -> None:
    without = ["setpriv", f"--inh-caps=-{capability}", f"--bounding-set=-{capability}"]
    command = [*without, str(QUADLINK), "up", str(write_quad(tmp_path, name))]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"quadlink: this root lacks CAP_{capability.upper()};")
    assert len(answer.stderr.splitlines()) == 1
    assert left_of(name) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("gcp:ch2", "mars:ch2"), ":12: links[1].endpoints[1]"),
        (("type: plain", "type: plane"), ":15: links[4].type"),
        (("asn: 64512", "asn: many"), ":4: nodes.aws.bgp.asn"),
    ],
)
def test_a_wrong_topology_is_refused_with_file_line_and_field(
    tmp_path: Path, name: str, change: tuple[str, str], problem: str
) -> None:
    path = write_quad(tmp_path, name)
    path.write_text(path.read_text().replace(*change, 1))
    for command in ("validate", "up"):
        answer = quadlink(command, str(path))
        assert (answer.returncode, answer.stdout) == (2, "")
        assert answer.stderr.startswith(f"{path}{problem}")
    assert left_of(name) == []
