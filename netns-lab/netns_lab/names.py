"""What a lab calls its nodes and links, by its plan: neither a controller nor a YAML reader is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netns_lab.directory import LabDirectory, LabError
from netns_lab.output import nearest

if TYPE_CHECKING:
    from netns_lab.plan import NodePlan

MAX_LISTED = 10


@dataclass(frozen=True, slots=True)
class NodePlace:
    """Where a node's commands run, and what they find in their environment."""

    name: str
    namespace: str
    env: Mapping[str, str]

    @classmethod
    def of(cls, node: NodePlan) -> NodePlace:
        """The place of a planned node."""
        return cls(node.name, node.namespace, dict(node.env))


@dataclass(frozen=True, slots=True)
class LabNames:
    """The nodes, links and groups of a lab, in file order; a link has the names of its two nodes."""

    nodes: tuple[NodePlace, ...]
    links: Mapping[str, tuple[str, str]]
    groups: tuple[str, ...] = ()

    def node(self, name: str) -> NodePlace:
        """Raises LabError with the nearest name where there is no such node."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise LabError(unknown("node", name, [node.name for node in self.nodes]))


def directions(nodes: Sequence[str]) -> tuple[str, str]:
    """What both directions of a link are called, by the sending one of its two nodes."""
    one, other = nodes
    return f"{one}-{other}", f"{other}-{one}"


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a name that nothing has: the name most like it, or those there are."""
    names = list(known)
    if hint := nearest(name, names):
        return f"no {kind} {name}{hint}"
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return f"no {kind} {name}; {kind}s are {', '.join(names[:MAX_LISTED])}{more}"


def read_names(directory: LabDirectory) -> LabNames:
    """The names in a lab's plan. Raises LabError where it has none yet."""
    plan = directory.read_plan()
    return LabNames(
        tuple(NodePlace(node["name"], node["namespace"], node["env"]) for node in plan["nodes"]),
        {link["name"]: (link["ends"][0]["node"], link["ends"][1]["node"]) for link in plan["links"]},
        tuple(plan["groups"]),
    )
