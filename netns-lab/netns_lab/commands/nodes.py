"""The commands that work inside a node."""

from typing import Annotated

import typer

from netns_lab.directory import LabError
from netns_lab.options import EXIT_EXEC_FAILED, Name, lab, need_root, say


def exec(
    node: Annotated[str, typer.Argument(help="Where to run it.")],
    command: Annotated[list[str], typer.Argument(help="The command and its arguments.")],
    name: Name = None,
) -> None:
    """Run a command inside a node.

    Everything after the node is the command, so --name goes before it. Returns the command's own exit code,
    125 when it could not be started.

    \b
    Example:
      sudo ./quadlink exec aws-h1 -- ping -c 3 gcp-h1
    """
    from netns_lab.execute import execute

    try:
        need_root()
        execute(lab(name), node, command[1:] if command[0] == "--" else command)
    except (LabError, OSError) as error:
        say(f"quadlink: {error}")
        raise typer.Exit(EXIT_EXEC_FAILED) from None
