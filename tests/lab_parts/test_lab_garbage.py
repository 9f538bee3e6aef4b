"""What `gc` takes for dead, and what it leaves alone."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from netns_lab import garbage
from netns_lab.directory import LabDirectory, NameTaken, lab_folders
from netns_lab.garbage import collect
from netns_lab.marks import new_mark
from netns_lab.namespaces import create_namespace, delete_namespace, marked_namespaces
from netns_lab.processes import lab_environment, marked_processes
from netns_lab.teardown import remove

from dataplane.namespace import run_in_namespace
from tests.lab.interrupting import run_until
from tests.lab_parts.processes import LAB, MARK, start

Started = list[subprocess.Popen[bytes]]


@pytest.fixture
def dead() -> LabDirectory:
    """The directory of a lab whose `up` was killed."""
    directory = LabDirectory(LAB)
    directory.create(MARK).close()
    return directory


@pytest.fixture(autouse=True)
def only_the_labs_of_these_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """The labs of a user do not live in the place that these tests look at; they are not dead for that."""
    marks_in_use = garbage._marks_in_use
    monkeypatch.setattr(
        garbage, "_marks_in_use", lambda: {mark for mark in marks_in_use() if mark.startswith(LAB)}
    )


def collected() -> set[tuple[str, str]]:
    """What `gc` removed, by lab and kind."""
    return {(part.lab, part.kind) for part in collect()}


def test_a_lab_that_is_being_built_is_left_alone(directory: LabDirectory, started: Started) -> None:
    process = start(started)
    assert collected() == set()
    assert directory.path.exists()
    assert process.poll() is None


def test_a_lab_whose_up_was_killed_is_removed(dead: LabDirectory, started: Started) -> None:
    with socket.socket(socket.AF_UNIX) as guard:  # it runs, but nobody ever got the lab
        guard.bind(str(dead.guard_socket))
        guard.listen()
        process = start(started)
        assert collected() == {(LAB, "process"), (LAB, "directory")}
    assert process.wait(timeout=5) < 0
    assert list(lab_folders()) == []
    assert collected() == set()


@pytest.mark.parametrize("server", ["engine_socket", "guard_socket", "controller_socket"])
def test_a_lab_that_was_built_lives_as_long_as_one_of_its_own_processes(
    dead: LabDirectory, started: Started, server: str
) -> None:
    dead.kept.touch()
    process = start(started)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(getattr(dead, server)))
        listener.listen()
        assert collected() == set()
        assert not dead.is_dead()
    assert dead.is_dead()
    with pytest.raises(NameTaken, match="is in the way: `quadlink gc` removes it"):
        dead.create(new_mark(LAB))
    assert collected() == {(LAB, "process"), (LAB, "directory")}
    assert process.wait(timeout=5) < 0


def test_a_lab_whose_down_was_killed_is_removed(dead: LabDirectory) -> None:
    dead.kept.touch()
    dead.announce_end(MARK)
    with socket.socket(socket.AF_UNIX) as guard:
        guard.bind(str(dead.guard_socket))
        guard.listen()
        assert collected() == {(LAB, "directory")}


@contextmanager
def built_lab() -> Iterator[None]:
    """A directory, a namespace, a process in it and one with the mark."""
    directory = LabDirectory(LAB)
    directory.create(MARK).close()
    directory.kept.touch()
    create_namespace(f"{LAB}-r1", MARK, {})
    with (
        run_in_namespace(f"{LAB}-r1", lambda: subprocess.Popen(["sleep", "1000"])) as inside,
        subprocess.Popen(["sleep", "1000"], env=lab_environment(MARK)) as marked,
    ):
        try:
            yield
        finally:
            inside.kill()
            marked.kill()
            delete_namespace(f"{LAB}-r1", MARK)


@pytest.mark.lab
@pytest.mark.parametrize("every", [16, pytest.param(1, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
def test_a_down_that_is_killed_at_any_step_is_finished(every: int) -> None:
    with built_lab():
        whole = run_until("", signal.SIGKILL, lambda: remove(MARK))
    assert {step.split(":")[0] for step in whole.steps} >= {
        "teardown",
        "directory",
        "namespaces",
        "processes",
    }
    for step in whole.steps[::every]:
        with built_lab():
            assert run_until(step, signal.SIGKILL, lambda: remove(MARK)) == (-signal.SIGKILL, [step])
            collect()
            assert MARK not in {*marked_namespaces().values(), *dict(lab_folders()).values()}, step
            assert not any(MARK in marks for marks in marked_processes().values()), step


@pytest.mark.lab
def test_remains_without_a_directory_are_found_by_their_marks(started: Started) -> None:
    other = new_mark(f"{LAB}-b")
    process, look_alike = start(started, other), start(started, f"{LAB}.{'0' * 24}")
    try:
        create_namespace(f"{LAB}-r1", MARK, {})
        assert collected() == {(LAB, "namespace"), (f"{LAB}-b", "process")}
        assert f"{LAB}-r1" not in marked_namespaces()
        assert process.wait(timeout=5) < 0
        assert look_alike.poll() is None
    finally:
        delete_namespace(f"{LAB}-r1", MARK)


def test_a_directory_that_has_no_name_yet_or_any_more_is_removed_when_nobody_claims_it(
    run_directory: Path, directory: LabDirectory
) -> None:
    unnamed = run_directory / f".{MARK}"
    directory.path.rename(unnamed)
    assert collected() == set()
    (run_directory / f".{new_mark(LAB)}").mkdir()
    assert collected() == {(LAB, "directory")}
    assert [folder for folder, _ in lab_folders()] == [unnamed]


@pytest.mark.lab
def test_labs_of_another_place_are_not_judged_from_here(run_directory: Path, started: Started) -> None:
    """A container has a /run of its own: its processes can be seen from here, its directories cannot."""
    run_directory.mkdir()
    other_place = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        f'mount -t tmpfs none {run_directory} && exec "$@"',
        "sh",
    ]
    process = start(started, before=other_place)
    try:
        create_namespace(f"{LAB}-r1", MARK, {})
        assert collected() == set()
        assert process.poll() is None
    finally:
        delete_namespace(f"{LAB}-r1", MARK)
