"""What ping-all asks: all that BGP and links promise and no more, and how its answer reads."""

from netns_lab import templates
from netns_lab.plan import LabPlan
from netns_lab.planning import plan_lab
from netns_lab.reachability import Reachability, promised
from netns_lab.topology import parse_topology


def plan_of(text: str) -> LabPlan:
    return plan_lab(parse_topology(text), bytes)


def asked(reachability: Reachability) -> set[tuple[str, str, str]]:
    names = reachability.nodes
    return {(family, names[source], names[to]) for family, source, to in reachability.unanswered()}


def test_every_node_with_an_announced_address_asks_every_other() -> None:
    reachability = promised(plan_of(templates.quad("quad")))
    assert len(asked(reachability)) == 2 * 6 * 5
    assert reachability.left_out() == []


TRANSIT = """\
name: transit
nodes:
  r1: {bgp: {asn: 64512, announce: [10.1.0.0/16, "fd01::/48"]}}
  r2: {bgp: {asn: 64513}}
  r3: {bgp: {asn: 64514, announce: [10.3.0.0/16, "fd03::/48"]}}
  h1: {}
  h3: {}
  h4: {}
  h5: {}
links:
  - endpoints: r1-r2
  - endpoints: r2-r3
  - {type: plain, endpoints: r1-h1}
  - {type: plain, endpoints: r3-h3}
  - {type: plain, endpoints: h4-h5}
"""


def test_a_router_that_announces_nothing_is_nobodys_hole_and_hosts_on_one_link_ask_each_other() -> None:
    reachability = promised(plan_of(TRANSIT))
    cloud, pair = {"r1", "r3", "h1", "h3"}, {"h4", "h5"}
    assert asked(reachability) == {
        (family, one, other)
        for family in ("ipv4", "ipv6")
        for group in (cloud, pair)
        for one in group
        for other in group - {one}
    }
    assert reachability.left_out() == ["r2"]


def test_routers_of_an_as_ask_each_other_by_loopback_and_nobody_asks_theirs_from_outside() -> None:
    text = TRANSIT.replace("asn: 64513", "asn: 64512")
    pairs = {(source, to) for _, source, to in asked(promised(plan_of(text)))}
    assert {("r1", "r2"), ("r2", "r1")} <= pairs
    assert not {("r2", "r3"), ("r3", "r2"), ("h1", "r2"), ("r2", "h3")} & pairs


def test_a_cell_tells_which_family_is_answered() -> None:
    reachability = promised(plan_of(templates.pair("pair")))
    for family, source, destination in list(reachability.unanswered()):
        if reachability.nodes[destination] != "h2" or (
            family == "ipv6" and reachability.nodes[source] == "r1"
        ):
            reachability.answers[family][source][destination] = True
    matrix = [line.split() for line in reachability.matrix().splitlines()]
    assert matrix[1:] == [
        ["r1", "ok", "ok", "ipv6"],
        ["r2", "ok", "ok", "no"],
        ["h1", "ok", "ok", "no"],
        ["h2", "ok", "ok", "ok"],
    ]
    document = reachability.document()
    assert (document["asked"], document["answered"], len(document["holes"])) == (24, 19, 5)
    assert {"from": "h1", "to": "h2", "family": "ipv4", "address": "10.2.0.2"} in document["holes"]
