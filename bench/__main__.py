"""Runs one benchmark: python -m bench NAME --format table|json, as `quadlink bench NAME` does."""

import argparse
import sys
from functools import partial
from importlib import import_module

from netns_lab.boundary import run_command
from netns_lab.directory import LabError
from netns_lab.names import unknown
from netns_lab.output import Format, Output

from bench.figures import report

BENCHMARKS = ("crypto", "impairment", "link", "probes", "routes", "scale", "smoke")
"""Modules of this package; each loads what only it needs, as scapy."""


def main() -> None:
    """Measures and prints; exit 1 where a goal is missed, 2 where it cannot be measured."""
    parser = argparse.ArgumentParser(prog="quadlink bench", description="Measure on this machine.")
    parser.add_argument("name")
    parser.add_argument("--format", type=Format, choices=list(Format), default=Format.TABLE)
    parser.add_argument("--only", action="append", metavar="PART", help="of `link`: this part, or these")
    arguments = parser.parse_args()
    if arguments.name not in BENCHMARKS:
        raise LabError(unknown("benchmark", arguments.name, BENCHMARKS))
    if arguments.only and arguments.name != "link":
        raise LabError(f"bench {arguments.name} has no parts; leave --only out")
    run = import_module(f"bench.{arguments.name}").run
    if arguments.only:
        run = partial(run, only=arguments.only)
    figures = run(lambda text: print(text, file=sys.stderr, flush=True))
    report(figures, Output(arguments.format))
    if any(figure.met is False for figure in figures):
        sys.exit(1)


if __name__ == "__main__":
    run_command(main)
