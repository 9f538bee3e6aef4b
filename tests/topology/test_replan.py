"""A changed topology planned around a running lab: what stays keeps its addresses, names and secrets."""

import secrets
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st
from netns_lab.plan import LabPlan
from netns_lab.planning import plan_lab
from netns_lab.topology import parse_topology

NODES = """
name: x
nodes:
  r1: {bgp: {asn: 1, announce: [10.1.0.0/16, "fd01::/48"]}}
  r2: {bgp: {asn: 2, announce: [10.2.0.0/16]}}
  h1: {}
  h2: {}
links:
"""
CH1, CH2, LAN1, LAN2 = (
    f"  - {{name: {name}, endpoints: {ends}}}\n"
    for name, ends in (("ch1", "r1-r2"), ("ch2", "r1-r2"), ("lan1", "h1-r1"), ("lan2", "h2-r1"))
)


def planned(text: str, running: LabPlan | None = None) -> LabPlan:
    return plan_lab(parse_topology(text, known=lambda name: running), secrets.token_bytes, running)


def test_the_same_topology_is_the_same_plan_again() -> None:
    text = NODES + CH1 + f'  - {{name: ch2, endpoints: r1-r2, macsec: {{sak: "{"5a" * 32}"}}}}\n' + LAN1
    running = planned(text)
    assert planned(text, running) == running != planned(text)


def test_what_stays_after_a_removal_keeps_all_it_has_and_what_comes_takes_what_is_free() -> None:
    running = planned(NODES + CH1 + CH2 + LAN1 + LAN2)
    wanted = planned(
        NODES.replace("  h1: {}\n", "  h9: {}\n") + CH2 + LAN2 + CH1.replace("ch1", "ch3"), running
    )
    for link in ("ch2", "lan2"):
        assert wanted.link(link) == running.link(link)
    for node in ("r1", "r2", "h2"):
        assert wanted.node(node).loopback == running.node(node).loopback
    assert wanted.link("ch3").ends[0].addresses == running.link("ch1").ends[0].addresses
    assert [end.name for end in wanted.link("ch3").ends] == ["eth1", "eth1"]
    assert wanted.node("h9").loopback == running.node("h1").loopback
    assert wanted.hosts["h2"] == running.hosts["h2"]


def test_what_is_given_to_somebody_else_is_given_up() -> None:
    running = planned(NODES + CH1 + CH2)
    other = '  - {name: ch3, endpoints: ["r1:eth1", "r2:eth7"], addresses: {r2: [169.254.1.0/31]}}\n'
    taken = NODES.replace("h1: {}", "h1: {loopback: [10.255.0.1/32]}")
    wanted = planned(taken + CH1 + CH2 + other, running)
    assert wanted.link("ch2") == running.link("ch2")
    assert wanted.link("ch1").ends[0].addresses[0] not in ("169.254.1.0/31", "169.254.1.1/31")
    assert [end.name for end in wanted.link("ch1").ends] == ["eth3", "eth1"]
    assert wanted.node("r1").loopback != running.node("r1").loopback
    assert wanted.node("r2").loopback == running.node("r2").loopback


def test_a_host_follows_its_router_to_another_prefix() -> None:
    running = planned(NODES + LAN1 + LAN2)
    wanted = planned(NODES.replace("10.1.0.0/16", "10.7.0.0/16") + LAN2, running)
    assert wanted.link("lan2").ends[0].addresses == ("10.7.0.2/24", "fd01::2/64")
    assert planned(NODES + LAN2, running).link("lan2") == running.link("lan2")


def test_an_end_beside_a_given_one_keeps_its_address() -> None:
    given = "  - {name: lan1, endpoints: h1-r1, addresses: {r1: [10.1.0.1/24]}}\n"
    other = given.replace("lan1", "lan3").replace("h1-r1", "h2-r2").replace("r1:", "r2:")
    running = planned(NODES + other.replace("10.1.0.1", "10.1.0.2") + given)
    assert running.link("lan1").ends[0].addresses == ("10.1.0.4/24",)
    assert planned(NODES + given, running).link("lan1") == running.link("lan1")


POOL = {
    f"{one}{other}{number}": f"  - {{name: {one}{other}{number}, endpoints: {one}-{other}}}\n"
    for one, other in combinations(("r1", "r2", "h1", "h2"), 2)
    for number in (1, 2)
}
choices = st.lists(st.sampled_from(sorted(POOL)), unique=True, max_size=8)


@settings(max_examples=60, deadline=None)
@given(choices, choices)
def test_links_that_are_in_both_topologies_are_the_same_in_both_plans(
    before: list[str], after: list[str]
) -> None:
    running = planned(NODES + "".join(map(POOL.__getitem__, before)) if before else NODES + "  []")
    wanted = planned(NODES + "".join(map(POOL.__getitem__, after)) if after else NODES + "  []", running)
    for name in set(before) & set(after):
        assert wanted.link(name) == running.link(name)
    for plan in (running, wanted):
        addresses = [address for link in plan.links for end in link.ends for address in end.addresses]
        assert len(addresses) == len(set(addresses))
        interfaces = [(end.node, end.name) for link in plan.links for end in link.ends]
        assert len(interfaces) == len(set(interfaces))
