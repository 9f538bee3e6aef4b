"""The decision process against one that compares each path with each, in the words of the RFCs."""

import ipaddress
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.bgp.decision import Path, best_paths
from control.bgp.model import Origin, PathAttributes

NEIGHBORS = ["10.0.0.9", "10.0.0.10", "10.0.0.1", "fd00::1", "fd00::a"]
COSTS = {"192.0.2.1": 10, "192.0.2.2": 20, "192.0.2.3": None}
ROUTER_IDS = ["10.255.0.1", "10.255.0.2", "9.255.0.3"]

attributes = st.builds(
    PathAttributes,
    st.sampled_from(Origin),
    st.lists(st.sampled_from([65001, 65002]), max_size=2).map(tuple),
    st.none(),
    st.sampled_from([None, 0, 5]),
    originator_id=st.sampled_from([None, *ROUTER_IDS]),
    cluster_list=st.lists(st.sampled_from(ROUTER_IDS), max_size=2).map(tuple),
)
paths = st.builds(
    Path,
    st.sampled_from(NEIGHBORS),
    st.sampled_from(list(COSTS)),
    attributes,
    st.sampled_from([0, 100]),
    st.booleans(),
    st.sampled_from(ROUTER_IDS),
)
several = st.lists(paths, max_size=5, unique_by=lambda path: path.neighbor)


def cost(path: Path) -> int | None:
    return COSTS[path.next_hop]


def more_preferred(one: Path, other: Path) -> bool:
    return one.preference > other.preference


def shorter(one: Path, other: Path) -> bool:
    return len(one.attributes.as_path) < len(other.attributes.as_path)


def better_origin(one: Path, other: Path) -> bool:
    order = [Origin.IGP, Origin.EGP, Origin.INCOMPLETE]
    return order.index(one.attributes.origin) < order.index(other.attributes.origin)


def lower_med(one: Path, other: Path) -> bool:
    same_neighbor_as = one.attributes.as_path[:1] == other.attributes.as_path[:1]
    return same_neighbor_as and (one.attributes.med or 0) < (other.attributes.med or 0)


def external(one: Path, other: Path) -> bool:
    return other.internal and not one.internal


def nearer(one: Path, other: Path) -> bool:
    return (cost(one) or 0) < (cost(other) or 0)


def lower_identifier(one: Path, other: Path) -> bool:
    first, second = (
        ipaddress.ip_address(path.attributes.originator_id or path.router_id) for path in (one, other)
    )
    return int(first) < int(second)


def fewer_clusters(one: Path, other: Path) -> bool:
    return len(one.attributes.cluster_list) < len(other.attributes.cluster_list)


def lower_address(one: Path, other: Path) -> bool:
    first, second = (ipaddress.ip_address(path.neighbor) for path in (one, other))
    return (first.version, int(first)) < (second.version, int(second))


BEFORE_TIE_BREAKS = [more_preferred, shorter, better_origin, lower_med, external, nearer]
TIE_BREAKS = [lower_identifier, fewer_clusters, lower_address]


def unbeaten(found: list[Path], steps: list[Callable[[Path, Path], bool]]) -> list[Path]:
    for beats in steps:
        found = [path for path in found if not any(beats(other, path) for other in found)]
    return found


@given(several)
def test_what_is_chosen_is_what_no_other_path_beats_step_by_step(found: list[Path]) -> None:
    resolvable = [path for path in found if cost(path) is not None]
    chosen = best_paths(found, cost)
    assert set(chosen) == set(unbeaten(resolvable, [*BEFORE_TIE_BREAKS]))
    assert list(chosen[:1]) == unbeaten(resolvable, [*BEFORE_TIE_BREAKS, *TIE_BREAKS])


@given(several, st.randoms(use_true_random=False))
def test_the_order_of_the_paths_does_not_matter(found: list[Path], random: object) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert best_paths(shuffled, cost) == best_paths(found, cost)


ONE, TWO = PathAttributes(Origin.IGP, (65001,)), PathAttributes(Origin.IGP, (65001, 65002))
NEAR, FAR, LOST = COSTS


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (Path("fd00::1", FAR, TWO), Path("10.0.0.1", LOST, ONE)),
        (Path("fd00::1", FAR, TWO, preference=200), Path("10.0.0.1", NEAR, ONE)),
        (Path("fd00::1", FAR, ONE, internal=True), Path("10.0.0.1", NEAR, TWO)),
        (Path("fd00::1", FAR, ONE), Path("10.0.0.1", NEAR, ONE, internal=True)),
        (Path("fd00::1", NEAR, ONE, internal=True), Path("10.0.0.1", FAR, ONE, internal=True)),
    ],
)
def test_an_earlier_step_decides_before_a_later_one(better: Path, worse: Path) -> None:
    assert best_paths([worse, better], cost) == (better,)


def test_med_decides_only_between_paths_of_one_neighboring_as() -> None:
    def path(neighbor: str, asn: int, med: int) -> Path:
        return Path(neighbor, NEAR, PathAttributes(Origin.IGP, (asn,), med=med))

    dear, cheap, other = path("10.0.0.1", 65001, 10), path("10.0.0.2", 65001, 5), path("10.0.0.3", 65002, 900)
    assert best_paths([dear, cheap, other], cost) == (cheap, other)
