"""Predicted reachability: what a failure leaves connected, by the graph alone."""

from netns_lab import templates
from netns_lab.plan import LabPlan
from netns_lab.planning import plan_lab
from netns_lab.prediction import Failed, Pair, host_pairs, partitioned, reachable
from netns_lab.topology import parse_topology


def plan_of(text: str) -> LabPlan:
    return plan_lab(parse_topology(text), bytes)


QUAD = plan_of(templates.quad("quad"))
# a and b are joined directly and by way of c, which has a in both of its ASes' paths: AS 1 is a and d.
LOOP = plan_of("""\
name: loop
nodes:
  a: {bgp: {asn: 1, announce: [10.1.0.0/16]}}
  b: {bgp: {asn: 2, announce: [10.2.0.0/16]}}
  c: {bgp: {asn: 3}}
  d: {bgp: {asn: 1, announce: [10.4.0.0/16]}}
  ha: {}
  hb: {}
  hd: {}
links:
  - {name: ab, endpoints: a-b}
  - {name: ac, endpoints: a-c}
  - {name: cb, endpoints: c-b}
  - {name: cd, endpoints: c-d}
  - {name: la, type: plain, endpoints: a-ha}
  - {name: lb, type: plain, endpoints: b-hb}
  - {name: ld, type: plain, endpoints: d-hd}
""")


def test_without_a_failure_every_pair_is_reachable() -> None:
    assert reachable(QUAD) == host_pairs(QUAD)
    assert len(host_pairs(QUAD)) == 2 * 4 * 3


def test_one_channel_of_four_partitions_nobody_and_all_four_part_the_clouds() -> None:
    assert not partitioned(QUAD, Failed(links=frozenset({"ch1"})))
    lost = partitioned(QUAD, Failed(links=frozenset({"ch1", "ch2", "ch3", "ch4"})))
    assert Pair("aws-h1", "gcp-h2", "ipv6") in lost
    assert {(pair.source[:3], pair.destination[:3]) for pair in lost} == {("aws", "gcp"), ("gcp", "aws")}


def test_a_dead_router_takes_the_hosts_behind_it_and_a_host_link_its_host() -> None:
    assert {"aws-h1", "aws-h2"} <= {p.source for p in partitioned(QUAD, Failed(nodes=frozenset({"aws"})))}
    lost = partitioned(QUAD, Failed(links=frozenset({"aws-lan1"})))
    assert all("aws-h1" in (pair.source, pair.destination) for pair in lost)
    assert len(lost) == 2 * 3 * 2


def test_a_detour_counts_unless_it_enters_an_as_twice() -> None:
    detour = reachable(LOOP, Failed(links=frozenset({"ab"})))
    assert Pair("ha", "hb", "ipv4") in detour
    # d is in AS 1 as a is: c would tell a of it with AS 1 in the path.
    assert Pair("ha", "hd", "ipv4") not in detour
    assert Pair("hb", "hd", "ipv4") in detour


def test_a_family_without_a_session_is_no_way() -> None:
    assert {pair.family for pair in reachable(LOOP)} == {"ipv4"}
