"""The RIB against a model that keeps every path in a list, and what it takes in of what neighbors say."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.bgp.configuration import NeighborConfig, SpeakerConfig
from control.bgp.decision import Path, best_paths
from control.bgp.model import (
    GRACEFUL_SHUTDOWN,
    AddressFamily,
    Announce,
    EndOfRib,
    Event,
    Origin,
    PathAttributes,
    SessionDown,
    SessionUp,
    Withdraw,
)
from control.bgp.policy import LimitAction, MaximumPrefixes, NeighborSettings, PrefixRange, Term
from control.bgp.rib import Rib

LOCAL_ASN = 64512
ROUTER_ID = "10.255.0.1"
FAMILY = AddressFamily.IPV4_UNICAST
INTERNAL, REFUSING = "10.0.0.9", "10.0.0.10"
NEIGHBORS = [INTERNAL, REFUSING, "10.0.0.1", "10.0.0.2"]
PREFIXES = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"]
REFUSED = Term((PrefixRange.parse(PREFIXES[0]),), accept=False)


def config(**settings: NeighborSettings) -> SpeakerConfig:
    """Sessions with all NEIGHBORS, and settings by "n" and the last octet of the address."""
    return SpeakerConfig(
        "r1",
        LOCAL_ASN,
        ROUTER_ID,
        tuple(
            NeighborConfig(
                "10.0.0.254",
                neighbor,
                LOCAL_ASN if neighbor == INTERNAL else 65001,
                FAMILY,
                settings=settings.get("n" + neighbor.split(".")[3], NeighborSettings()),
                peer_router_id="10.255.0." + neighbor.split(".")[3],
            )
            for neighbor in NEIGHBORS
        ),
    )


CONFIG = config(n10=NeighborSettings(import_terms=(REFUSED,)))

attributes = st.builds(
    PathAttributes,
    st.sampled_from(Origin),
    st.lists(st.sampled_from([LOCAL_ASN, 65001, 65002, 65003]), max_size=3).map(tuple),
    st.sampled_from([None, 0, 500]),
    st.sampled_from([None, 0, 5, 7]),
    st.sampled_from([(), (GRACEFUL_SHUTDOWN,)]),
    st.sampled_from([None, ROUTER_ID, "10.255.0.7"]),
)
neighbors = st.sampled_from(NEIGHBORS)
prefixes = st.lists(st.sampled_from(PREFIXES), unique=True).map(tuple)
events = st.one_of(
    st.builds(
        Announce, neighbors, st.just(FAMILY), st.sampled_from(["10.0.0.253", "lost"]), attributes, prefixes
    ),
    st.builds(Withdraw, neighbors, st.just(FAMILY), prefixes),
    st.builds(SessionUp, neighbors),
    st.builds(SessionDown, neighbors, st.just("")),
    st.builds(EndOfRib, neighbors, st.just(FAMILY)),
    st.frozensets(neighbors),
)


class Model:
    """Every path there is in a list, and what the neighbors said that made them."""

    def __init__(self) -> None:
        self.said: dict[tuple[str, str], Announce] = {}
        self.drained: frozenset[str] = frozenset()
        self.lost = False

    def receive(self, event: Event) -> None:
        match event:
            case SessionUp(neighbor) | SessionDown(neighbor, _):
                self.said = {key: said for key, said in self.said.items() if key[0] != neighbor}
            case Withdraw(neighbor, _, prefixes):
                for prefix in prefixes:
                    self.said.pop((neighbor, prefix), None)
            case Announce(neighbor, _, _, _, prefixes):
                self.said.update({(neighbor, prefix): event for prefix in prefixes})

    def cost(self, path: Path) -> int | None:
        return None if self.lost and path.next_hop == "lost" else 1

    def paths(self, prefix: str) -> list[Path]:
        said = [self.said[neighbor, prefix] for neighbor in NEIGHBORS if (neighbor, prefix) in self.said]
        return [path for announce in said for path in self.path(announce, prefix)]

    def path(self, said: Announce, prefix: str) -> list[Path]:
        carried, internal = said.attributes, said.neighbor == INTERNAL
        if LOCAL_ASN in carried.as_path or carried.originator_id == ROUTER_ID:
            return []
        if said.neighbor == REFUSING and prefix == PREFIXES[0]:
            return []
        if not internal:
            carried = replace(carried, local_pref=None, originator_id=None)
        preference = 100 if carried.local_pref is None else carried.local_pref
        if said.neighbor in self.drained or carried.communities:
            preference = 0
        router_id = "10.255.0." + said.neighbor.split(".")[3]
        return [Path(said.neighbor, said.next_hop, carried, preference, internal, router_id)]

    def best(self, prefix: str) -> tuple[Path, ...]:
        return best_paths(self.paths(prefix), self.cost)


@given(st.lists(st.tuples(events, st.booleans()), max_size=30))
def test_best_paths_are_those_of_the_model_and_every_change_is_reported(
    history: Sequence[tuple[Event | frozenset[str], bool]],
) -> None:
    model = Model()
    rib = Rib(CONFIG, model.cost)
    for event, lost in history:
        before = {prefix: model.best(prefix) for prefix in PREFIXES}
        model.lost = lost
        changed = rib.decide_again()
        if isinstance(event, frozenset):
            model.drained = event
            changed |= rib.drain(event)
        else:
            model.receive(event)
            changed |= rib.receive(event)
        after = {prefix: model.best(prefix) for prefix in PREFIXES}
        assert changed >= {prefix for prefix in PREFIXES if before[prefix] != after[prefix]}
        assert {prefix: rib.best(prefix) for prefix in PREFIXES} == after
        for prefix in PREFIXES:
            assert set(rib.paths(prefix)) == set(model.paths(prefix))
        for neighbor in NEIGHBORS:
            held = {p for p in PREFIXES if any(path.neighbor == neighbor for path in model.paths(p))}
            assert rib.prefixes_from(neighbor) == held
            assert rib.prefix_count(neighbor) == len(held)
    assert set(rib.prefixes()) == {prefix for prefix in PREFIXES if model.best(prefix)}


def announce(neighbor: str, path: tuple[int, ...] = (65001,), **fields: object) -> Announce:
    carried = replace(PathAttributes(Origin.IGP, path), **fields)  # type: ignore[arg-type]
    return Announce(neighbor, FAMILY, neighbor, carried, (PREFIXES[0],))


def test_equal_paths_are_all_used_up_to_the_limit() -> None:
    rib = Rib(config(), maximum_paths=2)
    for last in (10, 1, 2):
        rib.receive(announce(f"10.0.0.{last}"))
    assert [path.neighbor for path in rib.best(PREFIXES[0])] == ["10.0.0.1", "10.0.0.2"]


def test_nothing_changed_is_nothing_reported() -> None:
    rib = Rib(config())
    assert rib.receive(announce("10.0.0.1")) == {PREFIXES[0]}
    assert rib.receive(announce("10.0.0.1")) == set()
    assert rib.drain(frozenset({"10.0.0.2"})) == set()
    assert rib.decide_again() == set()
    assert rib.receive(announce("10.0.0.2", (65001, 65002))) == set()


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (Term(local_pref=300), {"preference": 300}),
        (Term(local_pref=300, add_communities=(GRACEFUL_SHUTDOWN,)), {"preference": 0}),
        (Term(med=7, prepend=2), {"med": 7, "as_path": (65001, 65001, 65001)}),
        (Term(communities=(1, 2), local_pref=300), {"preference": 100}),
        (Term(communities=(1,), remove_communities=(1,), add_communities=(2, 3)), {"communities": (2, 3)}),
    ],
)
def test_import_policy_decides_what_a_path_is_worth(term: Term, expected: dict[str, Any]) -> None:
    rib = Rib(config(n1=NeighborSettings(import_terms=(term,))))
    rib.receive(announce("10.0.0.1", communities=(1,), local_pref=4000))
    [path] = rib.best(PREFIXES[0])
    known = {
        "preference": path.preference,
        **{name: getattr(path.attributes, name) for name in ("med", "as_path", "communities")},
    }
    assert {name: known[name] for name in expected} == expected


def test_the_first_term_that_matches_decides_and_a_rejected_path_replaces_the_one_before_it() -> None:
    terms = (Term(communities=(1,), accept=False), Term(local_pref=50), Term(local_pref=300))
    rib = Rib(config(n1=NeighborSettings(import_terms=terms)))
    rib.receive(announce("10.0.0.1"))
    assert [path.preference for path in rib.best(PREFIXES[0])] == [50]
    assert rib.receive(announce("10.0.0.1", communities=(1,))) == {PREFIXES[0]}
    assert rib.best(PREFIXES[0]) == ()


MANY = tuple(f"10.{n >> 8}.{n & 255}.0/24" for n in range(1000))


def flood(first: int, count: int) -> Announce:
    return replace(announce("10.0.0.1"), prefixes=MANY[first : first + count])


@pytest.mark.parametrize(("action", "kept"), [(LimitAction.WARN, 200), (LimitAction.DISCARD, 100)])
def test_more_prefixes_than_agreed_are_counted_and_left_out_if_asked(action: LimitAction, kept: int) -> None:
    rib = Rib(config(n1=NeighborSettings(maximum_prefixes=MaximumPrefixes(100, action))))
    assert len(rib.receive(flood(0, 100))) == 100
    assert not rib.above_limit
    rib.receive(flood(50, 150))
    assert rib.prefix_count("10.0.0.1") == kept
    assert rib.above_limit == {"10.0.0.1"}
    rib.receive(flood(100, 100))
    assert list(rib.left_out.get("10.0.0.1", ())) == list(MANY[kept:200])
    # What is held may change, and what is withdrawn makes room.
    changed = replace(flood(0, 1), attributes=PathAttributes(Origin.EGP, (65001,)))
    assert rib.receive(changed) == {MANY[0]}
    rib.receive(Withdraw("10.0.0.1", FAMILY, MANY[:50]))
    rib.receive(flood(900, 10))
    assert rib.prefix_count("10.0.0.1") == kept - 40
    rib.receive(SessionDown("10.0.0.1", ""))
    assert (rib.above_limit, rib.left_out) == (set(), {})
    assert set(rib.prefixes()) == set()


def test_what_policy_rejects_counts_as_announced_and_a_loop_does_not() -> None:
    terms = (Term((PrefixRange.parse("10.0.0.0/24"),), accept=False),)
    rib = Rib(config(n1=NeighborSettings(terms, maximum_prefixes=MaximumPrefixes(10, LimitAction.DISCARD))))
    rib.receive(replace(flood(500, 50), attributes=PathAttributes(Origin.IGP, (65001, LOCAL_ASN))))
    assert rib.room("10.0.0.1") == 10
    for _ in range(2):
        rib.receive(flood(0, 10))
        assert (rib.prefix_count("10.0.0.1"), rib.room("10.0.0.1")) == (9, 0)
    assert not rib.above_limit
    rib.receive(flood(10, 2))
    assert list(rib.left_out["10.0.0.1"]) == [*MANY[10:12]]
    rib.receive(Withdraw("10.0.0.1", FAMILY, (MANY[0], MANY[11])))
    assert (rib.room("10.0.0.1"), list(rib.left_out["10.0.0.1"])) == (1, [MANY[10]])
    rib.receive(flood(10, 1))
    assert (rib.room("10.0.0.1"), rib.prefix_count("10.0.0.1"), list(rib.left_out["10.0.0.1"])) == (0, 10, [])


def test_prefixes_with_the_same_paths_share_one_choice() -> None:
    rib = Rib(config())
    for neighbor in ("10.0.0.1", "10.0.0.2"):
        for first in range(0, 1000, 100):
            rib.receive(replace(flood(first, 100), neighbor=neighbor, next_hop=neighbor))
    assert len({id(rib.best(prefix)) for prefix in MANY}) == 1
    assert len(rib.receive(SessionDown("10.0.0.2", ""))) == len(MANY)
