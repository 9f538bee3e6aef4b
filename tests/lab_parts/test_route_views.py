"""What `inspect routes` makes of routes: a row for each nexthop group, and the choice of some of them."""

from typing import Any

import pytest
from netns_lab.directory import LabError
from netns_lab.installed_routes import InstalledRoute
from netns_lab.route_views import Chosen, read_within, route_rows, summary_rows

CHANNELS = (("169.254.1.1", "ch1"), ("169.254.1.3", "ch2"))
PREFIXES = [f"20.0.{number}.0/24" for number in range(5)]


def route(node: str, prefix: str, nhid: int) -> dict[str, Any]:
    hops = [{"gateway": gateway, "interface": interface} for gateway, interface in CHANNELS]
    return {"node": node, "prefix": prefix, "nhid": nhid, "next_hops": hops}


def test_the_routes_of_a_group_are_one_row_with_their_number_and_the_first_of_them() -> None:
    document = {"routes": [*(route("aws", prefix, 7) for prefix in PREFIXES), route("gcp", "10.0.0.0/8", 7)]}
    hops = "169.254.1.1%ch1 169.254.1.3%ch2"
    assert summary_rows(document) == [
        ("aws", 5, "20.0.0.0/24 20.0.1.0/24 20.0.2.0/24 ...", 7, 2, hops),
        ("gcp", 1, "10.0.0.0/8", 7, 2, hops),
    ]
    assert [row[1] for row in route_rows(document)] == [*PREFIXES, "10.0.0.0/8"]


@pytest.mark.parametrize(
    ("within", "found"),
    [("20.0.1.9", ["20.0.1.0/24"]), ("20.0.0.0/23", PREFIXES[:2]), ("21.0.0.0/8", []), ("::/0", [])],
)
def test_routes_are_chosen_by_what_contains_a_prefix_and_by_what_is_in_it(
    within: str, found: list[str]
) -> None:
    chosen = Chosen(within=read_within(within))
    assert [prefix for prefix in PREFIXES if InstalledRoute(prefix, 7, CHANNELS) in chosen] == found


def test_what_is_no_prefix_is_refused() -> None:
    with pytest.raises(LabError, match=r"found '20\.0\.0\.1/24', expected a prefix or an address"):
        read_within("20.0.0.1/24")
