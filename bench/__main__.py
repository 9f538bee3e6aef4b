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

BENCHMARKS = ("crypto", "failover", "impairment", "link", "probes", "routes", "scale", "smoke")
"""Modules of this package; each loads what only it needs, as scapy."""
WITH_PARTS = ("failover", "link")


def main() -> None:
    """Measures and prints; exit 1 where a goal is missed, 2 where it cannot be measured."""
    parser = argparse.ArgumentParser(prog="quadlink bench", description="Measure on this machine.")
    parser.add_argument("name")
    parser.add_argument("--format", type=Format, choices=list(Format), default=Format.TABLE)
    parser.add_argument("--only", action="append", metavar="PART", help="this part, or these")
    parser.add_argument("--quick", action="store_true", help="of `failover`: see only that it runs")
    arguments = parser.parse_args()
    if arguments.name not in BENCHMARKS:
        raise LabError(unknown("benchmark", arguments.name, BENCHMARKS))
    run = import_module(f"bench.{arguments.name}").run
    if arguments.only:
        if arguments.name not in WITH_PARTS:
            raise LabError(f"bench {arguments.name} has no parts; leave --only out")
        run = partial(run, only=arguments.only)
    if arguments.quick:
        if arguments.name != "failover":
            raise LabError(f"bench {arguments.name} knows no --quick; leave it out")
        run = partial(run, quick=True)
    figures = run(lambda text: print(text, file=sys.stderr, flush=True))
    report(figures, Output(arguments.format))
    if any(figure.met is False for figure in figures):
        sys.exit(1)


if __name__ == "__main__":
    run_command(main)
