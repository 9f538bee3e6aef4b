"""The RIB against a model that keeps every path in a list and decides from the words of RFC 4271."""

import ipaddress
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from control.bgp.model import (
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
from control.bgp.rib import Path, Rib

LOCAL_ASN = 64512
FAMILY = AddressFamily.IPV4_UNICAST
NEIGHBORS = ["10.0.0.9", "10.0.0.10", "10.0.0.1", "fd00::1"]
PREFIXES = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"]
PREFERENCES = {"10.0.0.9": 200}

attributes = st.builds(
    PathAttributes,
    st.sampled_from(Origin),
    st.lists(st.sampled_from([LOCAL_ASN, 65001, 65002, 65003]), max_size=3).map(tuple),
    st.sampled_from([None, 0, 500]),
    st.sampled_from([None, 0, 5, 7]),
)
neighbors = st.sampled_from(NEIGHBORS)
prefixes = st.lists(st.sampled_from(PREFIXES), unique=True).map(tuple)
events = st.one_of(
    st.builds(Announce, neighbors, st.just(FAMILY), st.just("10.0.0.254"), attributes, prefixes),
    st.builds(Withdraw, neighbors, st.just(FAMILY), prefixes),
    st.builds(SessionUp, neighbors),
    st.builds(SessionDown, neighbors, st.just("")),
    st.builds(EndOfRib, neighbors, st.just(FAMILY)),
)


class Model:
    """Every path there is, and a decision made by comparing each with each."""

    def __init__(self, preferences: dict[str, int]) -> None:
        self.preferences = preferences
        self.paths: list[tuple[str, Path]] = []

    def receive(self, event: Event) -> None:
        match event:
            case SessionUp(neighbor) | SessionDown(neighbor, _):
                self.paths = [entry for entry in self.paths if entry[1].neighbor != neighbor]
            case Announce(neighbor, _, _, _, prefixes) | Withdraw(neighbor, _, prefixes):
                self.paths = [
                    entry for entry in self.paths if entry[1].neighbor != neighbor or entry[0] not in prefixes
                ]
        if isinstance(event, Announce) and LOCAL_ASN not in event.attributes.as_path:
            preference = self.preferences.get(event.neighbor, 100)
            path = Path(event.neighbor, event.next_hop, replace(event.attributes, local_pref=preference))
            self.paths += [(prefix, path) for prefix in event.prefixes]

    def best(self, prefix: str) -> tuple[Path, ...]:
        paths = [path for known, path in self.paths if known == prefix]
        for beats in (more_preferred, shorter, better_origin, lower_med):
            paths = [path for path in paths if not any(beats(other, path) for other in paths)]
        return tuple(
            sorted(paths, key=lambda path: ipaddress.ip_address(path.neighbor).packed.rjust(16, b"\0"))
        )


def more_preferred(one: Path, other: Path) -> bool:
    return (one.attributes.local_pref or 0) > (other.attributes.local_pref or 0)


def shorter(one: Path, other: Path) -> bool:
    return len(one.attributes.as_path) < len(other.attributes.as_path)


def better_origin(one: Path, other: Path) -> bool:
    order = [Origin.IGP, Origin.EGP, Origin.INCOMPLETE]
    return order.index(one.attributes.origin) < order.index(other.attributes.origin)


def lower_med(one: Path, other: Path) -> bool:
    same_neighbor_as = one.attributes.as_path[:1] == other.attributes.as_path[:1]
    return same_neighbor_as and (one.attributes.med or 0) < (other.attributes.med or 0)


@given(st.lists(events, max_size=30))
def test_best_paths_are_those_of_the_model_and_every_change_is_reported(history: Sequence[Event]) -> None:
    rib, model = Rib(LOCAL_ASN, PREFERENCES), Model(PREFERENCES)
    for event in history:
        before = {prefix: model.best(prefix) for prefix in PREFIXES}
        model.receive(event)
        after = {prefix: model.best(prefix) for prefix in PREFIXES}
        assert rib.receive(event) == {prefix for prefix in PREFIXES if before[prefix] != after[prefix]}
        assert {prefix: rib.best(prefix) for prefix in PREFIXES} == after
    assert set(rib.prefixes()) == {prefix for prefix in PREFIXES if model.best(prefix)}


@given(st.lists(st.tuples(neighbors, attributes), unique_by=lambda pair: pair[0]), st.randoms())
def test_the_order_of_arrival_does_not_matter(
    paths: list[tuple[str, PathAttributes]], random: object
) -> None:
    def best_after(order: list[tuple[str, PathAttributes]]) -> tuple[Path, ...]:
        rib = Rib(LOCAL_ASN)
        for neighbor, carried in order:
            rib.receive(Announce(neighbor, FAMILY, "10.0.0.254", carried, (PREFIXES[0],)))
        return rib.best(PREFIXES[0])

    shuffled = list(paths)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert best_after(shuffled) == best_after(paths)


def announce(neighbor: str, path: tuple[int, ...] = (65001,), **fields: object) -> Announce:
    carried = replace(PathAttributes(Origin.IGP, path), **fields)  # type: ignore[arg-type]
    return Announce(neighbor, FAMILY, neighbor, carried, (PREFIXES[0],))


def test_equal_paths_are_all_used_in_order_of_address_up_to_the_limit() -> None:
    rib = Rib(LOCAL_ASN, maximum_paths=3)
    for last in (10, 9, 1, 2):
        rib.receive(announce(f"10.0.0.{last}"))
    assert [path.neighbor for path in rib.best(PREFIXES[0])] == ["10.0.0.1", "10.0.0.2", "10.0.0.9"]


def test_a_neighbors_local_pref_is_ignored_and_ours_decides() -> None:
    rib = Rib(LOCAL_ASN, {"10.0.0.2": 50})
    rib.receive(announce("10.0.0.1"))
    assert rib.receive(announce("10.0.0.2", local_pref=4000)) == set()
    assert [path.neighbor for path in rib.best(PREFIXES[0])] == ["10.0.0.1"]


def test_a_loop_replaces_the_path_before_it_with_none() -> None:
    rib = Rib(LOCAL_ASN)
    rib.receive(announce("10.0.0.1"))
    assert rib.receive(announce("10.0.0.1", (65001, LOCAL_ASN))) == {PREFIXES[0]}
    assert rib.best(PREFIXES[0]) == ()


def test_med_decides_only_between_paths_of_one_neighboring_as() -> None:
    rib = Rib(LOCAL_ASN)
    rib.receive(announce("10.0.0.1", (65001,), med=10))
    rib.receive(announce("10.0.0.2", (65001,), med=5))
    rib.receive(announce("10.0.0.3", (65002,), med=900))
    assert [path.neighbor for path in rib.best(PREFIXES[0])] == ["10.0.0.2", "10.0.0.3"]
