"""The command line: what a user types, and the exit codes 0 pass, 1 fail, 2 usage or impossible."""

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from netns_lab.boundary import run_command
from netns_lab.directory import LabDirectory, LabError, choose_lab
from netns_lab.output import Format, Output

EXIT_FAIL = 1
EXIT_EXEC_FAILED = 125

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
fail_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.add_typer(fail_app, name="fail", help="Break something, on purpose.")

Name = Annotated[str | None, typer.Option("--name", help="The lab; needed only when several run.")]
FormatOption = Annotated[
    Format | None, typer.Option("--format", help="A table for people, JSON for programs.")
]
Timeout = Annotated[str, typer.Option(help="How long to wait for sessions and prefixes.")]


class Options:
    """--name and --format, given before the command or after it."""

    name: str | None = None
    format: Format = Format.TABLE


def _lab(name: str | None) -> LabDirectory:
    return choose_lab(name or Options.name)


def _output(format: Format | None) -> Output:
    return Output(format or Options.format)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _seconds(option: str, text: str) -> float:
    from netns_lab.units import duration_s

    try:
        return duration_s(text)
    except ValueError as error:
        raise LabError(f"{option}: {error}") from None


def _no_name(command: str) -> None:
    if Options.name is not None:
        raise LabError(f"{command}: the topology file names the lab; leave out --name")


def _need_root() -> None:
    if os.geteuid() != 0:
        raise LabError("network namespaces need root; run it again with sudo")


@app.callback()
def options(name: Name = None, format: FormatOption = None) -> None:
    """A laboratory for encrypted, redundant, BGP-routed interconnects on one Linux machine.

    \b
    Start here:
      sudo ./quadlink demo                   run the four-channel lab, cut a channel, print the outage
      sudo ./quadlink up netns-lab/topologies/quad.yaml
      sudo ./quadlink inspect links
      sudo ./quadlink fail link ch1
      sudo ./quadlink heal
      sudo ./quadlink down
    """
    Options.name = name
    Options.format = format or Format.TABLE


@app.command()
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
    _output(format).document(
        {"file": str(path), "name": plan.name, "nodes": len(plan.nodes), "links": len(plan.links)},
        f"{path}: lab {plan.name}, {len(plan.nodes)} nodes, {len(plan.links)} links, "
        f"{sum(len(link.sessions) for link in plan.links)} BGP sessions",
    )


@app.command()
def up(
    file: Annotated[Path, typer.Argument(help="A topology file, or a directory with one.")] = Path("."),
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

    _no_name("up")
    _need_root()
    timeout_s = _seconds("--timeout", timeout) if wait else 0.0
    with running_lab(find_topology_file(file), lambda text: _say(f"up: {text}"), timeout_s, keep=True) as lab:
        missing = lab.missing if wait else []
        _output(format).document(
            {"lab": lab.directory.name, "ready": not lab.missing, "missing": lab.missing},
            "" if missing else f"lab {lab.directory.name} is up; try `quadlink inspect links`",
        )
    if missing:
        _say(f"lab {lab.directory.name} is up, but after {timeout}: {'; '.join(missing)}")
        raise typer.Exit(EXIT_FAIL)


@app.command()
def down(name: Name = None, format: FormatOption = None) -> None:
    """End a lab and leave nothing of it.

    Its processes, namespaces and files go, and nothing else.

    \b
    Example:
      sudo ./quadlink down
    """
    from netns_lab.teardown import bring_down

    _need_root()
    directory = _lab(name)
    bring_down(directory)
    _output(format).document({"lab": directory.name}, f"lab {directory.name} is down")


@app.command()
def inspect(
    topic: Annotated[str, typer.Argument(help="nodes, links, macsec, bgp or routes.")] = "links",
    name: Name = None,
    format: FormatOption = None,
) -> None:
    """Show what a lab is doing.

    Exit 1 when a part of it is missing.

    \b
    Examples:
      sudo ./quadlink inspect bgp
      sudo ./quadlink inspect links --format json
    """
    from netns_lab.inspection import TOPICS, show
    from netns_lab.output import choices

    if topic not in TOPICS:
        raise LabError(f"inspect: found {topic!r}, expected {choices(TOPICS)}")
    _need_root()
    if not show(topic, _lab(name), _output(format)):
        raise typer.Exit(EXIT_FAIL)


@app.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
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
        _need_root()
        execute(_lab(name), node, command[1:] if command[0] == "--" else command)
    except (LabError, OSError) as error:
        _say(f"quadlink: {error}")
        raise typer.Exit(EXIT_EXEC_FAILED) from None


@fail_app.command("link")
def fail_link(
    link: Annotated[str, typer.Argument(help="The link's name.")],
    mode: Annotated[str, typer.Option(help="carrier, silent or one-way.")] = "carrier",
    from_node: Annotated[
        str | None, typer.Option("--from", help="one-way: whose frames are lost (default: the first end's).")
    ] = None,
    for_time: Annotated[str | None, typer.Option("--for", help="Heal by itself after this long.")] = None,
    name: Name = None,
    format: FormatOption = None,
) -> None:
    """Fail a link.

    carrier: both ends lose carrier. silent: carrier stays, every frame is lost. one-way: only the frames of
    one end are lost.

    \b
    Examples:
      sudo ./quadlink fail link ch1
      sudo ./quadlink fail link ch2 --mode silent --for 3s
      sudo ./quadlink fail link ch3 --mode one-way --from gcp
    """
    from netns_lab.api import ControllerClient

    _need_root()
    with ControllerClient(_lab(name)) as controller:
        result = controller.call(
            "fail",
            link=link,
            mode=mode,
            from_node=from_node,
            for_s=_seconds("--for", for_time) if for_time is not None else None,
        )
    _output(format).document(result, f"link {link}: failed ({mode})")


@app.command()
def heal(
    kind: Annotated[str | None, typer.Argument(help="link; nothing named heals everything.")] = None,
    target: Annotated[str | None, typer.Argument(help="The link's name.", metavar="NAME")] = None,
    name: Name = None,
    format: FormatOption = None,
) -> None:
    """Undo failures, of one link or of all.

    \b
    Examples:
      sudo ./quadlink heal
      sudo ./quadlink heal link ch1
    """
    from netns_lab.api import ControllerClient

    if kind is not None and (kind != "link" or target is None):
        raise LabError("heal: expected nothing, or `link NAME`")
    _need_root()
    with ControllerClient(_lab(name)) as controller:
        result = controller.call("heal", link=target)
    _output(format).document(result, f"healed: {', '.join(result['healed']) or 'nothing was failed'}")


@app.command()
def demo(
    file: Annotated[Path | None, typer.Argument(help="Another topology than quad.")] = None,
    format: FormatOption = None,
) -> None:
    """Run the four-channel lab and break it.

    Cuts a channel under traffic, then silences it, and prints how long it was dark.

    \b
    Examples:
      sudo ./quadlink demo
      sudo ./quadlink demo --format json
    """
    from netns_lab.demo import run_demo

    _no_name("demo")
    _need_root()
    if not run_demo(file, _output(format), lambda text: _say(f"demo: {text}")):
        raise typer.Exit(EXIT_FAIL)


@app.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
def test(
    arguments: Annotated[list[str] | None, typer.Argument(help="Arguments for pytest.")] = None,
) -> None:
    """Run quadlink's own tests.

    Lab tests need root.

    \b
    Examples:
      sudo ./quadlink test
      sudo ./quadlink test -k macsec
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / "tests").is_dir():
        raise LabError(f"no tests at {root}; run this from a clone of quadlink")
    os.chdir(root)
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *(arguments or [])])


@app.command()
def bench(
    benchmark: Annotated[str, typer.Argument(metavar="NAME", help="smoke.")],
    format: FormatOption = None,
) -> None:
    """Measure on this machine.

    Prints each figure beside its goal and what it is compared with.

    \b
    Example:
      sudo ./quadlink bench smoke
    """
    _need_root()
    chosen = format or Options.format
    os.execv(sys.executable, [sys.executable, "-P", "-m", "bench", benchmark, "--format", chosen.value])


def main() -> NoReturn:
    """Runs the command line; a mistake the user can mend is one sentence and exit code 2."""
    run_command(app)


if __name__ == "__main__":
    main()
