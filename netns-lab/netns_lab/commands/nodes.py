"""The commands that work inside a node."""

import contextlib
from typing import Annotated

import typer

from netns_lab.completion import log_names, node_list, node_names, node_then_files
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
    except BrokenPipeError:  # whoever reads it has seen enough
        raise
    except (LabError, OSError) as error:
        say(f"quadlink: {error}")
        raise typer.Exit(EXIT_EXEC_FAILED) from None
    raise typer.Exit(code)


def shell(
    node: Annotated[str, typer.Argument(help="Where to open it.", autocompletion=node_names)],
    name: Name = None,
) -> None:
    """Open your shell inside a node.

    That is $SHELL, or sh. The prompt of bash and sh begins with lab and node. Returns the shell's exit code,
    125 when it could not be started.

    \b
    Example:
      sudo ./quadlink shell aws-h1
    """
    from netns_lab.names import read_names
    from netns_lab.shell import run_shell

    try:
        need_root()
        directory = lab(name)
        run_shell(directory, read_names(directory).node(node))
    except (LabError, OSError) as error:
        say(f"quadlink: {error}")
        raise typer.Exit(EXIT_EXEC_FAILED) from None


def logs(
    source: Annotated[
        str,
        typer.Argument(
            metavar="NODE|PROCESS", help="A node, or engine, guard or controller.", autocompletion=log_names
        ),
    ],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more, until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of each log's last.")] = 100,
    name: Name = None,
) -> None:
    """Print what a part of the lab wrote.

    Of a node that is its ExaBGP, its services and its commands; each line begins with the program's name.

    \b
    Examples:
      sudo ./quadlink logs controller
      sudo ./quadlink logs aws --follow -n 10
    """
    from netns_lab.logs import read_logs

    need_root()
    with contextlib.suppress(KeyboardInterrupt):
        for line in read_logs(lab(name), source, lines, follow):
            print(line, flush=True)


def _command(words: list[str]) -> list[str]:
    command = words[1:] if words[:1] == ["--"] else words
    if not command:
        raise LabError("exec: found no command, expected NODE COMMAND...")
    return command
