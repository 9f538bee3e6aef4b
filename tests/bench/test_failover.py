"""The failover and routes benchmarks: that every part runs, and what they compute."""

from ipaddress import ip_network

import pytest
from netns_lab.directory import LabError, NotReady
from netns_lab.plan import Family
from netns_lab.planning import plan_lab
from netns_lab.topology import parse_topology

from bench.announcing import FIRST, LENGTH, blocks
from bench.clos import LEAVES, SPINES, topology
from bench.failover import PARTS, run
from bench.failover_trials import Effort
from bench.figures import Figure, figure, p99
from bench.running import Say


@pytest.mark.lab
@pytest.mark.long
@pytest.mark.parametrize("part", PARTS)
def test_every_part_runs_and_holds_its_figures_against_goals(part: str) -> None:
    figures = run(lambda text: None, [part], quick=True)
    names = [figure.name for figure in figures]
    assert len(set(names)) == len(names)
    assert all(figure.samples for figure in figures)
    assert any(figure.goal is not None for figure in figures)
    assert all((figure.met is None) == (figure.goal is None) for figure in figures)


def test_a_part_that_cannot_be_measured_is_a_goal_missed_and_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(effort: Effort, say: Say) -> list[Figure]:
        raise NotReady("the lab is not whole again")

    said: list[str] = []
    monkeypatch.setitem(PARTS, "carrier", broken)
    monkeypatch.setitem(PARTS, "silent", lambda effort, say: [figure("silent cut", "ms", [1], 2)])
    figures = run(said.append, ["carrier", "silent"])
    assert [(figure.name, figure.met) for figure in figures] == [
        ("carrier: could be measured", False),
        ("silent cut", True),
    ]
    assert said == ["bench: carrier: the lab is not whole again"]


def test_an_unknown_part_is_refused_with_those_there_are() -> None:
    with pytest.raises(LabError, match="no part carier; its parts are carrier, silent, "):
        run(lambda text: None, ["carier"])


@pytest.mark.parametrize("prefixes", [0, 1, 2, 9_999, 100_000])
def test_blocks_hold_as_many_prefixes_as_asked_and_none_twice(prefixes: int) -> None:
    networks = [ip_network(block) for block in blocks(prefixes)]
    assert sum(1 << (LENGTH - network.prefixlen) for network in networks) == prefixes
    at = FIRST
    for network in networks:
        assert int(network.network_address) == at
        at += network.num_addresses


def test_p99_of_few_samples_is_the_largest_and_of_many_the_one_before_a_hundredth() -> None:
    assert p99([3, 1, 2]) == 3
    assert p99(range(1, 101)) == 99
    assert p99(range(1, 201)) == 198


def test_a_clos_has_a_session_of_each_family_from_every_leaf_to_every_spine() -> None:
    plan = plan_lab(parse_topology(topology("clos")), bytes)
    families: set[Family] = {"ipv4", "ipv6"}
    assert len(plan.links) == SPINES * LEAVES
    assert len(plan.sessions) == SPINES * LEAVES * len(families)
    assert sum(len(node.originate) for node in plan.nodes) == LEAVES * len(families)
