"""What is told of BFD beside a link and beside a BGP session: what its own links have, in its family."""

from netns_lab.bfd_views import bfd_by_link, bfd_by_session
from netns_lab.planning import plan_lab
from netns_lab.topology import parse_topology

from control.bfd.packet import Diagnostic
from control.bfd.state import BfdState, words

PLAN = plan_lab(
    parse_topology("""
name: x
nodes: {a: {bgp: {asn: 1}}, b: {bgp: {asn: 1}}, c: {bgp: {asn: 2}}}
links:
  - {name: ab1, endpoints: a-b}
  - {name: ab2, endpoints: a-b}
  - {name: bc, endpoints: b-c}
"""),
    bytes,
)


def told(node: str, interface: str, family: str, state: str) -> dict[tuple[str, str, str], BfdState]:
    why = words(Diagnostic.NONE)
    details = (50_000, 3, 50_000, 50_000, 3, 150_000)
    known = BfdState(node, interface, family, "169.254.1.1", state, 2 * 10**9, why, False, *details)
    return {(node, interface, family): known}


TOLD = told("b", "eth1", "ipv4", "up") | told("b", "eth2", "ipv4", "down") | told("b", "eth3", "ipv6", "up")


def test_a_session_inside_an_as_has_bfd_on_each_of_its_links() -> None:
    found = bfd_by_session(PLAN, TOLD, 5 * 10**9)
    inside = found["b", "10.255.0.1"]
    assert [(it["interface"], it["state"], it["since_s"]) for it in inside] == [
        ("eth1", "up", 3.0),
        ("eth2", "down", 3.0),
    ]
    assert found["a", "10.255.0.2"] == [], "nobody told of this end"
    far = next(s for s in PLAN.sessions_over("bc") if s.family == "ipv6").seen_from("b")[1]
    assert [it["interface"] for it in found["b", far.address]] == ["eth3"]


def test_a_link_has_the_sessions_of_both_ends_and_families() -> None:
    found = bfd_by_link(PLAN, TOLD | told("a", "eth1", "ipv4", "up"), 5 * 10**9)
    assert [(it["node"], it["state"]) for it in found["ab1"]] == [("a", "up"), ("b", "up")]
    assert found["bc"][0]["family"] == "ipv6"
