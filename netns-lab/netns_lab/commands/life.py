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
    timeout: Timeout = "30s",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be made.")] = False,
    format: FormatOption = None,
) -> None:
    """Build a lab and wait until it is ready. Alias: deploy.

    Exit 0 when its sessions are up and its prefixes installed, else 1 and what is missing.

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
    from netns_lab.dry_run import print_plan
    from netns_lab.plan import plan_lab
    from netns_lab.topology import find_topology_file, load_topology

    print_plan(plan_lab(load_topology(find_topology_file(file)), lambda octets: bytes(octets)), output)


def _up(file: Path, wait: bool, timeout: str, output: Output) -> None:
    from netns_lab.builder import running_lab
    from netns_lab.inspection import look
    from netns_lab.topology import find_topology_file

    need_root()
    timeout_s = seconds("--timeout", timeout) if wait else 0.0
    with running_lab(
        find_topology_file(file), lambda text: say(f"up: {text}"), timeout_s, keep=True
    ) as running:
        name, missing = running.directory.name, running.missing
        links = look("links", running.directory)
        output.document(
            {"lab": name, "ready": not missing, "missing": missing, "links": links.document["links"]},
            shortened(links.table, MAX_LINES, "`quadlink inspect links` shows all"),
        )
    if not missing:
        say(f"lab {name} is up; try `quadlink ping-all`")
    elif not wait:
        say(f"lab {name} is up, not yet its sessions; try `quadlink inspect bgp`")
    else:
        lacking = shortened("\n".join(f"  {part}" for part in missing), MAX_LINES, "--format json has all")
        say(f"lab {name} is up, but after {timeout} it lacks:\n{lacking}")
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
