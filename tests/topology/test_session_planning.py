"""BGP and BFD sessions of a topology: which there are, with which timers and settings."""

import secrets

from netns_lab.plan import BfdEnd, GroupPlan, InteriorRoute, LabPlan, NextHop
from netns_lab.planning import plan_lab
from netns_lab.topology import parse_topology

from control.bgp.policy import LimitAction, MaximumPrefixes, PrefixRange, Term

AS = """
name: x
nodes:
  a: {bgp: {asn: 1, announce: [10.1.0.0/16]}}
  b: {bgp: {asn: 1}}
  c: {bgp: {asn: 1, neighbors: {b: {next_hop_self: NHS, route_reflector_client: true}}}}
  d: {bgp: {asn: 2, announce: [10.2.0.0/16]}}
links:
  - {name: ab1, endpoints: a-b}
  - {name: ab2, endpoints: a-b, cost: 20}
  - {name: bc, endpoints: b-c}
  - {name: cd, endpoints: c-d}
"""


def plan(text: str, running: LabPlan | None = None) -> LabPlan:
    return plan_lab(parse_topology(text, known=lambda name: running), secrets.token_bytes, running)


def test_inside_an_as_there_is_one_session_a_family_between_loopbacks() -> None:
    lab = plan(AS.replace("NHS", "true"))
    inside = [session for session in lab.sessions if session.internal]
    assert [(session.family, session.links) for session in inside] == [
        ("ipv4", ("ab1", "ab2")),
        ("ipv6", ("ab1", "ab2")),
        ("ipv4", ("bc",)),
        ("ipv6", ("bc",)),
    ]
    local, peer = inside[0].seen_from("b")
    assert (local.address, local.interface, peer.address) == ("10.255.0.2", "lo", "10.255.0.1")
    assert len({session.password.reveal() for session in lab.sessions}) == 3
    assert {session.family for session in lab.sessions_over("ab2")} == {"ipv4", "ipv6"}
    local, peer = inside[2].seen_from("c")
    assert (local.settings.next_hop_self, local.settings.route_reflector_client) == (True, True)
    assert (peer.settings.next_hop_self, peer.settings.route_reflector_client) == (False, False)


def test_routers_of_an_as_have_routes_to_all_loopbacks_of_it_and_are_known_by_theirs() -> None:
    lab = plan(AS.replace("NHS", "true"))
    (ab1,) = (end.addresses[0].partition("/")[0] for end in lab.link("ab1").ends if end.node == "b")
    first_hop = (NextHop(ab1, "eth1"),)
    ipv4 = [route for route in lab.node("a").interior if ":" not in route.prefix]
    assert ipv4 == [
        InteriorRoute("10.255.0.2/32", first_hop, 10),
        InteriorRoute("10.255.0.3/32", first_hop, 20),
    ]
    assert lab.node("d").interior == ()
    assert lab.hosts["c"] == ("10.255.0.3", "fd00:255::3")


def test_a_router_that_leaves_next_hops_as_they_are_is_the_way_to_them() -> None:
    lab = plan(AS.replace("NHS", "false"))
    far = next(end.addresses[0] for end in lab.link("cd").ends if end.node == "d").partition("/")[0]
    assert [(route.prefix, route.cost) for route in lab.node("b").interior if ":" not in route.prefix] == [
        ("10.255.0.1/32", 10),
        ("10.255.0.3/32", 10),
        (f"{far}/32", 10),
    ]


def test_without_peering_there_is_no_session_and_still_a_way_inside_an_as() -> None:
    lab = plan(AS.replace("NHS", "true").replace("endpoints: a-b", "endpoints: a-b, peer: false"))
    assert {session.links for session in lab.sessions} == {("bc",), ("cd",)}
    assert len(lab.node("a").interior) == 4
    assert len(lab.link("ab2").bfd) == 2


def test_a_password_of_an_as_outlives_a_change_of_links() -> None:
    running = plan(AS.replace("NHS", "true"))
    wanted = plan(AS.replace("NHS", "true").replace("  - {name: ab1, endpoints: a-b}\n", ""), running)
    kept = {session.password for session in wanted.sessions}
    assert kept == {session.password for session in running.sessions}


TWO = """
name: x
nodes:
  r1: {groups: [left], bgp: {asn: 1, SETTINGS}}
  r2: {bgp: {asn: 2}}
links:
  - {name: ch1, endpoints: r1-r2, groups: [left, all]}
  - {name: ch2, endpoints: r1-r2, groups: [all]}
"""


def test_a_profile_gives_the_timers_that_are_not_given() -> None:
    for settings, hold_time_s, bfd in (
        ("profile: lab", 3, (50_000, 3)),
        ("profile: aws", 90, (300_000, 3)),
        ("profile: google", 60, (1_000_000, 5)),
        ("profile: azure", 180, (300_000, 3)),
        ("profile: google, hold_time: 9s, bfd: {interval: 3ms}", 9, (3_000, 5)),
        ("bfd: {multiplier: 255}", 3, (50_000, 255)),
    ):
        lab = plan(TWO.replace("SETTINGS", settings))
        assert {session.seen_from("r1")[0].hold_time_s for session in lab.sessions} == {hold_time_s}
        ends = [session.seen_from("r1") for link in lab.links for session in link.bfd]
        assert {(local.interval_us, local.multiplier) for local, _ in ends} == {bfd}
        assert {(peer.interval_us, peer.multiplier) for _, peer in ends} == {(50_000, 3)}


def test_bfd_is_on_each_link_in_each_family_unless_one_end_wants_none() -> None:
    lab = plan(TWO.replace(", SETTINGS", ""))
    assert [session.family for session in lab.link("ch2").bfd] == ["ipv4", "ipv6"]
    local = lab.link("ch1").bfd[0].seen_from("r2")[0]
    assert local == BfdEnd("r2", "eth1", "169.254.1.1", 50_000, 3)
    assert all(link.bfd == () for link in plan(TWO.replace("SETTINGS", "bfd: false")).links)


def test_terms_of_a_link_hold_for_its_sessions_alone() -> None:
    settings = """neighbors: {r2: {
      import: [{prefixes: [10.2.0.0/16 le 24], links: [ch1], local_preference: 200},
               {communities: [no-export], action: reject}],
      export: [{links: [ch2], prepend: 2, med: 7, add_communities: ["1:2"]}],
      maximum_prefixes: 9}}"""
    lab = plan(TWO.replace("SETTINGS", settings))
    first, second = (lab.sessions_over(name)[0].seen_from("r1")[0].settings for name in ("ch1", "ch2"))
    reject = Term(communities=(0xFFFFFF01,), accept=False)
    preferred = Term((PrefixRange("10.2.0.0/16", 16, 24),), local_pref=200)
    assert (first.import_terms, first.export_terms) == ((preferred, reject), ())
    dear = Term(prepend=2, med=7, add_communities=(0x10002,))
    assert (second.import_terms, second.export_terms) == ((reject,), (dear,))
    assert first.maximum_prefixes == MaximumPrefixes(9, LimitAction.SHUTDOWN)
    assert lab.sessions_over("ch1")[0].seen_from("r2")[0].settings.import_terms == ()


def test_groups_hold_the_nodes_and_links_that_name_them() -> None:
    lab = plan(TWO.replace(", SETTINGS", ""))
    assert lab.groups == {"all": GroupPlan((), ("ch1", "ch2")), "left": GroupPlan(("r1",), ("ch1",))}
