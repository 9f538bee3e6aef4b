"""`quadlink shell`: the user's shell inside a node, with a prompt that says so."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from netns_lab.directory import LabDirectory
from netns_lab.execute import execute
from netns_lab.names import NodePlace

# bash sets its prompt itself, in files that --rcfile stands in for.
BASH_STARTUP = """\
for file in /etc/bash.bashrc ~/.bashrc; do
    if [ -r "$file" ]; then . "$file"; fi
done
unset file
PS1="$QUADLINK_PLACE$PS1"
"""


def run_shell(directory: LabDirectory, node: NodePlace) -> NoReturn:
    """Becomes the shell. Raises LabError or OSError where it cannot be started."""
    command = [_shell(os.environ)]
    if Path(command[0]).name == "bash":
        startup = directory.path / "bashrc"
        startup.write_text(BASH_STARTUP)
        command += ["--rcfile", str(startup)]
    place = f"({directory.name} {node.name}) "
    execute(directory, replace(node, env={"QUADLINK_PLACE": place, "PS1": f"{place}# ", **node.env}), command)


def _shell(environment: Mapping[str, str]) -> str:
    """The user's, where it is on this machine; else sh."""
    return shutil.which(environment.get("SHELL", "")) or "sh"
