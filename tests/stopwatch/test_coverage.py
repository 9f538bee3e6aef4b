"""Paths that may be taken, paths that were, and a choice of flows that takes each."""

from collections import Counter

import numpy as np
import pytest
from netns_lab.coverage import SIGHTING, choose_flows, possible_paths, taken_paths, uncovered
from netns_lab.directory import LabError
from netns_lab.plan import LabPlan
from netns_lab.planning import plan_lab
from netns_lab.probe_flows import find_sites, in_turns, make_flows, way_of
from netns_lab.topology import parse_topology

from dataplane.captures.memory import CaptureWire
from dataplane.probes.records import RECEIVED
from tests.stopwatch.recordings import CHANNELS, channel_of, quad

DIAMOND = """
name: diamond
nodes:
  west: {bgp: {asn: 64512, announce: [10.1.0.0/16, "fd01::/48"]}}
  north: {bgp: {asn: 64513}}
  south: {bgp: {asn: 64514}}
  east: {bgp: {asn: 64515, announce: [10.2.0.0/16, "fd02::/48"]}}
  third: {bgp: {asn: 64516, announce: [10.3.0.0/16, "fd03::/48"]}}
  w: {}
  e: {}
  t: {}
links:
  - {name: wn, endpoints: ["west:n", "north:w"]}
  - {name: ws, endpoints: ["west:s", "south:w"]}
  - {name: ne, endpoints: ["north:e", "east:n"]}
  - {name: se, endpoints: ["south:e", "east:s"]}
  - {name: et, endpoints: ["east:t", "third:e"]}
  - {name: lanw, type: plain, endpoints: ["west:lan", "w:eth0"]}
  - {name: lane, type: plain, endpoints: ["east:lan", "e:eth0"]}
  - {name: lant, type: plain, endpoints: ["third:lan", "t:eth0"]}
"""


def diamond() -> LabPlan:
    return plan_lab(parse_topology(DIAMOND), bytes)


def test_paths_are_those_that_the_kernels_may_choose() -> None:
    plan = diamond()
    flows = [flow for flow in make_flows(plan, find_sites(plan), 2) if flow.direction == "west->east"]
    four, six = (flow.destination_address for flow in flows)
    forwarding = {
        ("west", four): ("n", "s"),
        ("north", four): ("e",),
        ("south", four): ("e",),
        ("west", six): ("n", "s"),
        ("north", six): ("w", "e"),  # back where it came from: no path
    }
    found = possible_paths(plan, forwarding, flows)
    assert {(way.version, paths) for way, paths in found.items()} == {
        (4, frozenset({("wn", "ne"), ("ws", "se")})),
        (6, frozenset({("wn", "ne")})),
    }


def test_the_path_of_a_flow_is_that_of_its_last_packet_that_arrived_in_time() -> None:
    wires = (CaptureWire("wn", "west"), CaptureWire("ne", "north"), CaptureWire("ws", "west"))
    received = np.array([(7, 1, 10, 15), (7, 2, 20, 25), (7, 3, 30, 99)], RECEIVED)
    seen = [(11, 7, 1, 2), (22, 7, 2, 1), (21, 7, 2, 0), (31, 7, 3, 2), (40, 8, 2, 2)]
    sightings = np.array(seen, SIGHTING)
    assert taken_paths(sightings, wires, received, 0, 50) == {7: ("wn", "ne")}
    assert taken_paths(sightings, wires, received, 0, 100) == {7: ("ws",)}
    assert taken_paths(sightings, wires, received, 0, 5) == {}


def test_flows_are_chosen_so_that_every_path_of_each_way_has_as_many() -> None:
    plan = quad()
    tried = make_flows(plan, find_sites(plan), 128)
    # Chance sends most over ch1.
    taken = {flow.id: (channel_of(flow) if flow.id % 64 < 16 else "ch1",) for flow in tried}
    each = dict.fromkeys(map(way_of, tried), 12)
    chosen = choose_flows(tried, taken, each)
    counts = Counter((way_of(flow), taken[flow.id]) for flow in chosen)
    assert set(counts.values()) == {3}
    assert len(counts) == 4 * len(CHANNELS)
    possible = {way: frozenset((channel,) for channel in CHANNELS) for way in each}
    assert uncovered(chosen, taken, possible) == []
    lacking = uncovered(chosen[1:], taken, possible)
    assert [(it.way, it.path, it.flows) for it in lacking] == [(way_of(chosen[0]), taken[chosen[0].id], 2)]
    turns = in_turns(chosen)
    assert sorted(flow.id for flow in turns) == sorted(flow.id for flow in chosen)
    assert len({way_of(flow) for flow in turns[:4]}) == 4


def test_sites_are_the_first_two_or_those_that_are_named() -> None:
    plan = diamond()
    assert [site.router.name for site in find_sites(plan)] == ["west", "east"]
    assert [site.router.name for site in find_sites(plan, ("third", "west"))] == ["third", "west"]
    with pytest.raises(LabError, match="found north, expected a router with hosts behind it: west, east"):
        find_sites(plan, ("north", "west"))
    with pytest.raises(LabError, match="found west twice"):
        find_sites(plan, ("west", "west"))
