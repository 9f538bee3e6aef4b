"""The picture of a lab: nodes and links as plain data, drawn as text, for Graphviz and for Mermaid."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from netns_lab.plan import ETHERNET, LabPlan, NodePlan

BREAK = "\N{BOX DRAWINGS LIGHT DIAGONAL CROSS}"


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A node and what stands below its name: AS and prefixes of a router, addresses of a host."""

    name: str
    kind: Literal["router", "host"]
    details: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GraphLink:
    """A link between (node, interface) and (node, interface). `state` is None where no lab runs."""

    name: str
    type: Literal["macsec", "plain"]
    ends: tuple[tuple[str, str], tuple[str, str]]
    state: str | None

    @property
    def broken(self) -> bool:
        """Whether it is known not to carry everything."""
        return self.state not in (None, "up")

    @property
    def label(self) -> str:
        return f"{self.name} ({self.state})" if self.broken else self.name

    def seen_from(self, node: str) -> tuple[tuple[str, str], tuple[str, str]]:
        """The near end and the far end."""
        one, other = self.ends
        return (one, other) if one[0] == node else (other, one)


@dataclass(frozen=True, slots=True)
class Graph:
    """A lab's nodes and links, in file order."""

    name: str
    nodes: tuple[GraphNode, ...]
    links: tuple[GraphLink, ...]

    def adjacency(self) -> dict[str, list[GraphLink]]:
        """Each node's links."""
        links: dict[str, list[GraphLink]] = {node.name: [] for node in self.nodes}
        for link in self.links:
            for node, _ in link.ends:
                links[node].append(link)
        return links

    def leaves(self) -> dict[str, list[str]]:
        """The hosts that are behind routers only, each with its routers."""
        kinds = {node.name: node.kind for node in self.nodes}
        behind = {}
        for node, links in self.adjacency().items():
            peers = [link.seen_from(node)[1][0] for link in links]
            if kinds[node] == "host" and peers and all(kinds[peer] == "router" for peer in peers):
                behind[node] = peers
        return behind


def graph_of(plan: LabPlan, states: Mapping[str, str] | None = None) -> Graph:
    """The picture of a plan; `states` are those of a running lab's links: one that is missing is down."""
    nodes = tuple(GraphNode(node.name, node.kind, _details(plan, node)) for node in plan.nodes)
    if any(end.node == ETHERNET for link in plan.links for end in link.ends):
        nodes = (*nodes, GraphNode(ETHERNET, "host", ()))
    links = tuple(
        GraphLink(
            link.name,
            link.type,
            ((link.ends[0].node, link.ends[0].name), (link.ends[1].node, link.ends[1].name)),
            None if states is None else states.get(link.name, "down"),
        )
        for link in plan.links
    )
    return Graph(plan.name, nodes, links)


def _details(plan: LabPlan, node: NodePlan) -> tuple[str, ...]:
    if node.kind == "host":
        return plan.hosts[node.name]
    return (*([f"AS {node.asn}"] if node.asn else []), *node.originate)


def draw_text(graph: Graph) -> str:
    """Each node with its links below it; hosts stand behind their routers, not on their own."""
    leaves, adjacency = graph.leaves(), graph.adjacency()
    details = {node.name: "  ".join(node.details) for node in graph.nodes}
    name_columns = max((len(link.name) for link in graph.links), default=0)
    ends = [end for link in graph.links for end in link.ends]
    near_columns = max((len(interface) for _, interface in ends), default=0)
    far_columns = max((len(":".join(end)) for end in ends), default=0)
    blocks = []
    for node in graph.nodes:
        if node.name in leaves:
            continue
        lines = ["  ".join(filter(None, (node.name, details[node.name])))]
        links = adjacency[node.name]
        for link in links:
            stroke = "═" if link.type == "macsec" else "─"
            corner = {"═": "╞╘", "─": "├└"}[stroke][link is links[-1]]
            (_, interface), far = link.seen_from(node.name)
            row = f"{corner}{stroke}" + f" {interface} ".ljust(near_columns + 2, stroke) + 2 * stroke
            row += f" {link.name} ".ljust(name_columns + 2, stroke) + stroke
            row += f"{BREAK if link.broken else stroke}{stroke} {':'.join(far):{far_columns}}"
            row += f"  {link.state}" if link.broken else ""
            row += f"  {details[far[0]]}" if far[0] in leaves else ""
            lines.append(row.rstrip())
        blocks.append("\n".join(lines))
    legend = "═ MACsec  ─ plain" + (f"  {BREAK} failed" if any(link.broken for link in graph.links) else "")
    return "\n\n".join([f"lab {graph.name}: {legend}", *blocks])


def draw_dot(graph: Graph) -> str:
    """For Graphviz: `dot -Tpdf`, or `circo` for rings."""
    lines = [f"graph {_quoted(graph.name)} {{", "  rankdir=LR", "  node [fontname=Helvetica]"]
    lines += ["  edge [fontname=Helvetica, fontsize=10]"]
    for node in graph.nodes:
        shape = "box" if node.kind == "router" else "ellipse"
        label = "\n".join((node.name, *node.details))
        lines.append(f"  {_quoted(node.name)} [shape={shape}, label={_quoted(label)}]")
    for link in graph.links:
        one, other = (_quoted(node) for node, _ in link.ends)
        style = {"macsec": 'color="#1f5fa8:#1f5fa8"', "plain": 'color="#777777"'}[link.type]
        if link.broken:
            style = 'color="#c0392b", style=dashed'
        lines.append(f"  {one} -- {other} [label={_quoted(link.label)}, {style}]")
    return "\n".join([*lines, "}"])


def draw_mermaid(graph: Graph) -> str:
    """For Markdown: MACsec links are thick, plain ones thin, broken ones dotted."""
    ids = {node.name: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["graph LR"]
    for node in graph.nodes:
        opening, closing = ("[", "]") if node.kind == "router" else ("([", "])")
        label = "<br/>".join(map(_mermaid_text, (node.name, *node.details)))
        lines.append(f'  {ids[node.name]}{opening}"{label}"{closing}')
    for link in graph.links:
        stroke = "-.-" if link.broken else {"macsec": "===", "plain": "---"}[link.type]
        one, other = (ids[node] for node, _ in link.ends)
        lines.append(f'  {one} {stroke}|"{_mermaid_text(link.label)}"| {other}')
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """A string of the DOT language."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _mermaid_text(text: str) -> str:
    """Text inside quotes, where Mermaid reads entities without their &."""
    return "".join(c if c.isalnum() or c in " -_.:/()" else f"#{ord(c)};" for c in text)
