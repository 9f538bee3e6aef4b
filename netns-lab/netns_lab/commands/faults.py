"""The commands that break a lab and heal it."""

from typing import Annotated, Any

import typer

from netns_lab.completion import fault_kinds, fault_modes, impairment_words, link_names, node_names
from netns_lab.directory import LabError
from netns_lab.options import FormatOption, Name, lab, need_root, output, seconds

fail_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

ForTime = Annotated[str | None, typer.Option("--for", help="Heal by itself after this long.")]
FromNode = Annotated[
    str | None,
    typer.Option("--from", help="Whose frames are meant, where one end's are.", autocompletion=node_names),
]
Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE...]", help="brownout: as for `impair set`.", autocompletion=impairment_words
    ),
]
Period = Annotated[str | None, typer.Option(help="flap: from one loss of carrier to the next (1s).")]
Count = Annotated[int | None, typer.Option(help="flap: how many times; without end if not given.")]


@fail_app.command("link")
def fail_link(
    link: Annotated[str, typer.Argument(help="The link's name.", autocompletion=link_names)],
    words: Words = None,
    mode: Annotated[str, typer.Option(help="How it fails.", autocompletion=fault_modes)] = "carrier",
    from_node: FromNode = None,
    period: Period = None,
    count: Count = None,
    for_time: ForTime = None,
    name: Name = None,
    format: FormatOption = None,
) -> None:
    """Fail a link.

    \b
    carrier   both ends lose carrier
    silent    carrier stays, every frame is lost
    one-way   only the frames of one end are lost
    flap      carrier is lost for the first half of every period
    brownout  it is impaired, over what it is impaired by otherwise

    \b
    Examples:
      sudo ./quadlink fail link ch1
      sudo ./quadlink fail link ch2 --mode silent --for 3s
      sudo ./quadlink fail link ch3 --mode one-way --from gcp
      sudo ./quadlink fail link ch4 --mode flap --period 500ms --count 10
      sudo ./quadlink fail link ch1 --mode brownout loss=5% delay=20ms
    """
    options = {
        "from_node": from_node,
        "impairment": _impairment(words),
        "period_s": seconds("--period", period) if period is not None else None,
        "count": count,
    }
    _fail("link", link, mode, for_time, options, name, format)


def _impairment(words: list[str] | None) -> dict[str, Any] | None:
    if not words:
        return None
    from netns_lab.impairments import read_words

    try:
        return read_words(words)
    except ValueError as error:
        raise LabError(f"fail: {error}") from None


def _fail(
    kind: str,
    thing: str,
    mode: str,
    for_time: str | None,
    options: dict[str, Any],
    name: str | None,
    format: FormatOption,
) -> None:
    from netns_lab.api import ControllerClient

    for_s = seconds("--for", for_time) if for_time is not None else None
    need_root()
    with ControllerClient(lab(name)) as controller:
        result = controller.call("fail", kind=kind, name=thing, mode=mode, for_s=for_s, options=options)
    output(format).document(result, f"{kind} {thing}: failed ({mode})")


def heal(
    kind: Annotated[
        str | None, typer.Argument(help="link; nothing named heals everything.", autocompletion=fault_kinds)
    ] = None,
    target: Annotated[
        str | None, typer.Argument(help="The link's name.", metavar="NAME", autocompletion=link_names)
    ] = None,
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
    need_root()
    with ControllerClient(lab(name)) as controller:
        result = controller.call("heal", kind=kind, name=target)
    output(format).document(result, f"healed: {', '.join(result['healed']) or 'nothing was failed'}")
