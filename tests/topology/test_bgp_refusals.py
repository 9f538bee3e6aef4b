"""Each refusal of what a topology file says about BGP: its line, its field, what was found and expected."""

from __future__ import annotations

import pytest
from netns_lab.topology import parse_topology

from tests.topology.refusing import PAIR, changed, on_link, on_r1, refusals

HOLD = "expected whole seconds of at least 3s, such as 3s"

REFUSALS = {
    "bfd true": (
        on_r1("bfd: true"),
        "3: nodes.r1.bgp.bfd: found true, expected false, or a mapping of interval and multiplier",
    ),
    "bfd too fast": (
        on_r1("bfd: {interval: 2ms}"),
        "3: nodes.r1.bgp.bfd.interval: found '2ms', "
        "expected a duration from 3ms to 60s in whole microseconds, such as 50ms",
    ),
    "bfd multiplier": (
        on_r1("bfd: {multiplier: 0}"),
        "3: nodes.r1.bgp.bfd.multiplier: found 0, expected a whole number from 1 to 255",
    ),
    "profile": (
        on_r1("profile: oracle"),
        "3: nodes.r1.bgp.profile: found 'oracle', expected one of lab, aws, google, azure",
    ),
    "graceful restart with bfd": (
        on_r1("graceful_restart: 120s"),
        "3: nodes.r1.bgp.graceful_restart: found it with BFD, which ends what a restart is to keep, "
        "expected `bfd: false` with it",
    ),
    "unknown neighbor": (
        on_r1("neighbors: {r9: {}}"),
        "3: nodes.r1.bgp.neighbors.r9: found 'r9', expected a node with `bgp`",
    ),
    "neighbor without a link": (
        on_r1("neighbors: {r1: {}}"),
        "3: nodes.r1.bgp.neighbors.r1: found 'r1', expected a node on a link of r1 that peers: r2",
    ),
    "term that does nothing": (
        on_r1("neighbors: {r2: {import: [{prefixes: [10.2.0.0/16]}]}}"),
        "3: nodes.r1.bgp.neighbors.r2.import[0]: found a mapping, "
        "expected an `action`, or something that the term changes",
    ),
    "term that rejects and changes": (
        on_r1("neighbors: {r2: {import: [{action: reject, med: 5}]}}"),
        "3: nodes.r1.bgp.neighbors.r2.import[0]: found a mapping, which rejects, expected no med with it",
    ),
    "prefix range that cannot be": (
        on_r1('neighbors: {r2: {import: [{prefixes: ["10.2.0.0/16 le 8"], action: reject}]}}'),
        "3: nodes.r1.bgp.neighbors.r2.import[0].prefixes[0]: found '10.2.0.0/16 le 8', "
        "expected lengths of 16 to 32 in order for 10.2.0.0/16",
    ),
    "community": (
        on_r1("neighbors: {r2: {import: [{add_communities: [64512]}]}}"),
        "3: nodes.r1.bgp.neighbors.r2.import[0].add_communities[0]: found 64512, expected a community in "
        'quotes, such as "64512:666" or no-export',
    ),
    "link of a term": (
        on_r1("neighbors: {r2: {import: [{links: [ch9], med: 1}]}}"),
        "3: nodes.r1.bgp.neighbors.r2.import[0].links[0]: found 'ch9', expected a link to this neighbor: ch1",
    ),
    "local preference told to another AS": (
        on_r1("neighbors: {r2: {export: [{local_preference: 200}]}}"),
        "3: nodes.r1.bgp.neighbors.r2.export[0].local_preference: found it for a neighbor in another AS, "
        "which is not told it",
    ),
    "next hop self towards another AS": (
        on_r1("neighbors: {r2: {next_hop_self: true}}"),
        "3: nodes.r1.bgp.neighbors.r2.next_hop_self: found true, expected it only for a neighbor in AS 64512",
    ),
    "unknown key of a term": (
        on_r1("neighbors: {r2: {import: [{acton: reject}]}}"),
        "3: nodes.r1.bgp.neighbors.r2.import[0].acton: unknown key, nearest is 'action'",
    ),
    "maximum prefixes of no number": (
        on_r1("neighbors: {r2: {maximum_prefixes: true}}"),
        "3: nodes.r1.bgp.neighbors.r2.maximum_prefixes: found true, "
        "expected a whole number, or a mapping of count and action",
    ),
    "maximum prefixes": (
        on_r1("neighbors: {r2: {maximum_prefixes: {count: 0}}}"),
        "3: nodes.r1.bgp.neighbors.r2.maximum_prefixes.count: found 0, "
        "expected a whole number from 1 to 4294967295",
    ),
    "daemon": (
        on_r1("daemon: quagga"),
        "3: nodes.r1.bgp.daemon: found 'quagga', expected one of exabgp, bird, frr, external",
    ),
    "bfd faster than FRR counts": (
        on_r1("daemon: frr, bfd: {interval: 3ms}"),
        "3: nodes.r1.bgp.bfd.interval: found 3ms, expected whole milliseconds from 10 for FRR",
    ),
    "bfd of one packet with FRR": (
        on_r1("daemon: frr, bfd: {multiplier: 1}"),
        "3: nodes.r1.bgp.bfd.multiplier: found 1, expected 2 to 255 for FRR",
    ),
    "discarding prefixes with FRR": (
        on_r1("daemon: frr, neighbors: {r2: {maximum_prefixes: {count: 5, action: discard}}}"),
        "3: nodes.r1.bgp.neighbors.r2.maximum_prefixes.action: found 'discard', "
        "expected warn or shutdown for FRR",
    ),
    "cost between two AS": (
        on_link("cost: 20"),
        "7: links[0].cost: found 20 between AS 64512 and AS 64513, "
        "expected it only between routers of one AS",
    ),
    "cost to a host": (
        changed(8, '  - {name: lan1, type: plain, endpoints: ["h1:eth0", "r1:lan"], cost: 5}'),
        "8: links[1].cost: found 5 between a node without `bgp` and AS 64512, expected it only between "
        "routers of one AS",
    ),
    "hold time 0": (on_r1("hold_time: 0s"), f"3: nodes.r1.bgp.hold_time: found '0s', {HOLD}"),
    "hold time 2s": (on_r1("hold_time: 2s"), f"3: nodes.r1.bgp.hold_time: found '2s', {HOLD}"),
    "hold time part": (on_r1("hold_time: 3500ms"), f"3: nodes.r1.bgp.hold_time: found '3500ms', {HOLD}"),
    "hold time bare": (on_r1("hold_time: 3"), f"3: nodes.r1.bgp.hold_time: found 3, {HOLD}"),
    "unknown bgp key": (on_r1("anounce: []"), "3: nodes.r1.bgp.anounce: unknown key, nearest is 'announce'"),
}


@pytest.mark.parametrize(("text", "expected"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_names_place_found_and_expected(text: str, expected: str) -> None:
    assert refusals(text) == [f"t.yaml:{expected}"]


def test_a_cost_that_defaults_say_is_for_the_links_that_count_it() -> None:
    topology = parse_topology(PAIR.replace("nodes:", "defaults: {link: {cost: 20}}\nnodes:"))
    assert [link.cost for link in topology.links] == [20, 20]


def test_frr_is_refused_between_routers_of_one_as() -> None:
    expected = "found `daemon: frr` between routers of one AS, expected bird or exabgp there"
    assert f"t.yaml:7: links[0]: {expected}" in refusals(on_r1("daemon: frr").replace("64513", "64512"))
