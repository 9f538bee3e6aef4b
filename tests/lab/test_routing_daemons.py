"""Routers that run BIRD and FRR beside one that runs ExaBGP: one topology, the same commands."""

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from netns_lab.debian_packages import PackagesUnavailable, fetch_program
from netns_lab.routing_daemons.vty import vty

from tests.lab.harness import Lab, lab_of
from tests.waiting import eventually

# The first run fetches the daemons.
pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

# BIRD has two channels to each of the others, which have one, and a router in its AS behind it.
TOPOLOGY = """
name: NAME
defaults: {node: {bgp: {hold_time: 3s}}}
nodes:
  exa: {bgp: {asn: 64512, announce: [10.1.0.0/16, "fd01::/48"]}}
  bird:
    bgp:
      daemon: bird
      asn: 64513
      announce: [10.2.0.0/16, "fd02::/48"]
      neighbors:
        frr: {export: [{prefixes: [10.2.0.0/16], add_communities: ["64513:7"]}]}
        core: {next_hop_self: true, route_reflector_client: true}
  core: {bgp: {asn: 64513}}
  frr:
    bgp:
      daemon: frr
      asn: 64514
      announce: [10.3.0.0/16, "fd03::/48"]
      neighbors: {bird: {import: [{communities: ["64513:7"], local_preference: 300}]}}
  left: {}
  right: {}
links:
  - {name: a1, endpoints: ["exa:a1", "bird:a1"]}
  - {name: a2, endpoints: ["exa:a2", "bird:a2"]}
  - {name: b1, endpoints: ["bird:b1", "frr:b1"]}
  - {name: b2, endpoints: ["bird:b2", "frr:b2"]}
  - {name: c, endpoints: ["exa:c", "frr:c"]}
  - {name: i, endpoints: ["bird:i", "core:i"]}
  - {name: l, type: plain, endpoints: left-exa}
  - {name: r, type: plain, endpoints: right-frr}
"""
SESSIONS = 2 * 2 * 6
"""Both ends of two families on six links."""
BFD_ENDS = SESSIONS - 2
"""Inside its AS the routes of BIRD go by BFD, not its sessions."""


@pytest.fixture(scope="module")
def row(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The lab, ready."""
    try:
        for program, package in (("sbin/bird", "bird2"), ("lib/frr/bgpd", "frr")):
            fetch_program(program, package)
    except PackagesUnavailable as missing:
        pytest.skip(f"needs Debian's packages: {missing}")
    path = tmp_path_factory.mktemp("topologies") / f"d{os.getpid()}.yaml"
    path.write_text(TOPOLOGY.replace("NAME", path.stem))
    with lab_of(path) as lab:
        yield lab


def _frr(lab: Lab, daemon: str) -> Path:
    return lab.directory.path / "frr.frr" / f"{daemon}.vty"


def _paths(lab: Lab) -> dict[str, dict[str, int]]:
    """How many next hops each learned route has, by node."""
    found: dict[str, dict[str, int]] = {"exa": {}, "bird": {}, "frr": {}, "core": {}}
    for route in lab.ask("routes")["routes"]:
        if not route["prefix"].endswith(("/32", "/128")):  # the way to a loopback inside an AS
            found[route["node"]][route["prefix"]] = len(route["next_hops"])
    return found


def _whole(lab: Lab) -> bool:
    """Every router has all paths to each prefix of the others; all sessions are up."""
    paths = {
        "exa": {2: 2, 3: 1},
        "bird": {1: 2, 3: 2},
        "frr": {1: 1, 2: 2},
        "core": {1: 1, 2: 1, 3: 1},
    }
    wanted = {
        node: {
            prefix: count
            for digit, count in counts.items()
            for prefix in (f"10.{digit}.0.0/16", f"fd0{digit}::/48")
        }
        for node, counts in paths.items()
    }
    states = [session["state"] for session in lab.ask("bgp")["sessions"]]
    return _paths(lab) == wanted and states == ["established"] * SESSIONS


def _answered(lab: Lab) -> bool:
    return lab.run("ping-all").returncode == 0


def test_sessions_routes_and_traffic_are_whole_with_every_daemon(row: Lab) -> None:
    eventually(partial(_whole, row))
    assert _answered(row)
    unreachable = row.ip("bird", "route", "show", "10.2.0.0/16") + row.ip(
        "frr", "route", "show", "10.3.0.0/16"
    )
    assert [route["type"] for route in unreachable] == ["unreachable", "unreachable"]


def test_policy_of_the_topology_is_carried_out_by_both(row: Lab) -> None:
    said = vty(_frr(row, "bgpd"), "show bgp ipv4 unicast 10.2.0.0/16")
    assert "64513:7" in said
    assert "localpref 300" in said


def test_a_cut_leaves_one_path_and_all_is_whole_again_when_it_heals(row: Lab) -> None:
    for link in ("a1", "b1"):
        row.run("fail", "link", link)
    eventually(lambda: set(_paths(row)["bird"].values()) == {1} == set(_paths(row)["frr"].values()))
    assert _answered(row)
    row.run("heal")
    eventually(partial(_whole, row), 30)


def test_bird_and_frr_are_drained_by_the_other_end_and_not_without_it(row: Lab) -> None:
    for link, node in (("a1", "bird"), ("c", "frr")):
        assert row.run("fail", "link", link, "--mode", "maintenance").returncode == 0
        hops = [route["next_hops"] for route in row.ask("routes")["routes"] if route["node"] == node]
        assert hops
        assert link not in {hop["interface"] for members in hops for hop in members}
        row.run("heal")
    eventually(partial(_whole, row), 30)
    refused = row.run("fail", "link", "b1", "--mode", "maintenance")
    assert (refused.returncode, refused.stderr) == (
        2,
        "quadlink: b1: no end of b1 runs ExaBGP, which drains it\n",
    )


def test_a_silent_cut_is_found_by_bfd_at_both_ends(row: Lab) -> None:
    eventually(lambda: _bfd(row) == ["up"] * BFD_ENDS)
    for link in ("a2", "b2"):
        row.run("fail", "link", link, "--mode", "silent")
    eventually(lambda: {count for paths in _paths(row).values() for count in paths.values()} == {1}, 20)
    told = _told(row, "session-down")
    for node, link, reason in (("exa", "a2", "a2: BFD"), ("bird", "a2", "BFD"), ("bird", "b2", "BFD")):
        assert any(
            text.startswith(f"{node}'s") and f"over {link} " in text and reason in text for text in told
        )
    row.run("heal")
    eventually(partial(_whole, row), 30)


def _bfd(lab: Lab) -> list[str]:
    """The state of BFD at both ends of every channel."""
    return [bfd["state"] for session in lab.ask("bgp")["sessions"] for bfd in session["bfd"]]


def test_bfd_that_frr_ends_administratively_takes_no_path_away(row: Lab) -> None:
    eventually(lambda: set(_bfd(row)) == {"up"})
    profile = ("configure terminal", "bfd", "profile c")
    vty(_frr(row, "bfdd"), *profile, "shutdown")
    try:
        eventually(
            lambda: any("exa:c " in text and "signaled down" in text for text in _told(row, "bfd-down"))
        )
        assert _whole(row)
    finally:
        vty(_frr(row, "bfdd"), *profile, "no shutdown")


def _told(lab: Lab, kind: str) -> list[str]:
    """What the events of a kind say."""
    return [event["text"] for event in lab.json("events")["events"] if event["kind"] == kind]


def _pids(lab: Lab) -> dict[str, int]:
    pids = lab.ask("nodes")["pids"]
    return {**pids["bird"]["bird"], **pids["frr"]["frr"]}


def test_daemons_outlive_the_controller_and_come_back_when_they_are_killed(row: Lab) -> None:
    before = _pids(row)
    controller = row.ask("nodes")["pids"]["controller"]
    os.kill(controller, signal.SIGKILL)
    eventually(lambda: row.run("inspect", "nodes").returncode == 0, 20)
    eventually(partial(_whole, row))
    assert _pids(row) == before
    for process in ("bird", "zebra"):
        os.kill(before[process], signal.SIGKILL)
    eventually(
        lambda: (
            row.run("inspect", "nodes").returncode == 0
            and not set(_pids(row).values()) & set(before.values())
        ),
        30,
    )
    eventually(partial(_whole, row), 30)
    assert _answered(row)
