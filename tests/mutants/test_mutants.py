"""The mutants are found by the tests, and `run` says so when one is not."""

import subprocess
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from tests.copies import PYTHON, ROOT

HERE = Path(__file__).resolve().parent


HARMLESS = """Another word in a comment.
Tests: tests/macsec/test_suites.py
--- a/dataplane/native/sectag.c
@@
-/* Reads and writes the SecTAG, IEEE 802.1AE-2018 clause 9. */
+/* Reads and writes SecTAGs, IEEE 802.1AE-2018 clause 9. */
"""
STALE = "--- a/dataplane/native/sectag.c\n@@\n-what is not there\n+what is\n"


def run(*patches: Path) -> subprocess.CompletedProcess[str]:
    command = [str(PYTHON), str(HERE / "run"), *map(str, patches)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.timeout(600)
def test_one_is_killed_and_a_survivor_is_told(tmp_path: Path) -> None:
    harmless = tmp_path / "harmless.patch"
    harmless.write_text(HARMLESS)
    done = run(HERE / "counters-swapped.patch", harmless)
    assert done.stdout.startswith("counters-swapped: killed by tests/macsec/"), done.stdout + done.stderr
    assert done.stdout.endswith("harmless: SURVIVED\n1 survived, 0 could not be planted\n")
    assert done.returncode == 1


def test_a_patch_that_does_not_apply_is_an_error(tmp_path: Path) -> None:
    stale = tmp_path / "stale.patch"
    stale.write_text(STALE)
    done = run(stale)
    assert (
        done.stderr == "stale: what it replaces stands 0 times in dataplane/native/sectag.c, expected once\n"
    )
    assert done.returncode == 2


def test_every_patch_applies() -> None:
    """So that a change of the core brings its patches along."""
    loader = SourceFileLoader("mutants", str(HERE / "run"))
    mutants = ModuleType(loader.name)
    mutants.__file__ = loader.path
    loader.exec_module(mutants)
    for patch in sorted(HERE.glob("*.patch")):
        assert mutants.planted(patch, ROOT), patch.name


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_every_mutant_is_killed() -> None:
    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": killed by ") >= 15
