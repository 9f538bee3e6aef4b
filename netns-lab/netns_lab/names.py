"""What a lab calls its nodes and links: a small file, so that nobody needs a controller or a YAML reader."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from netns_lab.directory import LabDirectory, LabError
from netns_lab.output import nearest

if TYPE_CHECKING:
    from netns_lab.plan import LabPlan

MAX_LISTED = 10


@dataclass(frozen=True, slots=True)
class NodePlace:
    """Where a node's commands run, and what they find in their environment."""

    name: str
    namespace: str
    env: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LabNames:
    """The nodes and links of a lab, in file order."""

    nodes: tuple[NodePlace, ...]
    links: tuple[str, ...]

    def node(self, name: str) -> NodePlace:
        """Raises LabError with the nearest name where there is no such node."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise LabError(unknown("node", name, [node.name for node in self.nodes]))


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a name that nothing has: the name most like it, or those there are."""
    names = list(known)
    if hint := nearest(name, names):
        return f"no {kind} {name}{hint}"
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return f"no {kind} {name}; {kind}s are {', '.join(names[:MAX_LISTED])}{more}"


def read_names(directory: LabDirectory) -> LabNames:
    """The names of a lab that was built. Raises LabError where it is not built yet."""
    try:
        document = json.loads(directory.names.read_bytes())
    except FileNotFoundError:
        raise LabError(f"lab {directory.name} is not built yet") from None
    return LabNames(tuple(NodePlace(**node) for node in document["nodes"]), tuple(document["links"]))


def write_names(directory: LabDirectory, plan: LabPlan) -> None:
    """Writes the names down; whoever reads meanwhile gets those of before, or all of the new."""
    names = LabNames(
        tuple(NodePlace(node.name, node.namespace, dict(node.env)) for node in plan.nodes),
        tuple(link.name for link in plan.links),
    )
    new = directory.names.with_suffix(".new")
    new.write_text(json.dumps(asdict(names)))
    new.replace(directory.names)
