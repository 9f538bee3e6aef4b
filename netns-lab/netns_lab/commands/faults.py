"""The commands that break a lab and heal it."""

from typing import Annotated

import typer

from netns_lab.completion import fault_kinds, fault_modes, link_names, node_names
from netns_lab.directory import LabError
from netns_lab.options import FormatOption, Name, lab, need_root, output, seconds

fail_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@fail_app.command("link")
def fail_link(
    link: Annotated[str, typer.Argument(help="The link's name.", autocompletion=link_names)],
    mode: Annotated[
        str, typer.Option(help="carrier, silent or one-way.", autocompletion=fault_modes)
    ] = "carrier",
    from_node: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="one-way: whose frames are lost (default: the first end's).",
            autocompletion=node_names,
        ),
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

    need_root()
    with ControllerClient(lab(name)) as controller:
        result = controller.call(
            "fail",
            link=link,
            mode=mode,
            from_node=from_node,
            for_s=seconds("--for", for_time) if for_time is not None else None,
        )
    output(format).document(result, f"link {link}: failed ({mode})")


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
        result = controller.call("heal", link=target)
    output(format).document(result, f"healed: {', '.join(result['healed']) or 'nothing was failed'}")
