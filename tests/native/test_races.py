"""Threads that use one SecY do not race: ThreadSanitizer watches them do all that the core lets them."""

import subprocess
from pathlib import Path

from tests.copies import NATIVE, core_flags

FLAGS = ("-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=thread", f"-I{NATIVE}")


def test_threads_do_not_race(tmp_path: Path) -> None:
    macros, libraries = core_flags()
    sources = [Path(__file__).with_name("races.c"), *sorted(NATIVE.glob("*.c"))]
    races = tmp_path / "races"
    command = ["gcc", *FLAGS, *macros, *map(str, sources), "-o", str(races), *libraries]
    subprocess.run(command, check=True)
    # ThreadSanitizer keeps its shadow where a randomized address space may have put something else.
    done = subprocess.run(["setarch", "-R", str(races)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
