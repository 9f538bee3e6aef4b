"""The commands that begin and end a lab."""

from pathlib import Path
from typing import Annotated

import typer

from netns_lab.options import (
    EXIT_FAIL,
    FormatOption,
    Name,
    Timeout,
    TopologyPlace,
    lab,
    need_root,
    no_name,
    output,
    say,
    seconds,
)
from netns_lab.output import Output, shortened

MAX_LINES = 40


def up(
    file: TopologyPlace = Path("."),
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for sessions and prefixes.")] = True,
    timeout: Timeout = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be made.")] = False,
    format: FormatOption = None,
) -> None:
    """Build a lab and wait until it is ready; change one that runs. Alias: deploy.

    Exit 0 when its sessions are up and its prefixes installed, else 1 and what is missing. Of a lab that runs
    only what differs in the file is added, removed or changed, and told; the rest notices nothing.

    \b
    Examples:
      sudo ./quadlink up netns-lab/topologies/quad.yaml
      sudo ./quadlink up --no-wait mylab/
      ./quadlink up --dry-run mylab/
    """
    no_name("up")
    if dry_run:
        _dry_run(file, output(format))
    else:
        _up(file, wait, timeout, output(format))


def _dry_run(file: Path, output: Output) -> None:
    from netns_lab.change import difference_of, known_plan, why_not_changed
    from netns_lab.directory import LabDirectory
    from netns_lab.dry_run import print_difference, print_plan
    from netns_lab.planning import plan_lab
    from netns_lab.topology import find_topology_file, load_topology

    topology = load_topology(find_topology_file(file), known_plan)
    if known_plan(topology.name) is None:
        print_plan(plan_lab(topology, lambda octets: bytes(octets)), output)
    elif problem := why_not_changed(LabDirectory(topology.name)):
        say(f"{problem}: `up` would build it anew")
        print_plan(plan_lab(topology, lambda octets: bytes(octets)), output)
    else:
        print_difference(difference_of(topology), output)


def _up(file: Path, wait: bool, timeout: str | None, output: Output) -> None:
    from netns_lab.change import lab_up
    from netns_lab.inspection import look
    from netns_lab.topology import find_topology_file

    need_root()
    timeout_s = None if timeout is None else seconds("--timeout", timeout)
    timeout_s = timeout_s if wait else 0.0
    with lab_up(find_topology_file(file), lambda text: say(f"up: {text}"), timeout_s) as lab:
        name, missing = lab.directory.name, lab.missing
        links = look("links", lab.directory)
        changes = [str(change) for change in lab.changes]
        table = shortened(links.table, MAX_LINES, "`quadlink inspect links` shows all")
        output.document(
            {
                "lab": name,
                "action": lab.action,
                "changes": [change.as_json() for change in lab.changes],
                "ready": not missing,
                "missing": missing,
                "links": links.document["links"],
            },
            "\n".join(changes) or (table if lab.action != "unchanged" else "nothing to change"),
        )
    if not missing:
        say(f"lab {name} is up; try `quadlink ping-all`")
    elif not wait:
        say(f"lab {name} is up, not yet its sessions; try `quadlink inspect bgp`")
    else:
        lacking = shortened("\n".join(f"  {part}" for part in missing), MAX_LINES, "--format json has all")
        say(f"lab {name} is up, but after {timeout or f'{lab.timeout_s:.0f}s'} it lacks:\n{lacking}")
        raise typer.Exit(EXIT_FAIL)


def down(name: Name = None, format: FormatOption = None) -> None:
    """End a lab and leave nothing of it. Alias: destroy.

    Its processes, namespaces and files go, and nothing else.

    \b
    Example:
      sudo ./quadlink down
    """
    from netns_lab.teardown import bring_down

    need_root()
    directory = lab(name)
    bring_down(directory)
    output(format).document({"lab": directory.name}, f"lab {directory.name} is down")


def adopt(name: Name = None, format: FormatOption = None) -> None:
    """Start what is missing of a lab's own processes.

    Guard and controller start each other when one of them ends; this is for when both did. Traffic flows on
    meanwhile, and what runs is left as it is.

    \b
    Example:
      sudo ./quadlink adopt
    """
    from netns_lab.adoption import adopt as adopt_lab

    need_root()
    directory = lab(name)
    started = adopt_lab(directory)
    words = f"started: {', '.join(started)}" if started else "nothing was missing"
    output(format).document({"lab": directory.name, "started": started}, f"lab {directory.name}: {words}")


def gc(format: FormatOption = None) -> None:
    """Remove what dead labs left behind.

    A lab is dead when all its processes were killed, or its `up` was before it was done. Its processes,
    namespaces and files go, and nothing else: not those of a lab that runs or is being built.

    \b
    Example:
      sudo ./quadlink gc
    """
    from dataclasses import asdict

    from netns_lab.garbage import collect

    need_root()
    removed = collect()
    lines = [f"removed {part.kind} {part.what} of lab {part.lab}" for part in removed]
    output(format).document(
        {"removed": [asdict(part) for part in removed]}, "\n".join(lines) or "nothing to remove"
    )
