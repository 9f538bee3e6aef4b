"""The commands that measure one fault and draw what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netns_lab.commands.faults import Count, ForTime, FromNode, Period, Words, wire_options
from netns_lab.completion import fault_kinds, fault_modes, fault_names, files, node_names
from netns_lab.directory import LabError
from netns_lab.options import (
    EXIT_FAIL,
    FormatOption,
    Name,
    lab,
    need_root,
    output,
    say,
    seconds,
    some_seconds,
)
from netns_lab.output import choices

if TYPE_CHECKING:
    from netns_lab.measurement import Measurement

SPARE_S = 60.0
"""The probes may go on for so much longer than they are watched."""


def measure(
    kind: Annotated[str, typer.Argument(help="What fails, as for `fail`.", autocompletion=fault_kinds)],
    target: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Its name; a controller has none.", autocompletion=fault_names),
    ] = None,
    words: Words = None,
    mode: Annotated[
        str | None,
        typer.Option(help="How it fails, as for `fail`.", autocompletion=fault_modes, show_default=False),
    ] = None,
    from_node: FromNode = None,
    period: Period = None,
    count: Count = None,
    for_time: ForTime = None,
    observe: Annotated[
        str | None,
        typer.Option(
            help="How long traffic is watched from the fault on; if not given, 1s, and what BFD or the hold "
            "timer takes to find it where no carrier tells.",
            show_default=False,
        ),
    ] = None,
    between: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="ROUTER ROUTER",
            help="Whose hosts send probes; the first two that have hosts if not given.",
            autocompletion=node_names,
            show_default=False,
        ),
    ] = None,
    rate: Annotated[
        int,
        typer.Option(
            help="Packets a second of each flow: at 1000, outages are known to 1 ms.", min=1, max=10_000
        ),
    ] = 200,
    save: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep records, report and pictures.", autocompletion=files),
    ] = None,
    name: Name = None,
    format: FormatOption = None,
) -> None:
    """Fail something under probes, tell how long traffic was dark, and heal it.

    Probes go between the hosts of two sites, both ways, over IPv4 and IPv6, in so many flows that they cover
    every path. Exit 0 when all traffic that had a way left came back, else 1.

    \b
    Examples:
      sudo ./quadlink measure link ch1
      sudo ./quadlink measure link ch2 --mode silent --save silent
      sudo ./quadlink measure group facility-a --rate 1000
      sudo ./quadlink measure controller --mode killed
    """
    from netns_lab.measuring import FaultRequest, await_whole, measure_fault, observation_s
    from netns_lab.recording import refuse_taken
    from netns_lab.state import load_plan
    from netns_lab.stopwatch import Stopwatch

    if target is None and kind != "controller":
        raise LabError(f"measure: found {kind} without a name, expected `measure {kind} NAME`")
    if target is not None and kind == "controller":
        raise LabError(f"measure: found a name, {target!r}; a lab has one controller, expected none")
    for_s = seconds("--for", for_time) if for_time is not None else None
    options = wire_options(words, from_node, period, count)
    if save is not None:
        refuse_taken(save)
    need_root()
    directory = lab(name)
    plan = load_plan(directory)
    fault = FaultRequest(kind, target or kind, mode or _first_mode(kind), for_s, options)
    fault.check(plan)
    watched_s = some_seconds("--observe", observe) if observe is not None else observation_s(plan, fault)
    await_whole(directory, lambda text: say(f"measure: {text}"))
    limit_s = watched_s + SPARE_S
    with Stopwatch(
        directory, plan, limit_s=limit_s, packets_per_s_and_flow=rate, between=between
    ) as stopwatch:
        say(f"measure: {len(stopwatch.flows)} flows under way; {fault}")
        measurement = measure_fault(stopwatch, directory, fault, watched_s)
    if save is not None:  # first, as whoever reads the report may go away
        measurement.save(save)
    _show(measurement, format)
    if save is not None:
        _draw(measurement, save)
    if not measurement.survived:
        raise typer.Exit(EXIT_FAIL)


def timeline(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="What --save kept.", autocompletion=files)],
    format: FormatOption = None,
) -> None:
    """Draw the timeline of a measurement that was saved, and print its report.

    \b
    Examples:
      ./quadlink timeline silent
    """
    from netns_lab.measurement import Measurement

    measurement = Measurement.load(directory)
    _show(measurement, format)
    _draw(measurement, directory)


def _first_mode(kind: str) -> str:
    from netns_lab.faults.model import FaultKind, first_mode

    if kind not in list(FaultKind):
        raise LabError(f"found {kind!r}, expected {choices(FaultKind)}")
    return first_mode(kind)


def _show(measurement: Measurement, format: FormatOption) -> None:
    from netns_lab.measurement_report import text

    output(format).document(measurement.as_json(), text(measurement))


def _draw(measurement: Measurement, directory: Path) -> None:
    from netns_lab.timeline_picture import draw

    try:
        pictures = draw(measurement, directory)
    except OSError as error:
        raise LabError(f"{error.filename}: {error.strerror}") from error
    say(f"drawn: {', '.join(map(str, pictures))}")
