"""The plan of a lab: addresses, sessions, routes, names; the same in every run and without collisions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_interface, ip_network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netns_lab.addressing import AddressError
from netns_lab.keys import given_keys
from netns_lab.plan import DefaultRoute, LabPlan, NextHop, Secret
from netns_lab.planning import plan_lab
from netns_lab.speakers import speaker_config
from netns_lab.topology import Problem, Topology, TopologyError, load_topology, parse_topology

from dataplane.links.specification import Impairment

QUAD = Path(__file__).parents[2] / "netns-lab" / "topologies" / "quad.yaml"


def octets(length: int) -> bytes:
    return bytes(range(length))


def plan(text: str) -> LabPlan:
    return plan_lab(parse_topology(text), octets)


def addresses(lab: LabPlan, link: str) -> list[tuple[str, ...]]:
    return [end.addresses for end in lab.link(link).ends]


def test_quad_is_two_clouds_with_four_channels_and_eight_sessions() -> None:
    lab = plan_lab(load_topology(QUAD), octets)
    channels = [link for link in lab.links if link.type == "macsec"]
    assert [link.name for link in channels] == ["ch1", "ch2", "ch3", "ch4"]
    assert [node.namespace for node in lab.nodes if node.kind == "host"] == [
        "quad-aws-h1",
        "quad-aws-h2",
        "quad-gcp-h1",
        "quad-gcp-h2",
    ]
    assert len(lab.sessions_of("aws")) == len(lab.sessions_of("gcp")) == 8
    assert lab.sessions_of("aws-h1") == ()
    assert lab.hosts["gcp-h2"] == ("10.2.1.2", "fd02:0:0:1::2")
    assert addresses(lab, "ch2") == [
        ("169.254.1.2/31", "fd00:169::2/127"),
        ("169.254.1.3/31", "fd00:169::3/127"),
    ]
    assert addresses(lab, "aws-lan1") == [("10.1.0.1/24", "fd01::1/64"), ("10.1.0.2/24", "fd01::2/64")]


def test_a_session_looks_different_from_its_two_ends() -> None:
    lab = plan_lab(load_topology(QUAD), octets)
    ipv4, ipv6 = lab.sessions_over("ch1")
    local, peer = ipv4.seen_from("gcp")
    assert (local.node, local.interface, local.address, local.asn, local.hold_time_s) == (
        "gcp",
        "ch1",
        "169.254.1.1",
        64513,
        3,
    )
    assert (peer.node, peer.address, peer.asn) == ("aws", "169.254.1.0", 64512)
    assert (ipv6.family, ipv6.seen_from("aws")[1].address) == ("ipv6", "fd00:169::1")


def test_the_plan_is_the_same_in_every_process() -> None:
    program = (
        "import sys, json; from netns_lab.planning import plan_lab;"
        "from netns_lab.topology import load_topology;"
        "print(json.dumps(plan_lab(load_topology(sys.argv[1]), bytes).as_json()))"
    )
    path = [*sys.path]
    runs = {
        subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path[:] = {path!r}; {program}", str(QUAD)],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


def test_dataclasses_cost_no_pydantic_and_no_yaml() -> None:
    program = (
        f"import sys; sys.path[:] = {sys.path!r}; import netns_lab.plan;"
        "assert not {'pydantic', 'ruamel', 'ruamel.yaml'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_each_link_gets_a_password_of_its_own_and_both_families_share_it() -> None:
    drawn = iter(range(100))
    lab = plan_lab(load_topology(QUAD), lambda length: bytes([next(drawn)] * length))
    passwords = [
        {session.password.reveal() for session in lab.sessions_over(link.name)} for link in lab.links[:4]
    ]
    assert [len(group) for group in passwords] == [1, 1, 1, 1]
    assert len(set.union(*passwords)) == 4


def test_secrets_show_in_no_text_of_the_plan() -> None:
    sak, password = "5a" * 32, "hunter2hunter2"
    text = f"""
name: x
nodes: {{a: {{bgp: {{asn: 1, password: {password}}}}}, b: {{bgp: {{asn: 2}}}}}}
links: [{{endpoints: a-b, macsec: {{sak: "{sak}"}}}}, {{endpoints: a-b}}]
"""
    lab = plan(text)
    given, open_ = (link.macsec for link in lab.links)
    assert given
    assert open_
    assert given.given_key != open_.given_key is None
    assert {session.password.reveal() for session in lab.sessions_of("b")} == {password}
    for told in (repr(lab), str(lab), json.dumps(lab.as_json()), str(given_keys(parse_topology(text)))):
        assert password not in told
        assert sak not in told
        assert repr(bytes.fromhex(sak)) not in told


def test_secrets_are_equal_by_value() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1


def test_given_addresses_stay_and_planned_ones_avoid_them() -> None:
    lab = plan("""
name: x
nodes:
  r1: {bgp: {asn: 1, announce: [10.1.0.0/16]}, loopback: [10.255.0.2/32]}
  r2: {bgp: {asn: 2, announce: [10.1.2.0/24]}}
  h1: {}
  h2: {}
  h3: {}
links:
  - {name: a, endpoints: r1-r2, addresses: {r1: [169.254.1.0/31, "fd00:169::5/126"]}}
  - {name: b, endpoints: r1-r2}
  - {name: c, endpoints: h1-r1, addresses: {h1: [10.1.0.9/24], r1: [10.1.0.1/24]}}
  - {name: d, endpoints: h2-r1}
  - {name: e, endpoints: h3-r1}
""")
    assert addresses(lab, "a") == [
        ("169.254.1.0/31", "fd00:169::5/126"),
        ("169.254.1.1/31", "fd00:169::6/126"),
    ]
    assert addresses(lab, "b")[0] == ("169.254.1.2/31", "fd00:169::/127")
    assert addresses(lab, "c") == [("10.1.0.9/24",), ("10.1.0.1/24",)]
    assert addresses(lab, "d") == [("10.1.1.2/24",), ("10.1.1.1/24",)]
    assert addresses(lab, "e") == [("10.1.3.2/24",), ("10.1.3.1/24",)]  # 10.1.2.0/24 is r2's
    assert lab.node("r1").loopback == ("10.255.0.2/32",)
    assert [lab.node(name).loopback[0] for name in ("r2", "h1")] == ["10.255.0.3/32", "10.255.0.4/32"]
    assert lab.hosts["h1"] == ("10.1.0.9", "fd00:255::4")


def test_sessions_follow_the_families_that_both_ends_have() -> None:
    text = """
name: x
nodes: {a: {bgp: {asn: 1}}, b: {bgp: {asn: 2, hold_time: 9s}}, c: {kind: router}}
links:
  - {endpoints: a-b, addresses: {a: ["fd07::1/64"]}}
  - {endpoints: a-b, peer: false}
  - {endpoints: a-c}
  - {endpoints: a-b, addresses: {a: [], b: []}}
  - {endpoints: a-b, addresses: {a: [10.0.0.1/24, 10.0.1.1/24], b: [10.0.1.2/24, 10.0.0.2/24]}}
"""
    lab = plan(text)
    sessions = [lab.sessions_over(link.name) for link in lab.links]
    assert [[session.family for session in over] for over in sessions] == [
        ["ipv6"],
        [],
        [],
        [],
        ["ipv4"],
    ]
    assert [end.address for end in sessions[4][0].ends] == ["10.0.0.1", "10.0.0.2"]
    assert [end.hold_time_s for end in sessions[0][0].ends] == [3, 9]


def test_a_host_has_one_default_route_per_family_over_all_its_routers() -> None:
    lab = plan("""
name: x
nodes:
  r1: {bgp: {asn: 1, announce: [10.1.0.0/16, "fd01::/48"]}}
  r2: {bgp: {asn: 2, announce: [10.2.0.0/16]}}
  h1: {}
  h2: {}
links: [{endpoints: h1-r1}, {endpoints: r2-h1}, {endpoints: h1-h2}]
""")
    assert lab.node("h1").default_routes == (
        DefaultRoute("ipv4", (NextHop("10.1.0.1", "eth1"), NextHop("10.2.0.1", "eth2"))),
        DefaultRoute("ipv6", (NextHop("fd01::1", "eth1"),)),
    )
    assert lab.node("h2").default_routes == lab.node("r1").default_routes == ()
    assert addresses(lab, "h1-h2")[0] == ("169.254.1.0/31", "fd00:169::/127")
    assert (lab.node("r1").forwarding, lab.node("h1").forwarding) == (True, False)
    assert lab.node("r1").sysctls["net.ipv4.ip_forward"] == "1"
    assert lab.node("h1").sysctls["net.ipv6.conf.all.forwarding"] == "0"


def test_own_sysctls_win_and_mtu_is_the_smaller_of_both_ends() -> None:
    lab = plan("""
name: x
nodes: {a: {mtu: 9000, sysctl: {net.ipv4.fib_multipath_hash_policy: 0}}, b: {}, c: {mtu: 2000}}
links: [{endpoints: a-b}, {endpoints: a-c}, {endpoints: a-c, mtu: 1400}]
""")
    assert lab.node("a").sysctls["net.ipv4.fib_multipath_hash_policy"] == "0"
    assert [link.mtu for link in lab.links] == [1500, 2000, 1400]
    assert {end.mtu for end in lab.links[2].ends} == {1400}


def test_a_prefix_that_ends_up_empty_is_refused_by_the_plan_too() -> None:
    topology = parse_topology("""
name: x
nodes: {r: {bgp: {asn: 1, announce: [10.1.0.0/24]}}, h: {}}
links: [{endpoints: r-h}]
""")
    twice = topology.model_copy(update={"links": topology.links * 2})
    with pytest.raises(AddressError, match=r"^no free /24 is left in 10\.1\.0\.0/24 for this link"):
        plan_lab(twice, octets)


def test_impairments_are_by_direction_over_both_over_defaults() -> None:
    lab = plan("""
name: x
defaults: {link: {impair: {loss: 3%}}}
nodes: {a: {}, b: {}, c-d: {}}
links:
  - {endpoints: a-b}
  - {endpoints: a-b, impair: {loss: 0.1%}}
  - {endpoints: a-b, impair: {loss: 0%, b-a: {loss: 50%}}}
  - {endpoints: a-c-d, impair: {c-d-a: {loss: 100%}}}
  - {endpoints: a-b, impair: {loss: none, delay: 5ms, rate: 1gbit, queue: 256kB, b-a: {delay: 0, queue: 1ms}}}
""")
    *lossy, last = (link.impairments for link in lab.links)
    losses = [tuple(impairment.loss for impairment in pair) for pair in lossy]
    assert losses == [(0.03, 0.03), (0.001, 0.001), (0.0, 0.5), (0.03, 1.0)]
    assert last == (
        Impairment(delay_us=5000, rate_mbps=1000, queue_octets=256_000),
        Impairment(rate_mbps=1000, queue_us=1000),
    )


def test_a_links_own_words_come_before_its_groups_and_these_before_defaults() -> None:
    lab = plan("""
name: x
defaults: {link: {mtu: 1300, impair: {loss: 3%, delay: 1ms, jitter: 1us}}}
groups:
  far: {impair: {delay: 20ms, jitter: 2us}}
  narrow: {mtu: 1400, impair: {delay: 30ms, rate: 10mbit}, macsec: {cipher: gcm-aes-128}}
nodes: {a: {}, b: {}}
links:
  - {endpoints: a-b, groups: [far, narrow, shared], impair: {jitter: 3us, b-a: {loss: 0}}}
  - {endpoints: a-b, groups: [narrow, far], type: plain}
""")
    one, other = lab.links
    there = Impairment(loss=0.03, delay_us=20_000, jitter_us=3, rate_mbps=10)
    assert one.impairments == (there, replace(there, loss=0))
    assert (one.mtu, one.macsec and one.macsec.settings.cipher) == (1400, "gcm-aes-128")
    assert other.impairments[0] == Impairment(loss=0.03, delay_us=30_000, jitter_us=2, rate_mbps=10)
    assert other.macsec is None


@st.composite
def topologies(draw: st.DrawFn) -> str:
    """Routers that announce odd prefixes, hosts, and links between any two of them, some with addresses."""
    routers = draw(st.integers(0, 4))
    hosts = draw(st.integers(max(0, 2 - routers), 4))
    prefixes = draw(
        st.lists(
            st.builds(
                lambda bits, length: str(ip_network((bits, length), strict=False)),
                st.sampled_from([0x0A000000, 0x0A010000, 0xA9FE0000, 0x0AFF0000, 0x0A010200]),
                st.integers(9, 24),
            ),
            min_size=routers,
            max_size=routers,
            unique=True,
        )
    )
    v6 = st.sampled_from(["", ', "fd0{}::/48"', ', "fd00:169:{}::/48"', ', "fd00:255:0:{}::/64"'])
    nodes = {
        f"r{n}": f'{{bgp: {{asn: {n // 2 + 1}, announce: ["{prefix}"{draw(v6).format(n)}]}}}}'
        for n, prefix in enumerate(prefixes)
    } | {f"h{n}": "{}" for n in range(hosts)}
    pairs = st.lists(st.sampled_from(list(nodes)), min_size=2, max_size=2, unique=True)
    given_addresses = st.sampled_from(
        ["", "", "[169.254.{}.1/30]", '[10.{}.0.1/29, "fd00:169:0:{}::1/64"]', "[]"]
    )
    links = []
    for number, (one, other) in enumerate(draw(st.lists(pairs, max_size=8))):
        given = draw(given_addresses).format(number, number)
        extra = f", addresses: {{{one}: {given}}}" if given else ""
        links.append(f"  - {{endpoints: {one}-{other}{extra}}}\n")
    listed = "".join(f"  {name}: {node}\n" for name, node in nodes.items())
    return f"name: x\nnodes:\n{listed}links: {'' if links else '[]'}\n{''.join(links)}"


def attempt(text: str) -> tuple[Topology | None, list[Problem]]:
    try:
        return parse_topology(text), []
    except TopologyError as error:
        return None, error.problems


@settings(max_examples=200, deadline=None)
@given(topologies())
def test_no_plan_uses_anything_twice(text: str) -> None:
    topology, problems = attempt(text)
    told = ("no free", "too small", "overlaps", "which r", "which h")
    assert all(any(word in problem.message for word in told) for problem in problems)
    if not topology:
        return
    lab = plan_lab(topology, octets)
    ends = [end for link in lab.links for end in link.ends]
    on_links = [ip_interface(text) for end in ends for text in end.addresses]
    loopbacks = [ip_interface(text) for node in lab.nodes for text in node.loopback]
    for unique in (
        [interface.ip for interface in (*on_links, *loopbacks)],
        [end.mac for end in ends],
        [(end.node, end.name) for end in ends],
        [link.name for link in lab.links],
        [node.router_id for node in lab.nodes],
    ):
        assert [thing for thing, count in Counter(unique).items() if count > 1] == []
    for link in lab.links:
        one, other = ([ip_interface(text).network for text in end.addresses] for end in link.ends)
        assert sorted(one, key=str) == sorted(other, key=str)
    for node in lab.nodes:  # which refuses a peer that is there twice
        assert node.asn is None or len(speaker_config(lab, node).neighbors) == len(lab.sessions_of(node.name))
    subnets = [
        {ip_interface(text).network for end in link.ends for text in end.addresses} for link in lab.links
    ]
    for at, mine in enumerate(subnets):
        for theirs in subnets[at + 1 :]:
            assert not any(a.version == b.version and a.overlaps(b) for a in mine for b in theirs)


def test_macs_are_unicast_and_locally_administered() -> None:
    lab = plan("name: x\nnodes: {a: {}, b: {}}\nlinks:\n" + "  - {endpoints: a-b}\n" * 300)
    for link in lab.links:
        for end in link.ends:
            assert len(end.mac) == 17
            assert int(end.mac[:2], 16) & 0b11 == 0b10
            ipv4, ipv6 = map(ip_interface, end.addresses)
            assert ipv4 in IPv4Network("169.254.0.0/16")
            assert ipv6 in IPv6Network("fd00:169::/32")


def test_a_ring_of_a_hundred_and_a_star_of_a_thousand() -> None:
    ring = "name: ring\nnodes:\n" + "".join(
        f'  n{n}: {{bgp: {{asn: {64512 + n}, announce: [10.{n}.0.0/16, "fd01:{n}::/48"]}}}}\n'
        for n in range(100)
    )
    ring += "links:\n" + "".join(f"  - {{endpoints: n{n}-n{(n + 1) % 100}}}\n" for n in range(100))
    assert len(plan(ring).sessions) == 200
    star = 'name: star\nnodes:\n  r: {bgp: {asn: 1, announce: [10.0.0.0/12, "fd01::/48"]}}\n'
    star += "".join(f"  h{n}:\n" for n in range(1000))
    star += "links:\n" + "".join(f"  - {{type: plain, endpoints: h{n}-r}}\n" for n in range(1000))
    lab = plan(star)
    assert lab.hosts["h999"] == ("10.3.231.2", "fd01:0:0:3e7::2")
    assert lab.node("h999").loopback == ("10.255.3.233/32", "fd00:255::3e9/128")
