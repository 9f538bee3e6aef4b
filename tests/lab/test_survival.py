"""Forwarding outlives control: what of a lab's own processes may end, and what it costs the traffic."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dataplane.client import EngineClient
from dataplane.links.specification import FaultMode
from tests.lab.harness import ROUTES, Lab, lab_of
from tests.lab.probing import probes
from tests.waiting import eventually

pytestmark = pytest.mark.lab

STOPPED_S = 10.0
SQUARE = """
name: {name}
nodes:
  west: {{bgp: {{asn: 64512, announce: [10.1.0.0/16, "fd01::/48"]}}}}
  north: {{bgp: {{asn: 64513}}}}
  south: {{bgp: {{asn: 64514}}}}
  east: {{bgp: {{asn: 64515, announce: [10.2.0.0/16, "fd02::/48"]}}}}
  hw: {{}}
  he: {{}}
links:
  - {{endpoints: west-north}}
  - {{endpoints: west-south}}
  - {{endpoints: north-east}}
  - {{endpoints: south-east}}
  - {{endpoints: west-hw, type: plain}}
  - {{endpoints: east-he, type: plain}}
"""


def pids(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] = lab.json("inspect", "links")["pids"]
    return found


def state(lab: Lab) -> dict[str, Any]:
    """What `inspect` tells of a lab that is at rest, times and counts aside, and BFD, which begins anew."""
    sessions = lab.json("inspect", "bgp")["sessions"]
    return {
        "sessions": [
            {key: entry[key] for key in entry if key not in ("since_s", "bfd")} for entry in sessions
        ],
        "routes": lab.json("inspect", "routes")["routes"],
        "links": [(link["name"], link["state"]) for link in lab.json("inspect", "links")["links"]],
        "exabgp": pids(lab)["exabgp"],
    }


def ages(lab: Lab) -> list[float]:
    return [session["since_s"] for session in lab.json("inspect", "bgp")["sessions"]]


def test_a_killed_controller_costs_no_packet_and_its_successor_knows_all(quad: Lab) -> None:
    before, age, controller = state(quad), ages(quad), pids(quad)["controller"]
    with probes(quad.plan) as running:
        os.kill(controller, signal.SIGKILL)
        eventually(lambda: pids(quad)["controller"] != controller)
        eventually(lambda: state(quad) == before)
    assert running.lost == 0
    assert all(new >= old for new, old in zip(ages(quad), age, strict=True))
    assert quad.whole()


def test_a_stopped_controller_costs_no_packet_and_cuts_move_traffic_meanwhile(
    quad: Lab, engine: EngineClient
) -> None:
    before, age, controller = state(quad), ages(quad), pids(quad)["controller"]
    try:
        os.kill(controller, signal.SIGSTOP)
        with probes(quad.plan) as running:
            threading.Event().wait(STOPPED_S)
        with probes(quad.plan) as cut:
            t_ns = engine.set_fault("ch2", FaultMode.CARRIER)
            eventually(lambda: all(quad.paths(node, prefix) == 3 for node, prefix in ROUTES))
            threading.Event().wait(0.5)
    finally:
        os.kill(controller, signal.SIGCONT)
    assert running.lost == 0
    assert cut.outage_ms(t_ns) < 1000  # the hold timer alone would take 3 s
    eventually(lambda: all(quad.paths(node, prefix) == 3 for node, prefix in ROUTES))
    kept = [
        (session["link"], new >= old)
        for session, new, old in zip(before["sessions"], ages(quad), age, strict=True)
        if session["link"] != "ch2"
    ]
    assert all(older for _, older in kept)
    quad.heal()
    assert state(quad)["exabgp"] == before["exabgp"]


def test_a_link_that_was_cut_while_no_controller_ran_is_cut_for_the_next(
    quad: Lab, engine: EngineClient
) -> None:
    guard, controller = pids(quad)["guard"], pids(quad)["controller"]
    os.kill(guard, signal.SIGSTOP)  # so that it starts no other controller yet
    try:
        os.kill(controller, signal.SIGKILL)
        engine.set_fault("ch3", FaultMode.CARRIER)
    finally:
        os.kill(guard, signal.SIGCONT)
    eventually(lambda: quad.established() == 12)
    eventually(lambda: all(quad.paths(node, prefix) == 3 for node, prefix in ROUTES))


def test_a_killed_guard_costs_no_packet_and_is_started_again(quad: Lab) -> None:
    before, guard = state(quad), pids(quad)["guard"]
    with probes(quad.plan) as running:
        os.kill(guard, signal.SIGKILL)
        eventually(lambda: pids(quad)["guard"] not in (guard, None))
        assert state(quad) == before
    assert running.lost == 0
    quad.run("fail", "link", "ch1")
    eventually(lambda: all(quad.paths(node, prefix) == 3 for node, prefix in ROUTES))


def test_a_link_that_failed_and_came_back_while_no_guard_looked_is_used_again(
    quad: Lab, engine: EngineClient
) -> None:
    guard = pids(quad)["guard"]
    os.kill(guard, signal.SIGSTOP)
    engine.set_fault("ch3", FaultMode.CARRIER)
    eventually(lambda: all(quad.paths(node, prefix) == 3 for node, prefix in ROUTES))
    engine.clear_fault("ch3")
    os.kill(guard, signal.SIGKILL)
    eventually(lambda: all(quad.paths(node, prefix) == 4 for node, prefix in ROUTES))


def test_without_guard_and_controller_traffic_flows_until_they_are_adopted(quad: Lab) -> None:
    before, gone = state(quad), pids(quad)
    with probes(quad.plan) as running:
        os.kill(gone["guard"], signal.SIGSTOP)
        os.kill(gone["controller"], signal.SIGKILL)
        os.kill(gone["guard"], signal.SIGKILL)
        answer = quad.run("inspect")
        assert answer.returncode == 2
        assert f"quadlink adopt --name {quad.name}" in answer.stderr
        assert quad.json("adopt")["started"] == ["guard", "controller"]
        eventually(lambda: state(quad) == before)
    assert running.lost == 0
    assert quad.json("adopt")["started"] == []


@pytest.fixture
def square(tmp_path: Path) -> Iterator[Lab]:
    """Two ways between west and east, by routers of their own."""
    path = tmp_path / f"s{os.getpid()}.yaml"
    path.write_text(SQUARE.format(name=path.stem))
    with lab_of(path) as lab:
        yield lab


def test_a_killed_exabgp_moves_traffic_to_the_other_router_and_its_outage_is_told(square: Lab) -> None:
    eventually(lambda: square.paths("west", "10.2.0.0/16") == 2)
    exabgp = pids(square)["exabgp"]["north"]
    with probes(square.plan) as running:
        t_ns = time.monotonic_ns()
        os.kill(exabgp, signal.SIGKILL)
        eventually(lambda: square.paths("west", "10.2.0.0/16") == 1)
        eventually(lambda: square.paths("west", "10.2.0.0/16") == 2, 20)
    assert running.outage_ms(t_ns) < 1000  # the hold timer alone would take 3 s
    assert pids(square)["exabgp"]["north"] not in (exabgp, None)
    eventually(lambda: outages_told(square))
    assert 0 < outages_told(square)[0] < 20_000


def outages_told(lab: Lab) -> list[float]:
    events = lab.json("inspect", "events")["events"]
    return [event["detail"]["outage_ms"] for event in events if event["kind"] == "speaker-recovered"]
