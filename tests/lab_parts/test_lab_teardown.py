"""How a lab ends: its marked processes, its namespaces and its directory, and nothing of anybody else."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from netns_lab.directory import (
    LabDirectory,
    LabError,
    NameTaken,
    NoLab,
    choose_lab,
    lab_folders,
    running_labs,
)
from netns_lab.marks import new_mark
from netns_lab.namespaces import create_namespace, delete_namespace
from netns_lab.processes import (
    LAB_VARIABLE,
    end_processes,
    lab_environment,
    marked_processes,
    start_daemon,
)
from netns_lab.teardown import bring_down

from dataplane.namespace import NAMESPACE_DIRECTORY, run_in_namespace
from tests.lab_parts.processes import LAB, MARK, STUBBORN, start

ANCESTRY = """
import json, os, sys
from pathlib import Path
from netns_lab import directory
from netns_lab.directory import LabDirectory
from netns_lab.processes import marked_processes
from netns_lab.teardown import bring_down
directory.RUN_DIRECTORY = Path(sys.argv[2])
lab = LabDirectory(sys.argv[1])
found = [pid for pid, marks in marked_processes().items() if lab.mark in marks]
bring_down(lab)
print(json.dumps({"found": found, "own": [os.getpid(), os.getppid()]}))
"""


def marked(mark: str) -> list[int]:
    return [pid for pid, marks in marked_processes().items() if mark in marks]


def test_marked_processes_are_those_with_this_labs_mark_alone(
    started: list[subprocess.Popen[bytes]],
) -> None:
    mine = [start(started).pid for _ in range(2)]
    for other in (new_mark(LAB), new_mark(f"{LAB}-b"), LAB, f"{LAB}.", f"{LAB}.{'0' * 24}", f"x{MARK}", None):
        start(started, other)
    assert sorted(marked(MARK)) == sorted(mine)


def test_a_process_that_ends_on_sigterm_may_do_so_and_one_that_does_not_is_killed(
    started: list[subprocess.Popen[bytes]],
) -> None:
    polite, stubborn = start(started), start(started, setup=STUBBORN)
    stopped = start(started)
    stopped.send_signal(signal.SIGSTOP)
    bystander = start(started, new_mark(LAB))
    ended = end_processes(MARK, grace_s=0.2)
    assert set(ended) == {polite.pid, stubborn.pid, stopped.pid}
    assert all("signal.pause()" in command for command in ended.values())
    assert polite.wait(timeout=5) == -signal.SIGTERM
    assert stubborn.wait(timeout=5) == -signal.SIGKILL
    assert stopped.wait(timeout=5) == -signal.SIGKILL
    assert bystander.poll() is None
    assert marked(MARK) == []
    assert end_processes(MARK, grace_s=0) == {}


def test_a_daemon_has_the_mark_a_session_of_its_own_and_a_log(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    code = "import os; print(os.getsid(0) == os.getpid(), os.environ['QUADLINK_LAB'], flush=True)"
    for _ in range(2):
        start_daemon([sys.executable, "-c", code], LAB, log).wait()
    assert log.read_text() == f"True {LAB}\n" * 2


def test_a_process_that_ends_its_lab_and_its_parents_are_spared(
    directory: LabDirectory, started: list[subprocess.Popen[bytes]], run_directory: Path
) -> None:
    """`quadlink exec NODE -- sh -c "quadlink down"` runs inside the lab that it ends."""
    other = start(started, directory.mark)
    command = f'"{sys.executable}" -c \'{ANCESTRY}\' {LAB} "{run_directory}"; echo parent lives on'
    answer = subprocess.run(
        ["sh", "-c", command],
        env={**lab_environment(directory.mark), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    first, last = answer.stdout.splitlines()
    assert json.loads(first)["found"] == [other.pid]
    assert other.wait(timeout=5) < 0
    assert last == "parent lives on"


def test_bringing_down_a_lab_leaves_nothing_of_it(
    directory: LabDirectory, started: list[subprocess.Popen[bytes]]
) -> None:
    process = start(started, directory.mark, setup=STUBBORN)
    bring_down(directory)
    assert process.wait(timeout=5) == -signal.SIGKILL
    assert not directory.path.exists()
    assert running_labs() == []
    bring_down(directory)  # nothing to do is no error


@pytest.mark.lab
def test_what_users_run_inside_ends_with_the_lab_and_what_runs_outside_does_not(
    directory: LabDirectory, started: list[subprocess.Popen[bytes]]
) -> None:
    try:
        create_namespace(f"{LAB}-r1", directory.mark, {})
        inside = run_in_namespace(f"{LAB}-r1", lambda: start(started, None))
        outside = start(started, None)
        bring_down(directory)
        assert inside.wait(timeout=5) < 0
        assert outside.poll() is None
        assert not (NAMESPACE_DIRECTORY / f"{LAB}-r1").exists()
    finally:
        delete_namespace(f"{LAB}-r1", MARK)


def test_a_lab_of_the_same_name_that_was_before_has_another_mark(
    directory: LabDirectory, started: list[subprocess.Popen[bytes]]
) -> None:
    before = directory.mark
    stray = start(started, before)
    directory.remove(before)
    directory.create(new_mark(LAB)).close()
    assert directory.mark != before
    bring_down(directory)
    assert stray.poll() is None


@pytest.mark.lab
def test_bringing_down_a_lab_leaves_every_other_lab_alone(
    directory: LabDirectory, started: list[subprocess.Popen[bytes]]
) -> None:
    other = LabDirectory(f"{LAB}-b")
    other.create(new_mark(other.name)).close()
    process = start(started, other.mark)
    foreign, plain = f"{LAB}-foreign", NAMESPACE_DIRECTORY / f"{LAB}-file"
    try:
        create_namespace(f"{LAB}-r1", directory.mark, {})
        create_namespace(f"{other.name}-x", other.mark, {})
        subprocess.run(["ip", "netns", "add", foreign], check=True)
        plain.touch()
        bring_down(directory)
        left = sorted(path.name for path in NAMESPACE_DIRECTORY.glob(f"{LAB}*"))
        assert left == sorted([f"{other.name}-x", foreign, plain.name])
        assert running_labs() == [other.name]
        assert process.poll() is None
        bring_down(other)
        assert process.wait(timeout=5) < 0
        assert sorted(path.name for path in NAMESPACE_DIRECTORY.glob(f"{LAB}*")) == sorted(
            [foreign, plain.name]
        )
    finally:
        delete_namespace(f"{LAB}-r1", MARK)
        subprocess.run(["ip", "netns", "delete", foreign], check=True)
        plain.unlink()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_does_not_leave_a_lab_half_down(
    directory: LabDirectory, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def interrupted() -> dict[str, str]:
        os.kill(os.getpid(), number)
        return {}

    before = signal.getsignal(number)
    monkeypatch.setattr("netns_lab.teardown.marked_namespaces", interrupted)
    bring_down(directory)
    assert not directory.path.exists()
    assert signal.getsignal(number) == before


def test_a_process_that_will_not_end_is_named_and_the_lab_kept(
    directory: LabDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netns_lab.teardown.end_processes", lambda mark, grace_s: {123456: "stuck"})
    with pytest.raises(LabError, match=r"123456.*try `quadlink gc`"):
        bring_down(directory)
    assert directory.path.exists()


def test_a_directory_is_its_owners_alone_and_claims_the_name(directory: LabDirectory) -> None:
    mark = directory.mark
    assert directory.path.stat().st_mode & 0o777 == 0o700
    with pytest.raises(NameTaken, match=f"quadlink down --name {LAB}"):
        directory.create(new_mark(LAB))
    assert [folder for folder, _ in lab_folders()] == [directory.path]
    assert directory.mark == mark


def test_what_stands_in_a_labs_place_is_no_lab_and_stays(run_directory: Path) -> None:
    (run_directory / "foreign").mkdir(parents=True)
    (run_directory / "copied").mkdir()
    (run_directory / "copied" / "mark").write_text(MARK)
    (run_directory / ".hidden").mkdir()
    before = sorted(run_directory.rglob("*"))
    assert running_labs() == []
    for name in ("foreign", "copied"):
        with pytest.raises(NoLab, match="is no lab's; move it away"):
            LabDirectory(name).create(new_mark(name))
        bring_down(LabDirectory(name))
    assert sorted(run_directory.rglob("*")) == before


def test_the_lab_that_is_meant_is_the_only_one_or_the_named_one() -> None:
    with pytest.raises(LabError, match="no lab is up; start one"):
        choose_lab(None)
    LabDirectory("one").create(new_mark("one")).close()
    assert choose_lab(None).name == "one"
    LabDirectory("two").create(new_mark("two")).close()
    with pytest.raises(LabError, match=r"several labs run \(one, two\); say which with --name"):
        choose_lab(None)
    assert choose_lab("two").name == "two"
    with pytest.raises(LabError, match="no lab named three is up; labs are: one, two"):
        choose_lab("three")


def test_removing_the_last_directory_removes_their_place(
    directory: LabDirectory, run_directory: Path
) -> None:
    assert LAB_VARIABLE in lab_environment(LAB)
    assert directory.remove(MARK)
    assert not run_directory.exists()
    assert not directory.remove(MARK)
