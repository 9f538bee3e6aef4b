"""The four-channel lab on real namespaces: sessions, nexthop groups, faults and the commands for them."""

import os
import signal
from functools import partial

import pytest

from tests.lab.harness import ROUTES, Lab
from tests.waiting import eventually

pytestmark = pytest.mark.lab


def test_every_channel_has_an_established_session_a_family_seen_from_both_ends(quad: Lab) -> None:
    sessions = quad.json("inspect", "bgp")["sessions"]
    seen = {(session["node"], session["link"], ":" in session["neighbor"]) for session in sessions}
    assert len(sessions) == len(seen) == 16
    assert all(session["state"] == "established" for session in sessions)


@pytest.mark.parametrize(("node", "prefix"), ROUTES)
def test_a_cut_takes_one_of_four_paths_and_leaves_the_routes_nhid(quad: Lab, node: str, prefix: str) -> None:
    nhid, members = quad.route(node, prefix)
    assert len(members) == 4
    quad.run("fail", "link", "ch2")
    assert quad.carriers("ch2") == [False, False]
    eventually(lambda: quad.paths(node, prefix) == 3)
    assert quad.route(node, prefix)[0] == nhid
    quad.heal()
    assert quad.route(node, prefix)[0] == nhid


def test_a_cut_is_seen_as_loss_of_carrier_inside_both_namespaces(quad: Lab) -> None:
    quad.run("fail", "link", "ch1")
    for node in ("aws", "gcp"):
        eventually(partial(_has_no_carrier, quad, node, "ch1"))


def _has_no_carrier(quad: Lab, node: str, interface: str) -> bool:
    flags = quad.ip(node, "link", "show", interface)[0]["flags"]
    return "NO-CARRIER" in flags and "UP" in flags


def test_a_silent_cut_keeps_carrier_and_is_found_by_the_hold_timer(quad: Lab) -> None:
    quad.run("fail", "link", "ch3", "--mode", "silent")
    assert quad.carriers("ch3") == [True, True]
    assert quad.link("ch3")["state"] == "silent"
    eventually(lambda: all(quad.paths(node, prefix) == 3 for node, prefix in ROUTES), 8)


def test_a_one_way_cut_loses_one_direction_and_ends_the_sessions(quad: Lab) -> None:
    quad.run("fail", "link", "ch4", "--mode", "one-way", "--from", "gcp")
    assert quad.link("ch4")["faults"] == [{"mode": "one-way", "from": "gcp", "id": "link ch4 one-way"}]
    eventually(lambda: all(quad.paths(node, prefix) == 3 for node, prefix in ROUTES), 10)
    assert quad.link("ch4")["drops"]["fault"] > 0


def test_an_interface_taken_down_in_its_namespace_cuts_the_far_end(quad: Lab) -> None:
    quad.ip("aws", "link", "set", "ch1", "down")
    eventually(lambda: quad.carriers("ch1") == [True, False])
    eventually(lambda: quad.paths("gcp", "10.1.0.0/16") == 3)
    eventually(lambda: quad.paths("aws", "10.2.0.0/16") == 3)
    quad.ip("aws", "link", "set", "ch1", "up")
    eventually(lambda: quad.carriers("ch1") == [True, True])


def test_the_last_channel_lost_takes_the_route_and_healing_brings_it_back(quad: Lab) -> None:
    for channel in ("ch1", "ch2", "ch3", "ch4"):
        quad.run("fail", "link", channel)
    eventually(lambda: quad.route("aws", "10.2.0.0/16") == (0, []))
    quad.heal()


def test_routes_that_somebody_else_removed_are_reported_and_put_back_by_the_next_change(quad: Lab) -> None:
    assert quad.run("exec", "aws", "--", "ip", "nexthop", "flush").returncode == 0
    answer = quad.run("inspect", "routes")
    assert answer.returncode == 1
    assert "aws: the kernel's route to 10.2.0.0/16 is not what BGP chose" in answer.stderr
    quad.run("fail", "link", "ch1")
    eventually(lambda: quad.paths("aws", "10.2.0.0/16") == 3)
    assert quad.run("inspect", "routes").returncode == 0


def test_a_fault_with_a_time_heals_by_itself(quad: Lab) -> None:
    quad.run("fail", "link", "ch1", "--for", "100ms")
    eventually(lambda: quad.link("ch1")["state"] == "up")
    assert quad.link("ch1")["faults"] == []


def test_hosts_reach_each_other_by_name_in_both_families(quad: Lab) -> None:
    script = (
        "import socket,sys\n"
        "for family in (socket.AF_INET, socket.AF_INET6):\n"
        "    address = socket.getaddrinfo('gcp-h1', 7, family, socket.SOCK_DGRAM)[0][4]\n"
        "    probe = socket.socket(family, socket.SOCK_DGRAM)\n"
        "    probe.connect(address)\n"
        "    probe.send(b'x')\n"
        "    print(probe.getpeername()[0])\n"
    )
    answer = quad.run("exec", "aws-h1", "--", "python3", "-c", script)
    assert answer.stdout.split() == ["10.2.0.2", "fd02::2"]


def test_exec_returns_the_commands_own_code_and_125_when_it_could_not_start(quad: Lab) -> None:
    assert quad.run("exec", "aws", "--", "sh", "-c", "exit 7").returncode == 7
    missing = quad.run("exec", "aws", "--", "no-such-command")
    assert (missing.returncode, missing.stderr) == (
        125,
        "quadlink: no command no-such-command on this machine\n",
    )
    assert quad.run("exec", "nowhere", "--", "true").returncode == 125


def test_inspect_links_has_the_documented_shape(quad: Lab) -> None:
    document = quad.json("inspect", "links")
    assert document["lab"] == quad.name
    assert set(document["pids"]) == {"engine", "guard", "controller", "exabgp"}
    assert set(document["pids"]["exabgp"]) == {"aws", "gcp"}
    link = document["links"][0]
    assert set(link) >= {
        "name",
        "type",
        "endpoints",
        "state",
        "faults",
        "macsec",
        "tx_frames",
        "rx_frames",
        "drops",
    }
    assert set(link["macsec"]) >= {"cipher", "an", "next_pn", "counters"}
    assert link["macsec"]["counters"]["InPktsOK"] > 0
    assert document["links"][-1]["macsec"] is None


@pytest.mark.parametrize("topic", ["nodes", "links", "macsec", "bgp", "routes", "events"])
def test_every_topic_is_a_table_for_people(quad: Lab, topic: str) -> None:
    answer = quad.run("inspect", topic)
    assert answer.returncode == 0
    assert answer.stderr == ""
    assert len(answer.stdout.splitlines()) > 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("fail", "link", "ch9"), "no link ch9, nearest is 'ch4'"),
        (("fail", "link", "ch1", "--mode", "loud"), "found mode 'loud', expected carrier, silent, one-way"),
        (
            ("fail", "link", "ch1", "--mode", "one-way", "--from", "mars"),
            "no end at mars; it joins aws and gcp",
        ),
        (("fail", "link", "ch1", "--from", "aws"), "--from goes with --mode one-way"),
        (("fail", "link", "ch1", "--for", "3"), "found '3', expected a duration such as 3s"),
        (("heal", "link", "ch9"), "no link ch9"),
        (("heal", "router", "aws"), "expected nothing, or `link NAME`"),
        (
            ("inspect", "weather"),
            "found 'weather', expected nodes, links, macsec, bgp, routes, faults or events",
        ),
    ],
)
def test_a_wrong_word_is_one_sentence_and_exit_2(quad: Lab, words: tuple[str, ...], sentence: str) -> None:
    answer = quad.run(*words)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert sentence in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert quad.link("ch1")["state"] == "up"


def test_a_second_fault_on_a_failed_link_is_refused(quad: Lab) -> None:
    quad.run("fail", "link", "ch1")
    answer = quad.run("fail", "link", "ch1", "--mode", "silent")
    assert answer.returncode == 2
    assert "already failed (carrier); heal it first" in answer.stderr


def test_a_killed_exabgp_is_reported_its_routes_go_and_it_comes_back(quad: Lab) -> None:
    before = quad.json("inspect", "nodes")["nodes"][0]
    os.kill(before["exabgp_pid"], signal.SIGKILL)
    eventually(lambda: quad.route("gcp", "10.1.0.0/16") == (0, []))
    eventually(lambda: quad.run("inspect", "nodes").returncode == 1 or _restarted(quad, before))
    eventually(lambda: _restarted(quad, before), 20)
    eventually(quad.whole, 20)


def _restarted(quad: Lab, before: dict[str, int]) -> bool:
    answer = quad.run("inspect", "nodes", "--format", "json")
    if answer.returncode != 0:
        assert "ExaBGP of aws does not run" in answer.stderr
        return False
    node = quad.json("inspect", "nodes")["nodes"][0]
    return bool(node["restarts"] == before["restarts"] + 1 and node["exabgp_pid"] != before["exabgp_pid"])


def test_a_wrong_md5_key_is_what_keeps_a_stranger_out(quad: Lab) -> None:
    """The kernel counts segments without the key; that it does shows that the sessions' own carry it."""
    script = (
        "import socket\n"
        "s = socket.socket()\n"
        "s.settimeout(0.5)\n"
        "s.bind(('169.254.1.0', 0))\n"
        "try:\n"
        "    s.connect(('169.254.1.1', 179))\n"
        "    print('connected')\n"
        "except OSError as error:\n"
        "    print('refused')\n"
    )
    assert quad.run("exec", "aws", "--", "python3", "-c", script).stdout == "refused\n"
    netstat = quad.run("exec", "gcp", "--", "cat", "/proc/net/netstat").stdout.splitlines()
    names, values = (line.split() for line in netstat if line.startswith("TcpExt"))
    counted = dict(zip(names, values, strict=True))
    assert int(counted["TCPMD5NotFound"]) > 0
