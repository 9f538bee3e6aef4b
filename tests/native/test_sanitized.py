"""The tests of the core's callers, run on a core built with ASan and UBSan."""

import subprocess
from pathlib import Path

import pytest

from tests.copies import build_core, copy_tree, run_tests

TESTS = ("tests/macsec", "tests/engine", "tests/heartbeats", "-m", "not lab", "-k")
# What runs no C, and what starts processes.
ELSEWHERE = (
    "reference or test_frames or test_sectag or test_vector_files or test_wireformat"
    " or test_client or test_service or scapy"
)
# The fuzz targets have random histories of their own.
HISTORIES = "test_twins or test_properties or test_life_cycle or test_ledger"


def sanitizer_runtime() -> str:
    """The library that has to be loaded before an interpreter that knows nothing of it."""
    command = ["gcc", "-print-file-name=libasan.so"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources whose core is sanitized."""
    copy = copy_tree(tmp_path_factory.mktemp("sanitized") / "tree")
    build_core(copy, QUADLINK_SANITIZE="1")
    return copy


def environment() -> dict[str, str]:
    """The interpreter itself leaks at its end, and its own allocator would hide what is around an array."""
    return {
        "LD_PRELOAD": sanitizer_runtime(),
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }


def expect_no_error(tree: Path, *arguments: str) -> None:
    done = run_tests(tree, "-q", *arguments, environment=environment())
    assert done.returncode == 0, done.stdout[-8000:]
    assert " passed" in done.stdout


@pytest.mark.timeout(600)
def test_no_error_of_memory_or_arithmetic(tree: Path) -> None:
    expect_no_error(tree, *TESTS, f"not ({ELSEWHERE} or {HISTORIES})")


@pytest.mark.long
@pytest.mark.timeout(900)
def test_no_error_in_random_histories(tree: Path) -> None:
    expect_no_error(tree, *TESTS, f"({HISTORIES}) and not ({ELSEWHERE})")
