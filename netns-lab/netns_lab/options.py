"""What commands have in common: options, the lab and the output they mean, checks before they begin."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from netns_lab.completion import files, lab_names
from netns_lab.directory import LabDirectory, LabError, choose_lab
from netns_lab.output import Format, Output

EXIT_FAIL = 1
EXIT_EXEC_FAILED = 125

Name = Annotated[
    str | None,
    typer.Option("--name", help="The lab; needed only when several run.", autocompletion=lab_names),
]
TopologyPlace = Annotated[
    Path, typer.Argument(help="A topology file, or a directory with one.", autocompletion=files)
]
FormatOption = Annotated[
    Format | None, typer.Option("--format", help="A table for people, JSON for programs.")
]
Timeout = Annotated[
    str | None,
    typer.Option(help="How long to wait for sessions and prefixes; 30s and 1s for each router if not given."),
]


class Options:
    """--name and --format, given before the command or after it."""

    name: str | None = None
    format: Format = Format.TABLE


def lab(name: str | None) -> LabDirectory:
    """The lab that a command means."""
    return choose_lab(name or Options.name)


def output(format: Format | None) -> Output:
    """Where a command's document goes."""
    return Output(format or Options.format)


def say(text: str) -> None:
    """Everything a command says beside its document."""
    print(text, file=sys.stderr, flush=True)


def seconds(option: str, text: str) -> float:
    """The value of an option that is a duration."""
    from netns_lab.units import duration_s

    try:
        return duration_s(text)
    except ValueError as error:
        raise LabError(f"{option}: {error}") from None


def some_seconds(option: str, text: str) -> float:
    """The same of one that is not zero."""
    value = seconds(option, text)
    if not value:
        raise LabError(f"{option}: found {text!r}, expected more than 0")
    return value


def octets(option: str, text: str) -> int:
    """The value of an option that is a size."""
    from netns_lab.units import size_octets

    try:
        return size_octets(text)
    except ValueError as error:
        raise LabError(f"{option}: {error}") from None


def no_name(command: str) -> None:
    """Refuses --name where the topology file names the lab."""
    if Options.name is not None:
        raise LabError(f"{command}: the topology file names the lab; leave out --name")


def need_root() -> None:
    """Refuses a user who may not make namespaces."""
    if os.geteuid() != 0:
        raise LabError("network namespaces need root; run it again with sudo")
