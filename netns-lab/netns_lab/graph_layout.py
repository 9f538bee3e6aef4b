"""Where the nodes of a graph go on paper: routers side by side or on a circle, their hosts behind them.

Pure and deterministic. Lengths are CSS pixels. Widths of text are estimated: nobody here can measure fonts.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from netns_lab.graph import Graph

CHARACTER_WIDTH, LINE_HEIGHT = 7.2, 15.0
PADDING = 10.0
GAP = 14.0
PARALLEL_GAP = 20.0
"""Between the lines of links that join the same two nodes."""
LONGEST_COLUMN = 4
WIRE_ROOM = 60.0
"""A link is this much longer than its label."""


@dataclass(frozen=True, slots=True)
class Box:
    """A node's rectangle, by its centre."""

    x: float
    y: float
    width: float
    height: float

    @property
    def diagonal(self) -> float:
        return math.hypot(self.width, self.height)

    def border(self, dx: float, dy: float, x: float, y: float) -> float:
        """How many times (dx, dy) it is from a point inside to the border."""
        across = (self.width / 2 - math.copysign(1, dx) * (x - self.x)) / abs(dx) if dx else math.inf
        along = (self.height / 2 - math.copysign(1, dy) * (y - self.y)) / abs(dy) if dy else math.inf
        return min(across, along)


def place(graph: Graph) -> dict[str, Box]:
    """A box for every node, none over another."""
    boxes = _boxes(graph)
    behind: dict[str, list[str]] = {node.name: [] for node in graph.nodes}
    for host, routers in graph.leaves().items():
        if len(set(routers)) == 1:
            behind.pop(host)
            behind[routers[0]].append(host)
    wire = max((len(link.label) for link in graph.links), default=0) * CHARACTER_WIDTH + WIRE_ROOM
    # A link to the end of a longer column would run under the boxes before it.
    fits = len(behind) < 3 and max(map(len, behind.values())) <= LONGEST_COLUMN
    return (_in_a_row if fits else _on_a_circle)(behind, boxes, wire)


def _boxes(graph: Graph) -> dict[str, Box]:
    boxes = {}
    for node, links in zip(graph.nodes, graph.adjacency().values(), strict=True):
        peers = [link.seen_from(node.name)[1][0] for link in links]
        parallel = max(map(peers.count, set(peers)), default=0)
        columns = max(map(len, (node.name, *node.details)))
        boxes[node.name] = Box(
            0,
            0,
            columns * CHARACTER_WIDTH + 2 * PADDING,
            max((1 + len(node.details)) * LINE_HEIGHT, parallel * PARALLEL_GAP) + PADDING,
        )
    return boxes


def _in_a_row(behind: Mapping[str, Sequence[str]], boxes: Mapping[str, Box], wire: float) -> dict[str, Box]:
    """Columns: the first's hosts, the first, the second, its hosts; a sole one's hosts to its right."""
    names = list(behind)
    columns = [names, behind[names[0]]]
    if len(names) == 2:
        columns = [behind[names[0]], names[:1], names[1:], behind[names[1]]]
    placed: dict[str, Box] = {}
    x = 0.0
    for column in filter(None, columns):
        width = max(boxes[name].width for name in column)
        y = -(sum(boxes[name].height for name in column) + GAP * (len(column) - 1)) / 2
        for name in column:
            placed[name] = replace(boxes[name], x=x + width / 2, y=y + boxes[name].height / 2)
            y += boxes[name].height + GAP
        x += width + wire
    return placed


def _on_a_circle(
    behind: Mapping[str, Sequence[str]], boxes: Mapping[str, Box], wire: float
) -> dict[str, Box]:
    """Each node gets a sector as wide as its hosts need, which stand on a second circle outside."""
    slot = 2 * math.pi / sum(max(1, len(hosts)) for hosts in behind.values())
    angles: dict[str, float] = {}
    start = -math.pi / 2
    for name, hosts in behind.items():
        sector = slot * max(1, len(hosts))
        angles[name] = start + sector / 2
        angles |= {host: start + (number + 0.5) * slot for number, host in enumerate(hosts)}
        start += sector
    inner = max(boxes[name].diagonal for name in behind)
    outer = max((boxes[host].diagonal for hosts in behind.values() for host in hosts), default=0.0)
    around = [angles[name] for name in behind]
    nearest = min(later - earlier for earlier, later in pairwise([*around, around[0] + 2 * math.pi]))
    radius = (inner + wire) / (2 * math.sin(min(nearest, math.pi) / 2)) if len(behind) > 1 else 0.0
    outer_radius = (outer + GAP) / (2 * math.sin(min(slot, math.pi) / 2))
    outer_radius = max(outer_radius, radius + (inner + outer) / 2 + wire)
    return {
        name: replace(
            boxes[name],
            x=math.cos(angle) * (radius if name in behind else outer_radius),
            y=math.sin(angle) * (radius if name in behind else outer_radius),
        )
        for name, angle in angles.items()
    }
