"""The commands that impair links: set, show, clear, and play a schedule."""

from pathlib import Path
from typing import Annotated, Any

import typer

from netns_lab.completion import files, impairment_words, link_directions, link_names
from netns_lab.directory import LabError
from netns_lab.options import FormatOption, Name, lab, need_root, output

MAXIMUM_TRACE_OCTETS = 16 << 20
impair_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Link = Annotated[str, typer.Argument(help="The link's name.", autocompletion=link_names)]
AnyLink = Annotated[
    str | None, typer.Argument(help="The link's name; all links if not given.", autocompletion=link_names)
]
Direction = Annotated[
    str | None,
    typer.Option(
        help="The frames of one end, as SENDER-RECEIVER; both directions if not given.",
        autocompletion=link_directions,
    ),
]


@impair_app.command("set")
def impair_set(
    link: Link,
    words: Annotated[
        list[str],
        typer.Argument(metavar="KEY=VALUE...", help="What to change.", autocompletion=impairment_words),
    ],
    direction: Direction = None,
    name: Name = None,
    format: FormatOption = None,
) -> None:
    """Change what a link does to its frames.

    What is not named stays as it is. none turns one off.

    \b
    delay, jitter          5ms; jitter_model is uniform, normal or pareto
    loss                   0.1%; for bursts loss_model=gilbert-elliott with enter_burst,
                           leave_burst, the chance of each frame, and loss_in_burst
    duplicate, corrupt     0.1% of the frames
    reorder                1%, overtaken by the next reorder_frames=3
    rate                   100mbit; queue=50ms or queue=256kB may wait for it

    \b
    Examples:
      sudo ./quadlink impair set ch1 delay=5ms jitter=1ms loss=0.1%
      sudo ./quadlink impair set ch1 --direction aws-gcp rate=100mbit queue=256kB
      sudo ./quadlink impair set ch1 loss=0 rate=none
    """
    from netns_lab.impairments import (
        impairment_from_document,
        impairments_text,
        read_words,
        without_effect,
    )

    try:
        changes = read_words(words)
    except ValueError as error:
        raise LabError(f"impair set: {error}") from None
    result = _call(name, "impair-set", link=link, direction=direction, changes=changes)
    text = impairments_text(result["impairments"])
    out = output(format)
    out.document(result, f"link {link}: {'not impaired' if text == 'no' else text}")
    changed = [it for it in result["impairments"] if direction in (None, f"{it['from']}-{it['to']}")]
    for sentence in without_effect(changes, [impairment_from_document(it) for it in changed]):
        out.warn(sentence)


@impair_app.command("show")
def impair_show(link: AnyLink = None, name: Name = None, format: FormatOption = None) -> None:
    """Show how links are impaired and what plays on them.

    \b
    Examples:
      sudo ./quadlink impair show
      sudo ./quadlink impair show ch1 --format json
    """
    from netns_lab.impairments import direction_rows

    result = _call(name, "impair-show", link=link)
    rows = [row for it in result["links"] for row in direction_rows(it)]
    output(format).table(result, ("link", "direction", "impaired", "plays"), rows)


@impair_app.command("clear")
def impair_clear(
    link: AnyLink = None, direction: Direction = None, name: Name = None, format: FormatOption = None
) -> None:
    """Impair a link no more, or all links.

    Also what the topology file says is cleared, and what plays is ended.

    \b
    Examples:
      sudo ./quadlink impair clear
      sudo ./quadlink impair clear ch1 --direction aws-gcp
    """
    _check_direction(link, direction)
    result = _call(name, "impair-clear", link=link, direction=direction)
    cleared = ", ".join(result["cleared"])
    output(format).document(result, f"cleared: {cleared or 'nothing was impaired'}")


@impair_app.command("play")
def impair_play(
    link: Link,
    file: Annotated[Path, typer.Argument(help="A CSV or JSON file.", autocompletion=files)],
    direction: Direction = None,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again behind the last step.")] = False,
    name: Name = None,
    format: FormatOption = None,
) -> None:
    """Play a schedule of impairments.

    The lab's controller plays it, and the command ends at once; `impair show` tells where it is. The last
    step stays set; in a loop it lasts as long as the one before it. What the file does not name stays as it
    is set.

    \b
    A row is a step, at a time since the begin. Columns are time and the keys of `impair set`,
    with units in the values or in the name:
      time_s,delay_ms,rate_mbps,loss       [{"time": "0s", "delay": "20ms"},
      0,20,100,0%                           {"time": "1.5s", "rate": "40mbit"}]
      1.5,,40,0.5%

    \b
    Examples:
      sudo ./quadlink impair play ch1 trace.csv
      sudo ./quadlink impair play ch1 trace.json --direction aws-gcp --loop
    """
    from netns_lab.impairment_trace import parse_trace

    steps = parse_trace(_read(file), str(file))
    if loop and len(steps) < 2:
        raise LabError(f"{file}: found one step, expected at least two for --loop")
    result = _call(
        name,
        "impair-play",
        link=link,
        direction=direction,
        file=str(file),
        loop=loop,
        steps=[(step.at_ns, step.changes) for step in steps],
    )
    times = "again and again" if loop else f"for {steps[-1].at_ns / 1e9:g} s"
    output(format).document(result, f"link {link}: plays {file} {times}")


@impair_app.command("stop")
def impair_stop(
    link: AnyLink = None, direction: Direction = None, name: Name = None, format: FormatOption = None
) -> None:
    """End what plays on a link, or on all links.

    They stay impaired as they are at that moment.

    \b
    Examples:
      sudo ./quadlink impair stop
      sudo ./quadlink impair stop ch1 --direction aws-gcp
    """
    _check_direction(link, direction)
    result = _call(name, "impair-stop", link=link, direction=direction)
    stopped = ", ".join(f"{it['file']} on {it['link']} {it['direction']}" for it in result["stopped"])
    output(format).document(result, f"stopped: {stopped or 'nothing was playing'}")


def _call(name: str | None, request: str, **arguments: object) -> dict[str, Any]:
    from netns_lab.api import ControllerClient

    need_root()
    with ControllerClient(lab(name)) as controller:
        result: dict[str, Any] = controller.call(request, **arguments)
    return result


def _check_direction(link: str | None, direction: str | None) -> None:
    if link is None and direction is not None:
        raise LabError("--direction goes with a link, expected its name")


def _read(file: Path) -> str:
    with file.open("rb") as opened:
        octets = opened.read(MAXIMUM_TRACE_OCTETS + 1)
    if len(octets) > MAXIMUM_TRACE_OCTETS:
        raise LabError(f"{file}: found more than {MAXIMUM_TRACE_OCTETS} octets, expected fewer")
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise LabError(f"{file}: found octets that are not UTF-8, expected a text file") from None
