"""What a changed topology asks of a running lab: every change in words, and a way that keeps what stays."""

import secrets
from ipaddress import ip_interface
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netns_lab.difference import Difference, plan_change
from netns_lab.plan import LabPlan
from netns_lab.planning import plan_lab
from netns_lab.topology import parse_topology

BEFORE = """
name: x
nodes:
  r1: {bgp: {asn: 1, announce: [10.1.0.0/16]}}
  r2: {bgp: {asn: 2, announce: [10.2.0.0/16]}}
  h1: {env: {A: b}, sysctl: {net.ipv4.ip_default_ttl: 9}}
links:
  - {name: ch1, endpoints: ["r1:ch1", "r2:ch1"]}
  - {name: ch2, endpoints: ["r1:ch2", "r2:ch2"]}
  - {name: lan1, type: plain, endpoints: ["h1:eth0", "r1:lan1"]}
"""


def difference(before: str, after: str) -> Difference:
    running = plan_lab(parse_topology(before), secrets.token_bytes)
    topology = parse_topology(after, known=lambda name: running)
    return plan_change(topology, running, secrets.token_bytes)


def replaced(*changes: tuple[str, str]) -> str:
    text = BEFORE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


WORDS = {
    "nothing": ((("nodes:", "nodes: # a remark"),), []),
    "a link more": (
        (("  - {name: lan1", "  - {name: ch3, endpoints: r1-r2}\n  - {name: lan1"),),
        ["link ch3 added"],
    ),
    "a host and its link less": (
        (
            ("  h1: {env: {A: b}, sysctl: {net.ipv4.ip_default_ttl: 9}}\n", ""),
            ('  - {name: lan1, type: plain, endpoints: ["h1:eth0", "r1:lan1"]}\n', ""),
        ),
        ["node h1 removed", "link lan1 removed"],
    ),
    "loss": (
        (('"r2:ch1"]', '"r2:ch1"], impair: {r1-r2: {loss: 0.1%}}'),),
        ["link ch1 changed: re-impaired r1-r2: none -> loss=0.1%"],
    ),
    "mtu": (
        (('"r2:ch2"]', '"r2:ch2"], mtu: 1400'),),
        ["link ch2 made anew: mtu 1500 -> 1400"],
    ),
    "MACsec": (
        (('"r2:ch2"]', '"r2:ch2"], macsec: {replay_window: 0, sak: "SAK"}'.replace("SAK", "5a" * 32)),),
        ["link ch2 made anew: replay window 64 -> 0, SAK"],
    ),
    "protection": (
        (('"r2:ch2"]', '"r2:ch2"], macsec: {encrypt: false, bypass: [lldp], next_pn: 9}'),),
        ["link ch2 made anew: encrypt true -> false, bypass none -> 0x88cc, next pn none -> 9"],
    ),
    "type": (
        (('"r2:ch2"]', '"r2:ch2"], type: plain'),),
        ["link ch2 made anew: type macsec -> plain"],
    ),
    "port": (
        (('"r2:ch2"]', '"r2:ch2"], port: xdp'),),
        ["link ch2 made anew: port tap -> xdp"],
    ),
    "endpoints": (
        (("r2:ch2", "r2:eth9"),),
        ["link ch2 made anew: endpoints r1:ch2 r2:ch2 -> r1:ch2 r2:eth9"],
    ),
    "addresses": (
        (('"r2:ch2"]', '"r2:ch2"], addresses: {r1: [10.9.0.1/30]}'),),
        [
            "link ch2 made anew: addresses of r1 169.254.1.2/31 fd00:169::2/127 -> 10.9.0.1/30, "
            "addresses of r2 169.254.1.3/31 fd00:169::3/127 -> 10.9.0.2/30, no ipv6 BGP session"
        ],
    ),
    "no peering": (
        (('"r2:ch2"]', '"r2:ch2"], peer: false'),),
        ["link ch2 changed: no ipv4 BGP session, no ipv6 BGP session, BFD 50ms x 3 -> off"],
    ),
    "announcements": (
        (("[10.2.0.0/16]", "[10.2.0.0/16, 10.3.0.0/16]"),),
        ["node r2 changed: announces +10.3.0.0/16"],
    ),
    "secrets": (
        (("asn: 2", "asn: 2, password: hunter2, hold_time: 9s"),),
        ["link ch1 changed: BGP password, BGP hold time", "link ch2 changed: BGP password, BGP hold time"],
    ),
    "policy": (
        (("asn: 1,", "asn: 1, neighbors: {r2: {import: [{links: [ch2], med: 9}], maximum_prefixes: 5}},"),),
        [
            "link ch1 changed: r1's maximum prefixes for r2",
            "link ch2 changed: r1's import terms for r2, r1's maximum prefixes for r2",
        ],
    ),
    "profile": (
        (("asn: 1,", "asn: 1, profile: google,"),),
        [
            "link ch1 changed: BGP hold time, BFD 50ms x 3 -> 1s x 5/50ms x 3",
            "link ch2 changed: BGP hold time, BFD 50ms x 3 -> 1s x 5/50ms x 3",
        ],
    ),
    "cost": (
        (("nodes:", "defaults: {link: {cost: 5}}\nnodes:"),),
        [f"link {name} changed: cost 10 -> 5" for name in ("ch1", "ch2", "lan1")],
    ),
    "groups": ((('r2:ch1"]', 'r2:ch1"], groups: [left]'),), []),
    "in place": (
        (("{A: b}", "{A: c, D: e}"), ("ttl: 9", "ttl: 10"), ("h1: {", "h1: {loopback: [10.8.0.1/32], ")),
        [
            "node h1 changed: loopback +10.8.0.1/32, loopback -10.255.0.3/32, loopback -fd00:255::3/128, "
            "sysctl +net.ipv4.ip_default_ttl=10, sysctl -net.ipv4.ip_default_ttl=9, env +A=c, env +D=e, "
            "env -A=b"
        ],
    ),
    "made anew with its links": (
        ((", sysctl: {net.ipv4.ip_default_ttl: 9}", ", files: {/etc/motd: secret}"),),
        [
            "node h1 made anew: sysctl -net.ipv4.ip_default_ttl=9, files",
            "link lan1 made anew: with node h1",
        ],
    ),
}


@pytest.mark.parametrize(("changes", "words"), WORDS.values(), ids=WORDS)
def test_every_change_is_told(changes: tuple[tuple[str, str], ...], words: list[str]) -> None:
    found = difference(BEFORE, replaced(*changes))
    assert [str(change) for change in found.changes] == words
    assert bool(found.stages()) == (found.running != found.wanted)


def test_a_link_that_is_replaced_stays_until_the_new_one_is_there() -> None:
    found = difference(BEFORE, replaced(("name: ch2", "name: ch9"), (":ch2", ":ch9")))
    names = [[link.name for link in plan.links] for plan in found.stages()]
    assert names == [["ch1", "lan1"], ["ch1", "ch9", "lan1"]], "it takes the addresses that ch2 leaves"
    given = ", addresses: {r1: [10.9.0.1/30], r2: [10.9.0.2/30]}"
    found = difference(
        BEFORE, replaced(('ch2", "r2:ch2"]', f'ch9", "r2:ch9"]{given}'), ("name: ch2", "name: ch9"))
    )
    names = [[link.name for link in plan.links] for plan in found.stages()]
    assert names == [["ch1", "ch9", "lan1", "ch2"], ["ch1", "ch9", "lan1"]]


NODES = [f"r{n}" for n in range(3)] + [f"h{n}" for n in range(3)]
POOL = [(one, other, number) for one, other in combinations(NODES, 2) for number in (1, 2)]


@st.composite
def topologies(draw: st.DrawFn) -> str:
    """Some of the nodes with variations, and some of the links between them."""
    nodes = draw(st.lists(st.sampled_from(NODES), min_size=2, unique=True))
    lines = ["name: x\nnodes:\n"]
    for name in nodes:
        extra = draw(st.sampled_from(["", "", ", env: {A: b}", ", exec: [ls]"]))
        bgp = (
            f"bgp: {{asn: {1 + int(name[1]) // 2}, announce: [10.{name[1]}.0.0/16]}}"
            if name[0] == "r"
            else "kind: host"
        )
        lines.append(f"  {name}: {{{bgp}{extra}}}\n")
    links = draw(st.lists(st.sampled_from(POOL), unique=True, max_size=8))
    chosen = [
        f"  - {{name: {one}{other}{number}, endpoints: {one}-{other}{draw(extras)}}}\n"
        for one, other, number in links
        if one in nodes and other in nodes
    ]
    return "".join(lines) + "links:\n" + ("".join(chosen) or "  []\n")


extras = st.sampled_from(["", "", "", ", mtu: 1400", ", impair: {loss: 1%}", ", type: plain"])


def check_whole(plan: LabPlan) -> None:
    """A plan that a lab can be at: nodes and links agree, nothing is there twice."""
    ends = [end for link in plan.links for end in link.ends]
    assert sorted(map(str, ends)) == sorted(str(end) for node in plan.nodes for end in node.interfaces)
    places = [(end.node, end.name) for end in ends]
    assert len(places) == len(set(places))
    for node in plan.nodes:
        networks = [
            {ip_interface(address).network for address in interface.addresses}
            for interface in node.interfaces
        ]
        for ours, theirs in combinations(networks, 2):
            assert not any(a.version == b.version and a.overlaps(b) for a in ours for b in theirs)
    assert plan.hosts.keys() == {node.name for node in plan.nodes}
    for node in plan.nodes:
        interfaces = {interface.name for interface in node.interfaces}
        hops = [hop for route in node.default_routes for hop in route.next_hops]
        hops += [hop for route in node.interior for hop in route.next_hops]
        assert {hop.interface for hop in hops} <= interfaces
    joined = {link.name: {end.node for end in link.ends} for link in plan.links}
    for session in plan.sessions:
        assert all(joined[link] == {end.node for end in session.ends} for link in session.links)
    pairs = [frozenset(end.address for end in session.ends) for session in plan.sessions]
    assert len(pairs) == len(set(pairs))


@settings(max_examples=60, deadline=None)
@given(topologies(), topologies())
def test_the_way_from_any_lab_to_any_other_leaves_alone_what_stays(before: str, after: str) -> None:
    found = difference(before, after)
    stages = [found.running, *found.stages()]
    assert stages[-1] == found.wanted
    stays = {link.name for link in found.running.links} & {link.name for link in found.wanted.links}
    stays -= found.named("link", "made anew")
    for earlier, later in pairwise(stages):
        check_whole(later)
        for name in stays:
            assert earlier.link(name).wire == later.link(name).wire
        for name in {link.name for link in earlier.links} & {link.name for link in later.links}:
            assert earlier.link(name).wire == later.link(name).wire, "a link cannot change under its name"
    assert difference(before, before).changes == ()
