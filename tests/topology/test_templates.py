"""The starter topologies: each is a topology, of the name and size that was asked for."""

from collections import Counter

import pytest
from netns_lab import templates
from netns_lab.plan import LabPlan
from netns_lab.planning import plan_lab
from netns_lab.topology import parse_topology


def plan_of(text: str) -> LabPlan:
    return plan_lab(parse_topology(text), bytes)


def test_the_shipped_ones_take_the_name_and_keep_their_comments() -> None:
    for template in (templates.pair, templates.quad, templates.quad_facilities):
        text = template("mine")
        assert plan_of(text).name == "mine"
        assert text.startswith("#")
    assert [link.name for link in plan_of(templates.pair("mine")).links] == ["ch1", "lan1", "lan2"]


def test_the_second_channel_that_pair_offers_in_a_comment_works() -> None:
    plan = plan_of(templates.pair("pair").replace("  # - {", "  - {"))
    assert len(plan.sessions) == 4


@pytest.mark.parametrize("routers", [3, 300])
def test_each_step_of_a_ring_is_a_router_a_host_and_a_channel_with_its_sessions(routers: int) -> None:
    plan = plan_of(templates.ring("ring", routers))
    assert Counter(node.kind for node in plan.nodes) == {"router": routers, "host": routers}
    assert Counter(link.type for link in plan.links) == {"macsec": routers, "plain": routers}
    assert all(len(plan.sessions_of(f"r{n}")) == 4 for n in (1, 2, routers))
    assert plan.hosts["h2"] == ("10.0.2.2", "fd01:0:0:2::2")
    assert len({node.asn for node in plan.nodes if node.asn}) == routers


def test_a_star_is_one_router_and_its_hosts_with_a_subnet_each() -> None:
    plan = plan_of(templates.star("star", 1000))
    assert len(plan.nodes) == 1001
    assert {link.type for link in plan.links} == {"plain"}
    assert len({plan.hosts[f"h{n}"][0].rpartition(".")[0] for n in range(1, 1001)}) == 1000
    assert plan.node("h1000").default_routes[0].next_hops[0].interface == "eth1"


def test_a_size_that_is_no_ring_or_star_is_one_sentence() -> None:
    with pytest.raises(ValueError, match="found 2 routers, expected 3 to 1000"):
        templates.ring("ring", 2)
    with pytest.raises(ValueError, match="found 0 hosts, expected 1 to 4000"):
        templates.star("star", 0)
