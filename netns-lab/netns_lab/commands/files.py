"""The commands that work on topology files and on no lab."""

from pathlib import Path
from typing import Annotated

import typer

from netns_lab.options import FormatOption, output


def validate(
    file: Annotated[Path, typer.Argument(help="A topology file, or a directory with one.")] = Path("."),
    format: FormatOption = None,
) -> None:
    """Check a topology file.

    Every error names file, line and field.

    \b
    Example:
      ./quadlink validate netns-lab/topologies/quad.yaml
    """
    from netns_lab.plan import plan_lab
    from netns_lab.topology import find_topology_file, load_topology

    path = find_topology_file(file)
    plan = plan_lab(load_topology(path), lambda octets: bytes(octets))
    output(format).document(
        {"file": str(path), "name": plan.name, "nodes": len(plan.nodes), "links": len(plan.links)},
        f"{path}: lab {plan.name}, {len(plan.nodes)} nodes, {len(plan.links)} links, "
        f"{sum(len(link.sessions) for link in plan.links)} BGP sessions",
    )
