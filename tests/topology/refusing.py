"""A topology of two routers and a host, with one thing wrong in it, and what is said of that."""

from __future__ import annotations

import pytest
from netns_lab.topology import TopologyError, parse_topology

PAIR = """\
name: pair
nodes:
  r1: {bgp: {asn: 64512, announce: [10.1.0.0/16, "fd01::/48"]}}
  r2: {bgp: {asn: 64513, announce: [10.2.0.0/16, "fd02::/48"]}}
  h1: {}
links:
  - {name: ch1, endpoints: ["r1:eth1", "r2:eth1"]}
  - {name: lan1, type: plain, endpoints: ["h1:eth0", "r1:lan"]}
"""


HIDDEN = "found a value that is not shown"


def refusals(text: str) -> list[str]:
    with pytest.raises(TopologyError) as caught:
        parse_topology(text, "t.yaml")
    return str(caught.value).splitlines()


def changed(line: int, text: str) -> str:
    """PAIR with one of its lines, counted from 1, replaced."""
    lines = PAIR.splitlines()
    lines[line - 1] = text
    return "\n".join(lines) + "\n"


def on_link(settings: str) -> str:
    return changed(7, f'  - {{name: ch1, endpoints: ["r1:eth1", "r2:eth1"], {settings}}}')


def on_r1(bgp: str = "", node: str = "") -> str:
    return changed(3, f"  r1: {{bgp: {{asn: 64512{', ' if bgp else ''}{bgp}}}{', ' if node else ''}{node}}}")
