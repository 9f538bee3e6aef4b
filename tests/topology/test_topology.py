"""Topology files that are right: precedence, names filled in, forms, YAML 1.2, secrets."""

from __future__ import annotations

import pytest
from netns_lab.models import Endpoint
from netns_lab.templates import SHIPPED
from netns_lab.topology import TopologyError, load_topology, parse_topology

from tests.topology.refusing import PAIR, refusals


def end(node: str, interface: str) -> Endpoint:
    return Endpoint(node=node, interface=interface)


def test_the_pair_is_right_and_so_is_everything_that_ships() -> None:
    assert [link.name for link in parse_topology(PAIR).links] == ["ch1", "lan1"]
    for file in SHIPPED.glob("*.yaml"):
        assert load_topology(file).name == file.stem


def test_the_same_asn_is_fine_without_a_session() -> None:
    text = PAIR.replace("64513", "64512").replace("name: ch1", "name: ch1, peer: false")
    assert not parse_topology(text).links[0].peer


def test_short_form_is_read_by_node_names() -> None:
    text = "name: x\nnodes: {a: {}, a-b: {}, b-c: {}, c: {}}\nlinks: [{endpoints: a-b-c}]\n"
    assert refusals(text) == [
        "t.yaml:3: links[0].endpoints: found 'a-b-c', which can be read in 2 ways, "
        'expected ["r1:eth1", "r2:eth1"]'
    ]
    text = text.replace("a-b: {}, ", "")
    assert parse_topology(text).links[0].nodes == ("a", "b-c")


def test_names_and_interfaces_left_open_avoid_those_given() -> None:
    text = """
name: x
nodes: {a: {}, b: {}}
links:
  - {endpoints: a-b}
  - {endpoints: a-b}
  - {endpoints: ["a:eth1", "b:x"], name: a-b}
"""
    links = parse_topology(text).links
    assert [link.name for link in links] == ["a-b-2", "a-b-3", "a-b"]
    assert links[0].endpoints == (end("a", "eth2"), end("b", "eth1"))
    assert links[1].endpoints == (end("a", "eth3"), end("b", "eth2"))


def test_own_settings_win_over_defaults() -> None:
    text = """
name: x
defaults:
  node: {mtu: 9000, env: {A: "1", B: "2"}, bgp: {hold_time: 9s}}
  link: {macsec: {replay_window: 7}, mtu: 4000}
nodes:
  a: {env: {B: "3", C: 4}, bgp: {asn: 1, announce: [10.1.0.0/16]}}
  b: {mtu: 1400, bgp: {asn: 2, hold_time: 5s}}
  c:
links:
  - {endpoints: a-b, macsec: {cipher: gcm-aes-256}}
  - {endpoints: a-b, macsec: {replay_window: 0}, mtu: 5000}
  - {endpoints: a-c, type: plain}
"""
    topology = parse_topology(text)
    a, b, c = topology.nodes.values()
    assert (a.mtu, b.mtu, c.mtu) == (9000, 1400, 9000)
    assert a.env == {"A": "1", "B": "3", "C": "4"}
    assert a.bgp
    assert b.bgp
    assert (a.bgp.hold_time_s, b.bgp.hold_time_s, c.bgp) == (9, 5, None)
    assert (a.is_router, c.is_router) == (True, False)
    assert [link.macsec.replay_window for link in topology.links] == [7, 0, 64]
    assert [link.mtu for link in topology.links] == [4000, 5000, 4000]


def test_anchors_keep_working() -> None:
    text = PAIR.replace("h1: {}", "h1: &host {mtu: 9000}\n  h2: *host")
    assert parse_topology(text).nodes["h2"].mtu == 9000


def test_an_anchor_may_be_set_again_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    text = PAIR.replace("h1: {}", "h1: &host {mtu: 9000}\n  h2: &host {mtu: 2000}\n  h3: *host")
    assert parse_topology(text).nodes["h3"].mtu == 2000
    assert not recwarn.list


def test_yaml_is_version_1_2() -> None:
    assert parse_topology(PAIR.replace("h1: {}", "h1: {env: {A: yes, B: 0o17}}")).nodes["h1"].env == {
        "A": "yes",
        "B": "15",
    }


def test_secrets_are_in_no_error_and_no_repr() -> None:
    sak, password = "5a" * 32, "hunter2hunter2"
    good = PAIR.replace("name: ch1", f"name: ch1, macsec: {{sak: '{sak}'}}")
    good = good.replace("asn: 64512", f"asn: 64512, password: {password}")
    topology = parse_topology(good)
    for text in (repr(topology), str(topology), topology.model_dump_json(), repr(topology.model_dump())):
        assert password not in text
        assert sak not in text
    bad = good.replace(sak, sak + "zz").replace(password, f"{password} {{")
    for broken in (
        bad,
        good.replace(password, f"[{password}]"),
        good.replace(password, f"{{a: {password}}}"),
    ):
        with pytest.raises(TopologyError) as caught:
            parse_topology(broken)
        error: BaseException | None = caught.value
        while error:
            assert password not in f"{error!r}{error}"
            assert sak not in f"{error!r}{error}"
            error = error.__cause__ or error.__context__
