"""The picture of a lab as an SVG document that stands alone or inside a page. Pure."""

import math
from collections.abc import Iterator
from xml.sax.saxutils import escape

from netns_lab.graph import Graph, GraphLink, GraphNode
from netns_lab.graph_layout import LINE_HEIGHT, PADDING, PARALLEL_GAP, Box, place

MARGIN = 24.0
LEGEND_COLUMN = 110.0
# Every rule begins with our class: inside a page they must reach nothing else.
STYLE = """
.quadlink text { font: 12px Helvetica, Arial, sans-serif; fill: #222; text-anchor: middle }
.quadlink .name { font-weight: bold }
.quadlink .label { font-size: 11px; paint-order: stroke; stroke: #fff; stroke-width: 5px }
.quadlink .legend { text-anchor: start }
.quadlink .router { fill: #e8f0fa; stroke: #1f4e8c; stroke-width: 1.5 }
.quadlink .host { fill: #f6f6f2; stroke: #777 }
.quadlink .plain { stroke: #777; stroke-width: 1.5 }
.quadlink .macsec { stroke: #1f4e8c; stroke-width: 6 }
.quadlink .inside { stroke: #fff; stroke-width: 2.5 }
.quadlink .broken line { stroke: #c0392b; stroke-dasharray: 8 5 }
.quadlink .broken .inside { stroke: #fff; stroke-dasharray: none }
.quadlink .broken text { fill: #c0392b }
"""


def draw_svg(graph: Graph) -> str:
    """The picture: MACsec links are tubes, plain ones lines, those that fail are red and dashed."""
    boxes = place(graph)
    left = min(box.x - box.width / 2 for box in boxes.values()) - MARGIN
    right = max(box.x + box.width / 2 for box in boxes.values()) + MARGIN
    top = min(box.y - box.height / 2 for box in boxes.values()) - MARGIN
    bottom = max(box.y + box.height / 2 for box in boxes.values()) + 2.5 * MARGIN
    width, height = max(right - left, 3 * LEGEND_COLUMN + 2 * MARGIN), bottom - top
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="quadlink" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="{left:.1f} {top:.1f} {width:.1f} {height:.1f}">',
        f"<title>lab {escape(graph.name)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" fill="#fff"/>',
    ]
    for link, offset in _parallel(graph):
        lines += _draw_link(link, offset, *(boxes[node] for node, _ in link.ends))
    for node in graph.nodes:
        lines += _draw_node(node, boxes[node.name])
    lines += _draw_legend(graph, left + MARGIN, bottom - MARGIN)
    return "\n".join([*lines, "</svg>"])


def _parallel(graph: Graph) -> Iterator[tuple[GraphLink, float]]:
    """Every link, and how far beside the straight way between its nodes it runs."""
    bundles: dict[frozenset[str], list[GraphLink]] = {}
    for link in graph.links:
        bundles.setdefault(frozenset(node for node, _ in link.ends), []).append(link)
    for bundle in bundles.values():
        for number, link in enumerate(bundle):
            offset = (number - (len(bundle) - 1) / 2) * PARALLEL_GAP
            yield link, offset if link.ends[0][0] == bundle[0].ends[0][0] else -offset


def _draw_link(link: GraphLink, offset: float, one: Box, other: Box) -> Iterator[str]:
    dx, dy = other.x - one.x, other.y - one.y
    length = math.hypot(dx, dy)
    beside_x, beside_y = -dy / length * offset, dx / length * offset
    x1, y1, x2, y2 = one.x + beside_x, one.y + beside_y, other.x + beside_x, other.y + beside_y
    # Only what is between the boxes is drawn, with the name in its middle.
    out, into = one.border(dx, dy, x1, y1), 1 - other.border(-dx, -dy, x2, y2)
    ends = _line(x1 + dx * out, y1 + dy * out, x1 + dx * into, y1 + dy * into)
    x, y = x1 + dx * (out + into) / 2, y1 + dy * (out + into) / 2
    degrees = math.degrees(math.atan2(dy, dx))
    upright = degrees - math.copysign(180, degrees) if abs(degrees) > 90 else degrees
    tooltip = f"{link.label}: {' - '.join(':'.join(end) for end in link.ends)}, {link.type}"
    yield '<g class="broken">' if link.broken else "<g>"
    yield f"<title>{escape(tooltip)}</title>"
    yield f'<line class="{link.type}" {ends}/>'
    if link.type == "macsec":
        yield f'<line class="inside" {ends}/>'
    yield (
        f'<text class="label" x="{x:.1f}" y="{y + 4:.1f}" transform="rotate({upright:.1f} {x:.1f} {y:.1f})">'
        f"{escape(link.label)}</text>"
    )
    yield "</g>"


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'


def _draw_node(node: GraphNode, box: Box) -> Iterator[str]:
    radius = 4 if node.kind == "router" else box.height / 2
    yield (
        f'<rect class="{node.kind}" x="{box.x - box.width / 2:.1f}" y="{box.y - box.height / 2:.1f}" '
        f'width="{box.width:.1f}" height="{box.height:.1f}" rx="{min(radius, 2 * PADDING):.0f}"/>'
    )
    y = box.y - len(node.details) * LINE_HEIGHT / 2 + 4
    for number, text in enumerate((node.name, *node.details)):
        style = ' class="name"' if number == 0 else ""
        yield f'<text{style} x="{box.x:.1f}" y="{y + number * LINE_HEIGHT:.1f}">{escape(text)}</text>'


def _draw_legend(graph: Graph, x: float, y: float) -> Iterator[str]:
    there = {link.type for link in graph.links}
    samples = [("macsec", False, "MACsec")] if "macsec" in there else []
    samples += [("plain", False, "plain")] if "plain" in there else []
    samples += [("plain", True, "failed")] if any(link.broken for link in graph.links) else []
    for kind, broken, name in samples:
        line = _line(x, y, x + 36, y)
        inside = f'<line class="inside" {line}/>' if kind == "macsec" else ""
        group = '<g class="broken">' if broken else "<g>"
        yield f'{group}<line class="{kind}" {line}/>{inside}'
        yield f'<text class="legend" x="{x + 44:.1f}" y="{y + 4:.1f}">{name}</text></g>'
        x += LEGEND_COLUMN
