"""Fuzzes for longer, and keeps what it learns: `.venv/bin/python -m tests.fuzz [TARGET...] [--seconds N]`.

Exit code 1 when an input failed; it is left where the output says.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from tests.fuzz.targets import TARGETS, build, fuzz, keep, missing


def main() -> int:
    """Runs the targets one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=" ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default 60)")
    arguments = parser.parse_args()
    if unknown := set(arguments.targets) - set(TARGETS):
        parser.error(f"no target {', '.join(sorted(unknown))}, expected some of {', '.join(TARGETS)}")
    if reason := missing():
        parser.error(reason)
    folder = Path(tempfile.mkdtemp(prefix="quadlink-fuzz-"))
    build(folder)
    for target in arguments.targets or TARGETS:
        done = fuzz(folder, target, arguments.seconds)
        if done.returncode != 0:
            print(done.stdout)
            return 1
        print(f"{target}: {keep(folder, target)} inputs kept")
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
