"""The command for shells that complete what is typed."""

from enum import StrEnum
from typing import Annotated

import typer


class Shell(StrEnum):
    """The shells that can be told how to complete."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="Which shell the script is for.")]) -> None:
    """Print a script that lets a shell complete commands, nodes, links and labs.

    The shell reads it, best whenever it starts. It works for `quadlink` and for `./quadlink`.

    \b
    Examples:
      source <(./quadlink completion bash)
      source <(./quadlink completion zsh)
      ./quadlink completion fish | source
    """
    from netns_lab.completion import SCRIPTS

    print(SCRIPTS[shell])
