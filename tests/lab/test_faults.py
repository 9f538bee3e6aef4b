"""Faults of a running lab: what each does, that it is told and undone, also by the next controller."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dataplane.client import EngineClient
from tests.lab.harness import QUADLINK, Lab, brought_up, processes_of, quadlink
from tests.lab.probing import probes
from tests.waiting import eventually

pytestmark = pytest.mark.lab

SQUARE = """
name: {name}
nodes:
  west:
    bgp:
      asn: 64512
      announce: [10.1.0.0/16, "fd01::/48"]
      bfd: false
      hold_time: 10s
      neighbors: {{north: {{maximum_prefixes: 100}}}}
  north:
    groups: [site]
    bgp: {{asn: 64513, bfd: false, hold_time: 10s}}
    services: [{{name: sleeper, cmd: sleep 1000}}]
  south: {{bgp: {{asn: 64514, bfd: false, hold_time: 10s}}}}
  east: {{bgp: {{asn: 64515, announce: [10.2.0.0/16, "fd02::/48"], bfd: false, hold_time: 10s}}}}
  hw: {{}}
  he: {{}}
links:
  - {{endpoints: west-north}}
  - {{endpoints: west-south, groups: [site]}}
  - {{endpoints: north-east}}
  - {{endpoints: south-east}}
  - {{endpoints: west-hw, type: plain}}
  - {{endpoints: east-he, type: plain}}
"""
# A busy machine must lose no session by itself: where one path is left, its packets would be lost too.
WAIT_S = 20


@pytest.fixture(scope="module")
def shared_square(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two ways between west and east, by routers of their own."""
    path: Path = tmp_path_factory.mktemp("topologies") / f"f{os.getpid()}.yaml"
    path.write_text(SQUARE.format(name=path.stem))
    try:
        lab = brought_up(path)
        yield lab
        for words in (("node", "north"), ("link", "south-east", "--mode", "flap"), ("controller",)):
            assert lab.run("fail", *words).returncode == 0
    finally:
        down = quadlink("down", "--name", path.stem)
        assert (down.returncode, processes_of(path.stem)) == (0, [])


@pytest.fixture
def square(shared_square: Lab) -> Iterator[Lab]:
    """The square, whole before and after the test."""
    eventually(lambda: whole(shared_square), WAIT_S)
    yield shared_square
    shared_square.run("heal")


def whole(lab: Lab) -> bool:
    return lab.established() == 16 and lab.paths("west", "10.2.0.0/16") == 2


def inspected(lab: Lab, topic: str) -> Any:  # noqa: ANN401 - what `inspect` prints
    """`inspect` exits 1 while a service of a node that came back has only just been started."""
    return json.loads(lab.run("inspect", topic, "--format", "json").stdout)[topic]


def faults(lab: Lab) -> dict[str, dict[str, Any]]:
    return {fault["id"]: fault for fault in inspected(lab, "faults")}


def states(lab: Lab) -> dict[str, str]:
    return {link["name"]: link["state"] for link in inspected(lab, "links")}


def node(lab: Lab, name: str) -> dict[str, Any]:
    return next(node for node in lab.json("inspect", "nodes")["nodes"] if node["name"] == name)


def forwarding(lab: Lab, name: str) -> list[str]:
    command = ["exec", name, "--", "cat", "/proc/sys/net/ipv4/ip_forward"]
    command += ["/proc/sys/net/ipv6/conf/all/forwarding", "/proc/sys/net/ipv6/conf/eth1/forwarding"]
    return lab.run(*command).stdout.split()


def controller_of(lab: Lab) -> int | None:
    """The controller's process; None while none answers."""
    answer = lab.run("inspect", "links", "--format", "json")
    found: int | None = json.loads(answer.stdout)["pids"]["controller"] if answer.stdout else None
    return found


def kill_controller(lab: Lab) -> None:
    controller = controller_of(lab)
    assert controller is not None
    os.kill(controller, signal.SIGKILL)
    eventually(lambda: controller_of(lab) not in (controller, None), WAIT_S)


def test_what_is_dead_runs_nothing_until_the_last_fault_is_healed_by_whatever_controller(square: Lab) -> None:
    before = node(square, "north")
    square.run("fail", "link", "west-north", "--mode", "silent")
    square.run("fail", "group", "site")
    answer = square.json("fail", "node", "north")
    assert (answer["kind"], answer["mode"], answer["id"]) == ("node", "dead", "node north dead")
    assert square.run("fail", "node", "north", "--mode", "frozen").returncode == 2
    for again in (False, True):
        if again:
            kill_controller(square)
        found = node(square, "north")
        assert (found["bgp"], found["exabgp_pid"], found["services"]) == ("dead", None, [])
        assert forwarding(square, "north") == ["0", "0", "0"]
        cut = [link for link, state in states(square).items() if state == "cut"]
        assert cut == ["west-north", "west-south", "north-east"]
        assert set(faults(square)) == {"link west-north silent", "group site carrier", "node north dead"}
    assert square.json("heal", "group", "site") == {"healed": ["group site"]}
    assert states(square)["west-south"] == "up"
    assert node(square, "north")["bgp"] == "dead"
    assert square.json("heal", "node", "north") == {"healed": ["node north"]}
    assert states(square)["west-north"] == "silent"
    assert forwarding(square, "north") == ["1", "1", "1"]
    square.run("heal")
    eventually(lambda: whole(square), WAIT_S)
    eventually(lambda: node(square, "north")["services"][0]["state"] == "running")
    assert node(square, "north")["exabgp_pid"] != before["exabgp_pid"]


@pytest.mark.long
def test_what_ends_in_time_while_the_controller_is_stopped_is_undone_once_it_goes_on(square: Lab) -> None:
    controller = square.json("inspect", "links")["pids"]["controller"]
    engine = EngineClient(square.directory.engine_socket)
    square.run("fail", "group", "site", "--for", "5s")
    os.kill(controller, signal.SIGSTOP)
    try:
        assert [state.name for state in engine.links() if state.state == "cut"]
        eventually(lambda: not any(state.faults for state in engine.links()), WAIT_S)
    finally:
        os.kill(controller, signal.SIGCONT)
        engine.close()
    eventually(lambda: faults(square) == {})
    eventually(lambda: square.run("inspect", "nodes").returncode == 0, WAIT_S)  # services have come back
    eventually(lambda: whole(square), WAIT_S)


@pytest.mark.long
def test_a_frozen_node_keeps_its_carriers_and_is_told_nothing(square: Lab) -> None:
    exabgp = node(square, "north")["exabgp_pid"]
    square.run("fail", "node", "north", "--mode", "frozen")
    assert states(square)["west-north"] == states(square)["north-east"] == "silent"
    assert square.carriers("west-north") == [True, True]
    assert node(square, "north")["exabgp_pid"] == exabgp
    eventually(lambda: square.paths("west", "10.2.0.0/16") == 1, WAIT_S)


def test_faults_of_a_router_are_undone_and_leave_the_others(square: Lab) -> None:
    exabgp = node(square, "south")["exabgp_pid"]
    square.run("fail", "bgp", "south", "--mode", "speaker-killed", "--for", "60s")
    square.run("fail", "bgp", "north", "--mode", "flood", "--count", "50")
    square.run("fail", "bgp", "north", "--mode", "leak")
    answer = square.run("fail", "bgp", "north", "--mode", "leak")
    assert (answer.returncode, "already failed (leak)" in answer.stderr) == (2, True)
    eventually(lambda: square.paths("west", "198.18.0.49/32") == 1)
    assert set(faults(square)) == {"bgp south speaker-killed", "bgp north flood", "bgp north leak"}
    eventually(lambda: node(square, "south")["bgp"] == "dead")
    kill_controller(square)
    eventually(lambda: node(square, "south")["bgp"] == "dead")
    eventually(lambda: node(square, "north")["announces"] == 50)
    assert square.json("heal", "bgp", "north") == {"healed": ["bgp north"]}
    eventually(lambda: square.paths("west", "198.18.0.49/32") == 0)
    square.json("heal")
    eventually(lambda: node(square, "south")["exabgp_pid"] not in (exabgp, None))


def test_a_session_that_brought_too_much_is_kept_down_by_the_next_controller_too(square: Lab) -> None:
    def limited() -> list[tuple[str, ...]]:
        """The sessions of west with north."""
        sessions = square.json("inspect", "bgp")["sessions"]
        ours = [session for session in sessions if (session["node"], session["peer"]) == ("west", "north")]
        return [(session["state"], session["reason"], session["warning"]) for session in ours]

    configuration = square.directory.path / "west.exabgp.conf"
    all_of_them = configuration.read_text()
    square.run("fail", "bgp", "north", "--mode", "flood", "--count", "200")
    eventually(lambda: configuration.read_text() != all_of_them)
    without = configuration.read_text()
    square.run("heal", "bgp", "north")
    before = limited()
    assert [state for state, _, _ in before] == ["down", "established"]
    assert "until it is reset" in before[0][2]
    kill_controller(square)
    assert (limited(), configuration.read_text()) == (before, without)
    square.run("fail", "bgp", "west:north")
    eventually(lambda: [state for state, _, _ in limited()] == ["established"] * 2, WAIT_S)
    assert configuration.read_text() == all_of_them


@pytest.mark.long
def test_a_reset_session_is_kept_down_or_comes_back_by_itself(square: Lab) -> None:
    square.run("fail", "bgp", "north:west", "--for", "60s")
    eventually(lambda: square.paths("west", "10.2.0.0/16") == 1)
    square.run("heal")
    eventually(lambda: whole(square), WAIT_S)
    square.run("fail", "bgp", "north:west")
    eventually(lambda: faults(square) == {}, WAIT_S)
    assert whole(square)


def test_a_stalled_controller_goes_on_in_time_or_when_healed_and_a_killed_one_is_replaced(
    square: Lab,
) -> None:
    controller = square.json("inspect", "links")["pids"]["controller"]
    t_ns = square.json("fail", "controller", "--for", "300ms")["t_ns"]
    assert faults(square) == {}  # asked while it is stopped, answered once it goes on
    assert time.monotonic_ns() - t_ns > 300_000_000
    square.run("fail", "controller")
    eventually(lambda: Path(f"/proc/{controller}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    assert square.json("heal") == {"healed": ["controller"]}
    assert square.json("inspect", "links")["pids"]["controller"] == controller
    square.run("fail", "controller", "--mode", "killed")
    eventually(lambda: controller_of(square) not in (controller, None), WAIT_S)
    eventually(lambda: faults(square) == {})


def test_maintenance_loses_nothing_also_where_the_controller_ends_in_the_middle(square: Lab) -> None:
    with probes(square.plan) as running:
        cut = square.json("fail", "node", "north", "--mode", "maintenance")
        assert cut["id"] == "node north maintenance"
        assert states(square)["west-north"] == states(square)["north-east"] == "cut"
        assert square.paths("west", "10.2.0.0/16") == 1
        refused = square.run("fail", "node", "south", "--mode", "maintenance")
        assert (refused.returncode, "no other way to" in refused.stderr) == (2, True)
        words = [str(QUADLINK), "--name", square.name, "fail", "link", "west-hw", "--mode", "maintenance"]
        draining = subprocess.Popen(words, stderr=subprocess.DEVNULL)  # in vain: hw has no other link
        eventually(lambda: "link west-hw maintenance" in faults(square))
        kill_controller(square)
        assert draining.wait(10) == 2
        eventually(lambda: set(faults(square)) == {"node north maintenance"})
        assert states(square)["west-hw"] == "up"
        square.run("heal")
        assert faults(square) == {}
        eventually(lambda: whole(square), WAIT_S)
    assert running.lost == 0


def test_an_attacker_on_a_macsec_wire_is_refused_for_the_right_reason(square: Lab) -> None:
    def refused(id: str) -> dict[str, int]:
        found: dict[str, int] = faults(square)[id]["attack"]["refused"]
        return found

    with probes(square.plan):  # frames to make others of
        square.run("fail", "link", "west-north", "--mode", "replay", "--rate", "1000")
        square.run("fail", "link", "south-east", "--mode", "inject", "--rate", "1000", "--from", "south")
        eventually(lambda: refused("link west-north replay").get("InPktsLate", 0) > 200, WAIT_S)
        eventually(lambda: refused("link south-east inject").get("InPktsNotValid", 0) > 200, WAIT_S)
        assert set(refused("link west-north replay")) == {"InPktsLate"}
        assert set(refused("link south-east inject")) == {"InPktsNotValid"}
        square.run("heal")
        assert faults(square) == {}
