"""Links that lead out of a lab over a device of the machine: what a file may say of them, and their plan."""

import secrets

import pytest
from netns_lab.graph import draw_text, graph_of
from netns_lab.plan import ETHERNET
from netns_lab.planning import plan_lab
from netns_lab.topology import parse_topology

from tests.topology.refusing import PAIR, on_link, refusals

REFUSALS = {
    "device of the machine first": (
        on_link("type: plain").replace('"r1:eth1", "r2:eth1"', '"ethernet:enp3s0", "r1:eth1"'),
        "7: links[0].endpoints[0]: found 'ethernet:enp3s0' first, expected the end of a node first",
    ),
    "device of the machine twice": (
        on_link("type: plain")
        .replace("r2:eth1", "ethernet:enp3s0")
        .replace('"h1:eth0", "r1:lan"', '"h1:eth0", "ethernet:enp3s0"'),
        "8: links[1].endpoints[1]: found 'ethernet:enp3s0', which links[0] uses already",
    ),
    "addresses beyond a device": (
        on_link("type: plain, addresses: {ethernet: [10.0.0.1/24]}").replace("r2:eth1", "ethernet:enp3s0"),
        "7: links[0].addresses.ethernet: found 'ethernet', expected a node of this link: r1",
    ),
    "node named ethernet": (
        PAIR.replace("  h1: {}", "  h1: {}\n  ethernet: {}"),
        "6: nodes.ethernet: found 'ethernet', which stands for the devices of the machine in `endpoints`",
    ),
}


@pytest.mark.parametrize(("text", "expected"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_names_place_found_and_expected(text: str, expected: str) -> None:
    assert refusals(text) == [f"t.yaml:{expected}"]


def test_nothing_is_planned_for_whoever_is_beyond_a_device() -> None:
    out = '  - {type: plain, endpoints: ["h1:eth9", "ethernet:enp3s0"], mtu: 1400, addresses: ADDRESSES}'
    out = out.replace("ADDRESSES", "{h1: [10.9.0.1/24]}")
    text = on_link("peer: true").replace("r2:eth1", "ethernet:eth0") + f"{out}\n"
    text = text.replace("peer: true", f"macsec: {{sak: '{'5a' * 32}', peer_sci: '0200000000010001'}}")
    plan = plan_lab(parse_topology(text, "t.yaml"), secrets.token_bytes)
    ch1, link = plan.link("ch1"), plan.link("h1-ethernet")
    assert (plan.sessions, ch1.mtu, ch1.ends[0].addresses) == ((), 1500, ())
    assert ch1.macsec is not None
    assert ch1.macsec.settings.peer_sci == "0200000000010001"
    near, far = link.ends
    assert (near.addresses, near.mtu, far.node, far.name) == (("10.9.0.1/24",), 1400, ETHERNET, "enp3s0")
    assert [interface.name for interface in plan.node("h1").interfaces] == ["eth0", "eth9"]
    assert "ethernet:enp3s0" in draw_text(graph_of(plan))
