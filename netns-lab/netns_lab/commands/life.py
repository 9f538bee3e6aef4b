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


def up(
    file: TopologyPlace = Path("."),
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for sessions and prefixes.")] = True,
    timeout: Timeout = "30s",
    format: FormatOption = None,
) -> None:
    """Build a lab and wait until it is ready.

    Exit 0 when its sessions are up and its prefixes installed, else 1 and what is missing.

    \b
    Examples:
      sudo ./quadlink up netns-lab/topologies/quad.yaml
      sudo ./quadlink up --no-wait mylab/
    """
    from netns_lab.builder import running_lab
    from netns_lab.topology import find_topology_file

    no_name("up")
    need_root()
    timeout_s = seconds("--timeout", timeout) if wait else 0.0
    with running_lab(
        find_topology_file(file), lambda text: say(f"up: {text}"), timeout_s, keep=True
    ) as running:
        missing = running.missing if wait else []
        output(format).document(
            {"lab": running.directory.name, "ready": not running.missing, "missing": running.missing},
            "" if missing else f"lab {running.directory.name} is up; try `quadlink inspect links`",
        )
    if missing:
        say(f"lab {running.directory.name} is up, but after {timeout}: {'; '.join(missing)}")
        raise typer.Exit(EXIT_FAIL)


def down(name: Name = None, format: FormatOption = None) -> None:
    """End a lab and leave nothing of it.

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
