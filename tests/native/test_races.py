"""Threads of one SecY, one engine or one probe do not race: ThreadSanitizer watches them do all they may."""

import subprocess
from pathlib import Path

import pytest

from tests.copies import NATIVE, core_flags

FLAGS = ("-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=thread", f"-I{NATIVE}")


def compile_with(*arguments: str | Path, folder: Path) -> None:
    subprocess.run(["gcc", *FLAGS, *map(str, arguments)], cwd=folder, check=True)


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The objects of the core, watched."""
    folder = tmp_path_factory.mktemp("core")
    compile_with("-c", *core_flags()[0], *sorted(NATIVE.glob("*.c")), folder=folder)
    return sorted(folder.glob("*.o"))


@pytest.mark.parametrize("program", ["races", "wire_races", "probe_races", "heartbeat_races"])
def test_threads_do_not_race(program: str, core: list[Path], tmp_path: Path) -> None:
    macros, libraries = core_flags()
    source = Path(__file__).with_name(f"{program}.c")
    compile_with(*macros, source, *core, "-o", program, *libraries, folder=tmp_path)
    # ThreadSanitizer keeps its shadow where a randomized address space may have put something else.
    command = ["setarch", "-R", str(tmp_path / program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
