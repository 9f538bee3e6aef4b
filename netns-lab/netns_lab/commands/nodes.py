"""The commands that work inside a node."""

from typing import Annotated

import typer

from netns_lab.completion import node_list, node_then_files
from netns_lab.directory import LabError
from netns_lab.options import EXIT_EXEC_FAILED, Name, lab, need_root, say


def exec(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="NODE COMMAND...",
            help="Where to run it, and the command.",
            autocompletion=node_then_files,
        ),
    ],
    nodes: Annotated[
        str | None,
        typer.Option(
            "--nodes",
            "-n",
            help="Run it in these nodes instead, as a,b or 'aws-*'.",
            show_default=False,
            autocompletion=node_list,
        ),
    ] = None,
    name: Name = None,
) -> None:
    """Run a command inside a node, or inside several.

    Everything after the node is the command, so options go before it. Returns the command's own exit code,
    125 when it could not be started. With --nodes there is no NODE: the command runs in 32 nodes at a time,
    each line says where it comes from, and the exit code is the first that is not 0.

    \b
    Examples:
      sudo ./quadlink exec aws-h1 -- ping -c 3 gcp-h1
      sudo ./quadlink exec -n aws,gcp -- ip nexthop
      sudo ./quadlink exec -n '*' -- ip -br address
    """
    from netns_lab.execute import execute
    from netns_lab.fan_out import FanOut, matching_nodes
    from netns_lab.names import read_names

    try:
        need_root()
        directory = lab(name)
        names = read_names(directory)
        if nodes is None:
            execute(directory, names.node(words[0]), _command(words[1:]))
        code = FanOut(directory, _command(words)).run(matching_nodes(names, nodes))
    except (LabError, OSError) as error:
        say(f"quadlink: {error}")
        raise typer.Exit(EXIT_EXEC_FAILED) from None
    raise typer.Exit(code)


def _command(words: list[str]) -> list[str]:
    command = words[1:] if words[:1] == ["--"] else words
    if not command:
        raise LabError("exec: found no command, expected NODE COMMAND...")
    return command
