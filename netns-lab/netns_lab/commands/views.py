"""The commands that show what a lab is doing."""

from typing import Annotated

import typer

from netns_lab.directory import LabError
from netns_lab.options import EXIT_FAIL, FormatOption, Name, lab, need_root, output


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
    need_root()
    if not show(topic, lab(name), output(format)):
        raise typer.Exit(EXIT_FAIL)
