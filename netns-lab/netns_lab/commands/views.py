"""The commands that show what a lab is doing."""

import contextlib
import sys
import time
from typing import Annotated

import typer

from netns_lab.completion import node_names, topics
from netns_lab.directory import LabDirectory, LabError, choose_lab, running_labs
from netns_lab.options import EXIT_FAIL, FormatOption, Name, Options, lab, need_root, output, say, seconds

NS_PER_S = 1e9
SHORTEST_INTERVAL_S = 0.05
MANY_PINGS = 10_000


def inspect(
    topic: Annotated[
        str,
        typer.Argument(
            help="nodes, links, macsec, bgp, routes, faults or events (the last 20).", autocompletion=topics
        ),
    ] = "links",
    prefix: Annotated[
        str | None,
        typer.Argument(
            metavar="PREFIX", help="Of routes: each that contains this prefix or address, or is in it."
        ),
    ] = None,
    node: Annotated[
        str | None, typer.Option(metavar="NODE", help="Of routes: its own.", autocompletion=node_names)
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again and again, until Ctrl-C.")] = False,
    interval: Annotated[str, typer.Option(help="How often --watch looks.")] = "1s",
    all_labs: Annotated[bool, typer.Option("--all", help="All labs that run.")] = False,
    name: Name = None,
    format: FormatOption = None,
) -> None:
    """Show what a lab is doing.

    Exit 1 when a part of it is missing. --watch draws the table in place; on a pipe it prints one table after
    the other, or with --format json one document a line.

    \b
    Examples:
      sudo ./quadlink inspect bgp
      sudo ./quadlink inspect links --format json
      sudo ./quadlink inspect routes --watch --interval 200ms
      sudo ./quadlink inspect routes 10.2.0.1 --node aws
    """
    from netns_lab.inspection import TOPICS, View, look, look_at_all, show
    from netns_lab.output import choices
    from netns_lab.route_views import Chosen, read_within
    from netns_lab.watch import watch as show_until_interrupted

    if topic not in TOPICS:
        raise LabError(f"inspect: found {topic!r}, expected {choices(TOPICS)}")
    interval_s = seconds("--interval", interval)
    if interval_s < SHORTEST_INTERVAL_S:
        raise LabError(f"--interval: found {interval!r}, expected at least 50ms")
    if all_labs and (name or Options.name):
        raise LabError("inspect: --all and --name exclude each other")
    chosen = Chosen(node, read_within(prefix) if prefix is not None else None)
    if chosen != Chosen() and (topic != "routes" or all_labs):
        raise LabError("inspect: a prefix and --node go with the routes of one lab")
    need_root()
    first = None if all_labs else lab(name)

    def view() -> View:
        if first is None:
            return look_at_all(topic, [LabDirectory(each) for each in running_labs()])
        return look(topic, choose_lab(first.name), chosen)  # chosen again: it may have ended meanwhile

    if watch:
        title = f"{first.name if first else 'all labs'}: {topic}"
        show_until_interrupted(title, view, interval_s, output(format))
    elif not show(view(), output(format)):
        raise typer.Exit(EXIT_FAIL)


def metrics(
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where to answer.")] = "127.0.0.1:9817",
    once: Annotated[bool, typer.Option("--once", help="Print what would be answered, and end.")] = False,
    name: Name = None,
) -> None:
    """Answer Prometheus, until Ctrl-C.

    Frames, drops by reason, queues, latency and carriers of every link, counters of every SecY, BGP sessions:
    of all labs, as they come and go, or of the one that --name says. Whoever reaches the address may read. It
    costs the links nothing: their counters are in shared memory.

    \b
    Examples:
      sudo ./quadlink metrics --listen 127.0.0.1:9817
      sudo ./quadlink metrics --once
    """
    import threading

    from prometheus_client import generate_latest

    from netns_lab.exporter import Sources, exporter
    from netns_lab.metrics import registry

    need_root()
    chosen = name or Options.name
    sources = Sources(choose_lab(chosen).name if chosen else None)
    if once:
        sys.stdout.write(generate_latest(registry(sources.read)).decode())
        return
    with contextlib.suppress(KeyboardInterrupt), exporter(listen, sources) as url:
        say(f"metrics: {url}")
        threading.Event().wait()


def ping_all(name: Name = None, format: FormatOption = None) -> None:
    """Ping from every node to every other.

    Asks at the planned addresses, in both families, and prints who hears from whom; exit 1 where an answer is
    missing. A node that announces nothing is asked only by its neighbors.

    \b
    Examples:
      sudo ./quadlink ping-all
      sudo ./quadlink ping-all --format json
    """
    from netns_lab.ping_all import ping_all as ask_for_all
    from netns_lab.reachability import promised, report
    from netns_lab.state import load_plan

    need_root()
    plan = load_plan(lab(name))
    reachability = promised(plan)
    asked = reachability.count(False)
    if asked > MANY_PINGS:
        say(f"ping-all: {asked} pings, some {MANY_PINGS} a second")
    ask_for_all(plan, reachability)
    if not report(reachability, output(format)):
        raise typer.Exit(EXIT_FAIL)


def events(
    follow: Annotated[bool, typer.Option("--follow", help="Wait for more, until Ctrl-C.")] = False,
    since: Annotated[str | None, typer.Option(help="Only those of the last while, such as 10s.")] = None,
    name: Name = None,
    format: FormatOption = None,
) -> None:
    """Tell what happened in a lab.

    Faults, interfaces, sessions, routes and processes, in order. With --follow and --format json each event
    is one JSON object on a line of its own.

    \b
    Examples:
      sudo ./quadlink events --since 10s
      sudo ./quadlink events --follow
    """
    from netns_lab.event_log import event_line, read_events

    since_ns = time.monotonic_ns() - round(seconds("--since", since) * NS_PER_S) if since else 0
    need_root()
    directory, out = lab(name), output(format)
    found = (event for event in read_events(directory.events, follow) if event["t_ns"] >= since_ns)
    if not follow:
        ordered = sorted(found, key=lambda event: event["t_ns"])
        out.document({"lab": directory.name, "events": ordered}, "\n".join(map(event_line, ordered)))
        return
    with contextlib.suppress(KeyboardInterrupt):
        for event in found:
            out.line(event, event_line(event))
