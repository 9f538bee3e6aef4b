"""The commands that prove and measure: demo, test, bench."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from netns_lab.completion import files
from netns_lab.directory import LabError
from netns_lab.options import EXIT_FAIL, FormatOption, Options, need_root, no_name, output, say

ON_EVERY_CORE = ["--numprocesses", "auto", "--maxprocesses", "8", "--dist", "loadscope"]


def demo(
    file: Annotated[
        Path | None, typer.Argument(help="Another topology than quad.", autocompletion=files)
    ] = None,
    format: FormatOption = None,
) -> None:
    """Run the four-channel lab and break it.

    Cuts a channel under traffic, then silences it, and prints how long it was dark.

    \b
    Examples:
      sudo ./quadlink demo
      sudo ./quadlink demo --format json
    """
    from netns_lab.demo import run_demo

    no_name("demo")
    need_root()
    if not run_demo(file, output(format), lambda text: say(f"demo: {text}")):
        raise typer.Exit(EXIT_FAIL)


def test(
    arguments: Annotated[list[str] | None, typer.Argument(help="Arguments for pytest.")] = None,
) -> None:
    """Run quadlink's own tests.

    Lab tests need root. All tests together run on every core, those that make labs one after the other;
    arguments run what they choose in one process.

    \b
    Examples:
      sudo ./quadlink test
      sudo ./quadlink test -k macsec
    """
    root = Path(__file__).resolve().parents[3]
    if not (root / "tests").is_dir():
        raise LabError(f"no tests at {root}; run this from a clone of quadlink")
    os.chdir(root)
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *(arguments or ON_EVERY_CORE)])


def bench(
    benchmark: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="smoke, failover, routes, scale, link, impairment, probes or crypto."
        ),
    ],
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART", help="This part of link or failover, such as tcp or carrier; repeatable."
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Of failover: see only that it runs.")] = False,
    format: FormatOption = None,
) -> None:
    """Measure on this machine.

    Prints each figure beside its goal and what it is compared with.

    \b
    Examples:
      sudo ./quadlink bench smoke
      sudo ./quadlink bench link --only tcp
      sudo ./quadlink bench failover --only carrier --only silent
      ./quadlink bench crypto --format json
    """
    if benchmark not in ("crypto", "impairment"):  # which make no lab
        need_root()
    chosen = format or Options.format
    words = [benchmark, "--format", chosen.value, *(word for part in only or [] for word in ("--only", part))]
    words += ["--quick"] if quick else []
    os.execv(sys.executable, [sys.executable, "-P", "-m", "bench", *words])
