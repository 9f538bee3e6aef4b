"""The commands that work on topology files and on no lab."""

from pathlib import Path
from typing import Annotated

import typer

from netns_lab.completion import files, kinds_of_files, templates
from netns_lab.directory import LabError
from netns_lab.options import FormatOption, Name, Options, TopologyPlace, output
from netns_lab.output import choices


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to write it.", autocompletion=files)
    ] = Path("."),
    template: Annotated[
        str, typer.Option(help="pair, quad, quad-facilities, ring or star.", autocompletion=templates)
    ] = "pair",
    routers: Annotated[int | None, typer.Option(help="ring: how many.", show_default=False)] = None,
    hosts: Annotated[int | None, typer.Option(help="star: how many.", show_default=False)] = None,
    name: Name = None,
    format: FormatOption = None,
) -> None:
    """Write a topology to begin with.

    It is called topology.yaml; a directory that has a *.yaml already is left as it is. The lab is called as
    --name says, else as the directory.

    \b
    Examples:
      ./quadlink init mylab
      ./quadlink init big --template ring --routers 20
    """
    import shlex

    from netns_lab.starter import lab_name, starter_topology, write_topology

    chosen = name or Options.name or lab_name(folder, template)
    text = starter_topology(template, chosen, {"routers": routers, "hosts": hosts})
    path = write_topology(folder, text)
    following = f"quadlink up {shlex.quote(str(path))}"
    output(format).document(
        {"file": str(path), "name": chosen, "next": following}, f"{path} is written; try `{following}`"
    )


def validate(
    file: TopologyPlace = Path("."),
    format: FormatOption = None,
) -> None:
    """Check a topology file, or a scenario file.

    Every error names file, line and field.

    \b
    Examples:
      ./quadlink validate netns-lab/topologies/quad.yaml
      ./quadlink validate netns-lab/scenarios/single-cut.yaml
    """
    from netns_lab.planning import plan_lab
    from netns_lab.scenarios.loading import is_scenario, load_scenario
    from netns_lab.topology import find_topology_file, load_topology

    path = find_topology_file(file)
    if is_scenario(path):
        scenario = load_scenario(path)
        output(format).document(
            {"file": str(path), "name": scenario.name, "steps": len(scenario.steps)},
            f"{path}: scenario {scenario.name}, {len(scenario.steps)} steps, {scenario.duration_s:g} s",
        )
        return
    plan = plan_lab(load_topology(path), lambda octets: bytes(octets))
    output(format).document(
        {"file": str(path), "name": plan.name, "nodes": len(plan.nodes), "links": len(plan.links)},
        f"{path}: lab {plan.name}, {len(plan.nodes)} nodes, {len(plan.links)} links, "
        f"{len(plan.sessions)} BGP sessions",
    )


def schema(
    kind: Annotated[
        str, typer.Argument(help="topology or scenario.", autocompletion=kinds_of_files)
    ] = "topology",
) -> None:
    """Print the JSON Schema of topology files, or of scenario files.

    An editor with a YAML language server completes and checks by it, once a file begins with the line
    `# yaml-language-server: $schema=topology.schema.json`.

    \b
    Examples:
      ./quadlink schema > topology.schema.json
      ./quadlink schema scenario > scenario.schema.json
    """
    import json

    from netns_lab.schema import scenario_schema, topology_schema

    schemas = {"topology": topology_schema, "scenario": scenario_schema}
    if kind not in schemas:
        raise LabError(f"schema: found {kind!r}, expected {choices(schemas)}")
    print(json.dumps(schemas[kind](), indent=2))
