"""A place for the labs of these tests, the directory of one, processes that end with the test."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from netns_lab import directory as directory_module
from netns_lab.directory import LabDirectory

from tests.lab_parts.processes import LAB, MARK


@pytest.fixture(autouse=True)
def run_directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Near the root: a path of a socket has 107 octets at most, and folders of tests are deep."""
    with TemporaryDirectory(prefix="quadlink-") as folder:
        path = Path(folder) / "run"
        monkeypatch.setattr(directory_module, "RUN_DIRECTORY", path)
        yield path


@pytest.fixture
def directory() -> Iterator[LabDirectory]:
    """The directory of a lab that is being built."""
    directory = LabDirectory(LAB)
    with directory.create(MARK):
        yield directory


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Where tests put what they start; it is gone afterwards."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
