"""The commands that change what a router announces while its lab runs."""

from typing import Annotated

import typer

from netns_lab.completion import node_names
from netns_lab.options import FormatOption, Name, lab, need_root, output

Router = Annotated[str, typer.Argument(metavar="NODE", help="A node with `bgp`.", autocompletion=node_names)]
Prefixes = Annotated[
    list[str], typer.Argument(metavar="PREFIX...", help="IPv4 or IPv6, such as 20.0.0.0/16.")
]
Split = Annotated[int | None, typer.Option(help="All prefixes of this length inside, instead.")]


def announce(
    router: Router,
    prefixes: Prefixes,
    split: Split = None,
    name: Name = None,
    format: FormatOption = None,
) -> None:
    """Have a router announce more prefixes.

    It answers for them as for those of its topology: what nothing longer takes is unreachable there. They are
    announced until `withdraw` or `down`, also by the next controller. `inspect nodes` counts them.

    \b
    Examples:
      sudo ./quadlink announce aws 20.1.0.0/16 2001:db8::/32
      sudo ./quadlink announce aws 20.0.0.0/9 --split 24
    """
    _change("announce", router, prefixes, split, name, format)


def withdraw(
    router: Router,
    prefixes: Prefixes,
    split: Split = None,
    name: Name = None,
    format: FormatOption = None,
) -> None:
    """Have a router withdraw what `announce` made it announce.

    \b
    Examples:
      sudo ./quadlink withdraw aws 20.1.0.0/16
      sudo ./quadlink withdraw aws 20.64.0.0/10 --split 24
    """
    _change("withdraw", router, prefixes, split, name, format)


def _change(
    verb: str, router: str, prefixes: list[str], split: int | None, name: str | None, format: FormatOption
) -> None:
    from netns_lab.api import ControllerClient

    need_root()
    with ControllerClient(lab(name)) as controller:
        result = controller.call(verb, node=router, prefixes=prefixes, split=split)
    changed, announced = result["changed"], result["announced"]
    noun = "prefix" if changed == 1 else "prefixes"
    text = f"{router} {verb}s {changed} {noun}; {announced} besides its topology's now"
    output(format).document(result, text)
