"""The command that draws a lab."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netns_lab.completion import files
from netns_lab.directory import LabDirectory, LabError
from netns_lab.options import Name, Options, lab, need_root
from netns_lab.output import Format

if TYPE_CHECKING:
    from netns_lab.graph import Graph


class GraphFormat(StrEnum):
    """How `graph` draws."""

    TEXT = "text"
    DOT = "dot"
    MERMAID = "mermaid"
    SVG = "svg"
    JSON = "json"


def graph(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A topology file; without one, the lab that runs.", show_default=False, autocompletion=files
        ),
    ] = None,
    name: Name = None,
    format: Annotated[GraphFormat | None, typer.Option("--format", help="What to draw it as.")] = None,
) -> None:
    """Draw a lab: as text, for Graphviz, for Mermaid or as SVG.

    Of a lab that runs, the links that fail are marked.

    \b
    Examples:
      ./quadlink graph netns-lab/topologies/quad.yaml
      sudo ./quadlink graph --format svg >lab.svg
    """
    if file is not None and (name or Options.name):
        raise LabError("graph: the topology file names the lab; leave out --name")
    everywhere = GraphFormat.JSON if Options.format is Format.JSON else GraphFormat.TEXT
    if file is not None:
        picture = _graph_of_file(file)
    else:
        need_root()
        picture = _graph_of_lab(lab(name))
    print(_draw(picture, format or everywhere))


def _graph_of_file(file: Path) -> Graph:
    from netns_lab.graph import graph_of
    from netns_lab.planning import plan_lab
    from netns_lab.topology import find_topology_file, load_topology

    return graph_of(plan_lab(load_topology(find_topology_file(file)), bytes))


def _graph_of_lab(directory: LabDirectory) -> Graph:
    from netns_lab.api import ControllerClient
    from netns_lab.graph import graph_of
    from netns_lab.state import load_plan

    with ControllerClient(directory) as controller:
        links = controller.call("inspect", topic="links")["links"]
    return graph_of(load_plan(directory), {link["name"]: link["state"] for link in links})


def _draw(picture: Graph, format: GraphFormat) -> str:
    from netns_lab.graph import draw_dot, draw_mermaid, draw_text
    from netns_lab.graph_svg import draw_svg

    match format:
        case GraphFormat.TEXT:
            return draw_text(picture)
        case GraphFormat.DOT:
            return draw_dot(picture)
        case GraphFormat.MERMAID:
            return draw_mermaid(picture)
        case GraphFormat.SVG:
            return draw_svg(picture)
        case GraphFormat.JSON:
            return json.dumps(asdict(picture), indent=2)
