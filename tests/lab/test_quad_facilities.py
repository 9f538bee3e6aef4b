"""Two clouds, a route reflector and four edges each: sessions inside and between ASes, routes, traffic."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from netns_lab import templates

from tests.lab.harness import Lab, lab_of, quadlink
from tests.waiting import eventually

pytestmark = pytest.mark.lab

CHANNELS = ("ch1", "ch2", "ch3", "ch4")
ROUTES = (("aws-vpc", "10.2.0.0/16"), ("aws-vpc", "fd02::/48"), ("gcp-vpc", "10.1.0.0/16"))


def write_topology(folder: Path, name: str, old: str = "", new: str = "") -> Path:
    """quad-facilities.yaml under another name, perhaps with a text replaced by another."""
    path = folder / f"{name}.yaml"
    text = templates.quad_facilities(name)
    assert old in text
    path.write_text(text.replace(old, new) if old else text)
    return path


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab_of(write_topology(tmp_path_factory.mktemp("topologies"), f"qf{os.getpid()}")) as lab:
        yield lab


def test_edges_speak_to_their_reflector_over_loopbacks_and_to_each_other_over_channels(lab: Lab) -> None:
    sessions = lab.json("inspect", "bgp")["sessions"]
    assert len(sessions) == 48
    assert {session["state"] for session in sessions} == {"established"}
    inside = [session for session in sessions if session["type"] == "internal"]
    assert len(inside) == 32
    assert all(session["neighbor"].startswith(("10.255.0.", "fd00:255::")) for session in inside)
    assert {bfd["state"] for session in sessions for bfd in session["bfd"]} == {"up"}
    assert all(len(session["bfd"]) == 1 for session in sessions)
    clients = [s for s in sessions if s["policy"]["route_reflector_client"]]
    assert {session["node"] for session in clients} == {"aws-vpc", "gcp-vpc"}
    # An edge hears of the other cloud from its reflector, too, but for the one whose own path it reflects.
    reflected = [s["prefixes"] for s in inside if s["node"].startswith("aws-e")]
    assert sorted(reflected) == [1, 1, 2, 2, 2, 2, 2, 2]


def sent(lab: Lab) -> list[int]:
    """Frames, by channel and direction."""
    return [way["tx_frames"] for name in CHANNELS for way in lab.link(name)["directions"]]


def test_traffic_of_every_host_takes_all_four_channels_both_ways(lab: Lab) -> None:
    assert all(lab.paths(node, prefix) == 4 for node, prefix in ROUTES)
    routes = [route for route in lab.json("inspect", "routes")["routes"] if route["node"] == "aws-vpc"]
    assert [route["prefix"] for route in routes if not route["interior"]] == ["10.2.0.0/16", "fd02::/48"]
    before = sent(lab)
    assert lab.run("ping-all").returncode == 0
    assert lab.run("probe", "aws-h1", "gcp-h1", "--flows", "64", "--for", "1s").returncode == 0
    carried = [new - old for new, old in zip(sent(lab), before, strict=True)]
    assert min(carried) > 100


def test_a_lost_channel_leaves_three_paths_through_the_reflector_and_comes_back(lab: Lab) -> None:
    lab.run("fail", "link", "ch1")
    eventually(lambda: all(lab.paths(node, prefix) == 3 for node, prefix in ROUTES))
    # What still comes to the edge without a channel has a way on, through another edge of its cloud.
    assert lab.paths("aws-e1", "10.2.0.0/16") == 1
    lab.run("heal")
    eventually(lambda: all(lab.paths(node, prefix) == 4 for node, prefix in ROUTES), 20)


def test_a_lost_link_inside_a_cloud_takes_its_edge_out(lab: Lab) -> None:
    lab.run("fail", "link", "aws-in2")
    eventually(lambda: all(lab.paths(node, prefix) == 3 for node, prefix in ROUTES))
    eventually(lambda: lab.route("aws-e2", "10.1.0.0/16") == (0, []))
    lab.run("heal")
    eventually(lambda: all(lab.paths(node, prefix) == 4 for node, prefix in ROUTES), 20)


def test_changed_policy_moves_traffic_and_ends_no_session(lab: Lab, tmp_path: Path) -> None:
    plain = "gcp-e1: {groups: [facility-a], bgp: {asn: 64513, neighbors: {gcp-vpc: {next_hop_self: true}"
    policy = f"{plain}, aws-e1: {{import: [{{local_preference: 200}}]}}"
    before = lab.json("inspect", "bgp")["sessions"]
    answer = quadlink("up", str(write_topology(tmp_path, lab.name, plain, policy)))
    assert answer.returncode == 0, answer.stderr
    assert "link ch1 changed: gcp-e1's import terms for aws-e1" in answer.stdout
    assert lab.paths("gcp-vpc", "10.1.0.0/16") == 1
    assert quadlink("up", str(write_topology(tmp_path, lab.name))).returncode == 0
    assert lab.paths("gcp-vpc", "10.1.0.0/16") == 4
    after = lab.json("inspect", "bgp")["sessions"]
    assert all(new["since_s"] >= old["since_s"] for new, old in zip(after, before, strict=True))


def test_a_new_controller_changes_no_route_inside_an_as_or_outside(lab: Lab) -> None:
    before = forwarding(lab)
    os.kill(lab.json("inspect", "nodes")["pids"]["controller"], signal.SIGKILL)
    eventually(lambda: lab.run("inspect", "nodes").returncode == 0, 20)
    eventually(lambda: lab.established() == 48, 20)
    assert forwarding(lab) == before


def forwarding(lab: Lab) -> list[Any]:
    """Nexthop objects and BGP's routes of the reflectors and of an edge of each facility."""
    nodes = ("aws-vpc", "gcp-vpc", "aws-e1", "gcp-e4")
    tables = ("nexthop",), ("-4", "route", "show", "proto", "bgp"), ("-6", "route", "show", "proto", "bgp")
    return [lab.ip(node, *table) for node in nodes for table in tables]
