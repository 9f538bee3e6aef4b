"""The commands that break a lab and heal it."""

from typing import Annotated, Any

import typer

from netns_lab.completion import (
    fault_kinds,
    fault_modes,
    fault_names,
    group_names,
    impairment_words,
    link_names,
    node_names,
)
from netns_lab.directory import LabError
from netns_lab.options import FormatOption, Name, lab, need_root, output, seconds

fail_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Mode = Annotated[str, typer.Option(help="How it fails.", autocompletion=fault_modes)]
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
Rate = Annotated[int | None, typer.Option(help="replay, flip, inject: frames a second each way (100).")]
Bit = Annotated[int | None, typer.Option(help="flip: which bit, from the destination address on (480).")]


@fail_app.command("link")
def fail_link(
    link: Annotated[str, typer.Argument(help="The link's name.", autocompletion=link_names)],
    words: Words = None,
    mode: Mode = "carrier",
    from_node: FromNode = None,
    period: Period = None,
    count: Count = None,
    rate: Rate = None,
    bit: Bit = None,
    for_time: ForTime = None,
    name: Name = None,
    format: FormatOption = None,
) -> None:
    """Fail a link.

    \b
    carrier      both ends lose carrier
    silent       carrier stays, every frame is lost
    one-way      only the frames of one end are lost
    flap         carrier is lost for the first half of every period
    brownout     it is impaired, over what it is impaired by otherwise
    maintenance  traffic is moved away first (RFC 8326), then both ends lose carrier
    replay       an attacker sends frames again that are older than the replay window
    flip         an attacker inverts a bit of frames
    inject       an attacker forges frames, with the SecTAG of real ones

    \b
    Examples:
      sudo ./quadlink fail link ch1
      sudo ./quadlink fail link ch2 --mode silent --for 3s
      sudo ./quadlink fail link ch3 --mode one-way --from gcp
      sudo ./quadlink fail link ch4 --mode flap --period 500ms --count 10
      sudo ./quadlink fail link ch1 --mode brownout loss=5% delay=20ms
      sudo ./quadlink fail link ch2 --mode inject --rate 1000 --for 5s
    """
    options = wire_options(words, from_node, period, count, rate, bit)
    _fail("link", link, mode, for_time, options, name, format)


@fail_app.command("node")
def fail_node(
    node: Annotated[str, typer.Argument(help="The node's name.", autocompletion=node_names)],
    mode: Mode = "dead",
    for_time: ForTime = None,
    name: Name = None,
    format: FormatOption = None,
) -> None:
    """Fail a node.

    \b
    dead         its links lose carrier, its daemons and services get SIGKILL, it forwards nothing
    frozen       every frame from and to it is lost, carrier stays; what runs in it is not told
    maintenance  traffic is moved away first (RFC 8326), then its links lose carrier

    \b
    Examples:
      sudo ./quadlink fail node gcp
      sudo ./quadlink fail node aws --mode frozen --for 5s
    """
    _fail("node", node, mode, for_time, {}, name, format)


@fail_app.command("group")
def fail_group(
    group: Annotated[str, typer.Argument(help="The group's name.", autocompletion=group_names)],
    words: Words = None,
    mode: Mode = "carrier",
    from_node: FromNode = None,
    period: Period = None,
    count: Count = None,
    rate: Rate = None,
    bit: Bit = None,
    for_time: ForTime = None,
    name: Name = None,
    format: FormatOption = None,
) -> None:
    """Fail all that shares a risk: the links of a group, its nodes and their links, at once.

    Modes are those of links. With carrier its nodes are dead, with silent they are frozen.

    \b
    Examples:
      sudo ./quadlink fail group facility-a
      sudo ./quadlink fail group facility-a --mode silent --for 10s
    """
    options = wire_options(words, from_node, period, count, rate, bit)
    _fail("group", group, mode, for_time, options, name, format)


@fail_app.command("bgp")
def fail_bgp(
    router: Annotated[
        str,
        typer.Argument(
            metavar="NODE[:PEER]", help="A router, or its sessions with one peer.", autocompletion=node_names
        ),
    ],
    mode: Mode = "reset",
    count: Annotated[int | None, typer.Option(help="flood: how many prefixes (1000).")] = None,
    for_time: ForTime = None,
    name: Name = None,
    format: FormatOption = None,
) -> None:
    """Fail the control plane of a router.

    \b
    reset           its sessions end with a Cease; with --for they are kept down
    speaker-killed  its ExaBGP gets SIGKILL and is started again, with --for after that long
    leak            it announces what its export policy forbids
    flood           it announces far more prefixes than agreed

    \b
    Examples:
      sudo ./quadlink fail bgp aws:gcp
      sudo ./quadlink fail bgp aws --mode speaker-killed --for 10s
      sudo ./quadlink fail bgp gcp --mode flood --count 5000
    """
    _fail("bgp", router, mode, for_time, {"count": count}, name, format)


@fail_app.command("controller")
def fail_controller(
    mode: Mode = "stalled", for_time: ForTime = None, name: Name = None, format: FormatOption = None
) -> None:
    """Fail the lab's controller.

    \b
    stalled  it is stopped, as by SIGSTOP, and goes on after --for or by `heal`
    killed   it gets SIGKILL; the guard starts the next one

    \b
    Examples:
      sudo ./quadlink fail controller --for 30s
      sudo ./quadlink fail controller --mode killed
    """
    _fail("controller", "controller", mode, for_time, {}, name, format)


def wire_options(
    words: list[str] | None,
    from_node: str | None,
    period: str | None,
    count: int | None,
    rate: int | None = None,
    bit: int | None = None,
) -> dict[str, Any]:
    """The options of a request for a fault, as the command line says them."""
    return {
        "from_node": from_node,
        "impairment": _impairment(words),
        "period_s": seconds("--period", period) if period is not None else None,
        "count": count,
        "frames_per_s": rate,
        "bit": bit,
    }


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
    subject = kind if kind == thing else f"{kind} {thing}"
    output(format).document(result, f"{subject}: failed ({mode})")


def heal(
    kind: Annotated[
        str | None,
        typer.Argument(help="What is to be healed; everything if not given.", autocompletion=fault_kinds),
    ] = None,
    target: Annotated[
        str | None, typer.Argument(help="Its name.", metavar="NAME", autocompletion=fault_names)
    ] = None,
    name: Name = None,
    format: FormatOption = None,
) -> None:
    """Undo failures, of one thing or of all.

    \b
    Examples:
      sudo ./quadlink heal
      sudo ./quadlink heal link ch1
      sudo ./quadlink heal group facility-a
    """
    from netns_lab.api import ControllerClient
    from netns_lab.faults.model import FaultKind
    from netns_lab.output import choices
    from netns_lab.processes import resume_process

    if kind is not None and (kind not in list(FaultKind) or (target is None and kind != "controller")):
        things = choices([*(f"`{each} NAME`" for each in FaultKind if each != "controller"), "`controller`"])
        found = " ".join(filter(None, (kind, target)))
        raise LabError(f"heal: found {found!r}, expected nothing, or {things}")
    need_root()
    with ControllerClient(lab(name)) as controller:
        stalled = kind in (None, "controller") and resume_process(controller.pid)
        result = controller.call("heal", kind=kind, name=target)
    if stalled:
        result["healed"].append("controller")
    output(format).document(result, f"healed: {', '.join(result['healed']) or 'nothing was failed'}")
