"""The picture of a lab in every format: nothing is left out, nothing overlaps, any name can be drawn."""

import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest
from netns_lab.graph import Graph, GraphLink, GraphNode, draw_dot, draw_mermaid, draw_text, graph_of
from netns_lab.graph_layout import place
from netns_lab.graph_svg import draw_svg
from netns_lab.planning import plan_lab
from netns_lab.starter import starter_topology
from netns_lab.topology import parse_topology

ROOT = Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"
PAIR = """
name: pair
nodes:
  r1: {bgp: {asn: 64512, announce: [10.1.0.0/16]}}
  r2: {bgp: {asn: 64513, announce: [10.2.0.0/16]}}
  h1: {}
links:
  - {name: ch1, endpoints: ["r1:eth1", "r2:eth1"]}
  - {name: channel2, endpoints: ["r2:eth2", "r1:eth2"]}
  - {name: lan, type: plain, endpoints: ["h1:eth0", "r1:lan"]}
"""


def graph(text: str, states: dict[str, str] | None = None) -> Graph:
    return graph_of(plan_lab(parse_topology(text), bytes), states)


def starter(template: str, **sizes: int) -> Graph:
    return graph(starter_topology(template, "lab", {"routers": None, "hosts": None, **sizes}))


def test_text_shows_each_link_at_both_routers_and_hosts_behind_theirs() -> None:
    drawn = draw_text(graph(PAIR, {"ch1": "up", "channel2": "silent", "lan": "up"}))
    assert drawn.splitlines() == [
        "lab pair: ═ MACsec  ─ plain  \N{BOX DRAWINGS LIGHT DIAGONAL CROSS} failed",
        "",
        "r1  AS 64512  10.1.0.0/16",
        "╞═ eth1 ══ ch1 ════════ r2:eth1",
        "╞═ eth2 ══ channel2 ═\N{BOX DRAWINGS LIGHT DIAGONAL CROSS}═ r2:eth2  silent",
        "└─ lan ─── lan ──────── h1:eth0  10.1.0.2  fd00:255::3",
        "",
        "r2  AS 64513  10.2.0.0/16",
        "╞═ eth1 ══ ch1 ════════ r1:eth1",
        "╘═ eth2 ══ channel2 ═\N{BOX DRAWINGS LIGHT DIAGONAL CROSS}═ r1:eth2  silent",
    ]


def test_a_link_that_a_running_lab_does_not_know_is_down_and_without_a_lab_none_is() -> None:
    assert [link.state for link in graph(PAIR, {"ch1": "up"}).links] == ["up", "down", "down"]
    assert not any(link.broken for link in graph(PAIR).links)


NASTY = "a\"b\\<c>&'|]#"
NASTY_GRAPH = Graph(
    NASTY,
    (GraphNode(NASTY, "router", (NASTY,)), GraphNode("end", "host", ())),
    (GraphLink(NASTY, "macsec", ((NASTY, "e"), ("end", "f")), "cut"),),
)


def test_dot_quotes_names() -> None:
    quoted = json.dumps(NASTY)  # DOT has the same two escapes
    edge = quoted[:-1] + ' (cut)"'
    assert f'  {quoted} -- "end" [label={edge}, color="#c0392b", style=dashed]' in draw_dot(NASTY_GRAPH)


def test_mermaid_has_ids_of_its_own_and_no_character_that_ends_a_label() -> None:
    drawn = draw_mermaid(NASTY_GRAPH)
    assert drawn.splitlines() == [
        "graph LR",
        '  n0["{0}<br/>{0}"]'.format("a#34;b#92;#60;c#62;#38;#39;#124;#93;#35;"),
        '  n1(["end"])',
        '  n0 -.-|"a#34;b#92;#60;c#62;#38;#39;#124;#93;#35; (cut)"| n1',
    ]


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (draw_dot, ("#1f5fa8:", "#777777", "dashed")),
        (draw_mermaid, ("===", "---", "-.-")),
        (draw_svg, ('class="macsec"', 'class="plain"', 'class="broken"')),
    ],
)
def test_macsec_plain_and_failed_links_look_different(
    draw: Callable[[Graph], str], words: tuple[str, ...]
) -> None:
    whole, failed = draw(graph(PAIR)), draw(graph(PAIR, {"ch1": "cut", "channel2": "up", "lan": "up"}))
    assert [word in whole for word in words] == [True, True, False]
    assert [word in failed for word in words] == [True, True, True]


def test_svg_is_well_formed_and_names_everything() -> None:
    picture = graph(PAIR, {"ch1": "cut", "channel2": "up", "lan": "up"})
    root = ElementTree.fromstring(draw_svg(picture))
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"r1", "r2", "h1", "AS 64512", "10.2.0.0/16", "10.1.0.2", "ch1 (cut)", "channel2", "lan"} <= {
        *texts
    }
    assert texts[-3:] == ["MACsec", "plain", "failed"]
    assert draw_svg(picture) == draw_svg(picture)
    assert NASTY in [text.text for text in ElementTree.fromstring(draw_svg(NASTY_GRAPH)).iter(f"{SVG}text")]


def test_the_picture_in_the_documents_is_what_graph_draws() -> None:
    quad = graph((ROOT / "netns-lab" / "topologies" / "quad.yaml").read_text())
    assert (ROOT / "docs" / "quad.svg").read_text() == f"{draw_svg(quad)}\n"


@pytest.mark.parametrize(
    "picture",
    [
        graph(PAIR),
        starter("quad"),
        starter("ring", routers=3),
        starter("ring", routers=30),
        starter("star", hosts=4),
        starter("star", hosts=40),
        graph("name: lone\nnodes:\n  h1: {}\n"),
        NASTY_GRAPH,
    ],
)
def test_no_node_is_over_another_and_no_link_has_its_name_under_one(picture: Graph) -> None:
    boxes = place(picture)
    assert set(boxes) == {node.name for node in picture.nodes}
    for one, other in combinations(boxes.values(), 2):
        apart_x = abs(one.x - other.x) - (one.width + other.width) / 2
        apart_y = abs(one.y - other.y) - (one.height + other.height) / 2
        assert max(apart_x, apart_y) > 0
    labels = [
        text
        for text in ElementTree.fromstring(draw_svg(picture)).iter(f"{SVG}text")
        if "transform" in text.attrib
    ]
    assert len(labels) == len(picture.links)
    for label in labels:
        x, y = float(label.attrib["x"]), float(label.attrib["y"])
        assert all(abs(x - b.x) > b.width / 2 or abs(y - b.y) > b.height / 2 for b in boxes.values())
