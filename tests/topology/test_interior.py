"""Least-cost routes inside an AS: by example, and as many additions of costs by hand would find them."""

from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st
from netns_lab.interior import Adjacency, interior_routes
from netns_lab.plan import InteriorRoute, NextHop


def both_ways(*links: tuple[str, str, int]) -> list[Adjacency]:
    """The adjacencies of links; the address of each end is its own name."""
    return [
        Adjacency(here, there, cost, NextHop(there, f"{number}"))
        for number, (one, other, cost) in enumerate(links)
        for here, there in ((one, other), (other, one))
    ]


def loopbacks(nodes: str) -> dict[str, list[str]]:
    return {node: [f"10.255.0.{ord(node)}"] for node in nodes}


def test_ways_of_equal_cost_are_all_used_and_dearer_ones_are_not() -> None:
    square = both_ways(("a", "b", 10), ("a", "c", 10), ("b", "d", 10), ("c", "d", 10), ("a", "d", 21))
    routes = interior_routes(square, loopbacks("abcd"))
    assert routes["a"] == (
        InteriorRoute("10.255.0.98/32", (NextHop("b", "0"),), 10),
        InteriorRoute("10.255.0.99/32", (NextHop("c", "1"),), 10),
        InteriorRoute("10.255.0.100/32", (NextHop("b", "0"), NextHop("c", "1")), 20),
    )


def test_parallel_links_share_and_the_cheapest_alone_is_used() -> None:
    routes = interior_routes(both_ways(("a", "b", 5), ("a", "b", 5), ("a", "b", 6)), {"b": ["fd00::1"]})
    assert routes["a"] == (InteriorRoute("fd00::1/128", (NextHop("b", "0"), NextHop("b", "1")), 5),)


def test_what_no_link_leads_to_has_no_route() -> None:
    routes = interior_routes(both_ways(("a", "b", 1), ("c", "d", 1)), loopbacks("abcde"))
    assert {node: [route.prefix for route in found] for node, found in routes.items()} == {
        "a": ["10.255.0.98/32"],
        "b": ["10.255.0.97/32"],
        "c": ["10.255.0.100/32"],
        "d": ["10.255.0.99/32"],
    }


LINKS = st.lists(
    st.tuples(st.sampled_from("abcde"), st.sampled_from("abcde"), st.integers(1, 3)).filter(
        lambda link: link[0] != link[1]
    ),
    max_size=8,
)


@settings(max_examples=200, deadline=None)
@given(LINKS)
def test_every_way_without_a_loop_is_weighed(links: list[tuple[str, str, int]]) -> None:
    adjacencies = both_ways(*links)
    routes = interior_routes(adjacencies, loopbacks("abcde"))
    for source, target in permutations("abcde", 2):
        weighed = [
            (cost, hop)
            for hop in adjacencies
            if hop.node == source
            for cost in costs(adjacencies, hop.peer, target, {source}, hop.cost)
        ]
        least = min((cost for cost, _ in weighed), default=None)
        first_hops = {hop.next_hop for cost, hop in weighed if cost == least}
        prefix = f"10.255.0.{ord(target)}/32"
        found = [route for route in routes.get(source, ()) if route.prefix == prefix]
        assert [(set(route.next_hops), route.cost) for route in found] == [(first_hops, least)][: len(found)]
        assert bool(found) == bool(weighed)


def costs(adjacencies: list[Adjacency], at: str, target: str, seen: set[str], cost: int) -> list[int]:
    """What each way from `at` to the target costs that visits no router twice, on top of `cost`."""
    if at == target:
        return [cost]
    return [
        total
        for hop in adjacencies
        if hop.node == at and hop.peer not in seen
        for total in costs(adjacencies, hop.peer, target, {*seen, at}, cost + hop.cost)
    ]
