"""Files of a node: seen in its mount namespace at their paths, and nowhere else."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import netns_lab.directory as directory_module
import pytest
from netns_lab.directory import LabDirectory, LabError
from netns_lab.marks import new_mark
from netns_lab.mounts import unshare_mounts
from netns_lab.node_files import show_files, write_files
from netns_lab.plan import NodePlan
from netns_lab.planning import plan_lab
from netns_lab.topology import parse_topology

pytestmark = pytest.mark.lab

Result = TypeVar("Result")


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabDirectory:
    monkeypatch.setattr(directory_module, "RUN_DIRECTORY", tmp_path / "run")
    directory = LabDirectory("x")
    directory.create(new_mark("x")).close()
    return directory


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A directory of the machine's."""
    place = tmp_path / "machine"
    (place / "kept").mkdir(parents=True)
    (place / "kept" / "below").write_text("machine's")
    (place / "app.conf").write_text("machine's")
    (place / "app.conf").chmod(0o640)
    os.chown(place / "app.conf", 7, 8)
    (place / "link").symlink_to("app.conf")
    place.chmod(0o711)
    return place


def node(files: dict[Path, str]) -> NodePlan:
    entries = ", ".join(f"{path}: {content!r}" for path, content in files.items())
    return plan_lab(parse_topology(f"name: x\nnodes: {{h: {{files: {{{entries}}}}}}}"), bytes).node("h")


def inside(directory: LabDirectory, look: Callable[[], Result]) -> Result:
    """What a process of the node sees."""

    def visit() -> Result:
        unshare_mounts()
        show_files(directory, "h")
        return look()

    with ThreadPoolExecutor(1) as visitor:
        return visitor.submit(visit).result()


def test_a_file_covers_the_machines_and_has_its_owner_and_mode(
    directory: LabDirectory, machine: Path
) -> None:
    path = machine / "app.conf"
    write_files(directory, node({machine / "link": "node's"}))
    text, status = inside(directory, lambda: (path.read_text(), path.stat()))
    assert text == "node's"
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (7, 8, 0o640)
    assert path.read_text() == "machine's"


def test_a_file_in_a_directory_that_lacks_it_leaves_the_other_entries_in_sight(
    directory: LabDirectory, machine: Path
) -> None:
    before = sorted(machine.rglob("*"))
    files = {machine / "new": "1", machine / "deep" / "new": "#!2", machine / "kept" / "new": "3"}
    write_files(directory, node(files))

    def look() -> list[str]:
        (machine / "app.conf").write_text("changed")
        (machine / "written").write_text("by the node")
        return [path.read_text() for path in (*files, machine / "kept" / "below", machine / "link")]

    assert inside(directory, look) == ["1", "#!2", "3", "machine's", "changed"]
    modes = inside(directory, lambda: [path.stat().st_mode & 0o777 for path in (machine, *files)])
    assert modes == [0o711, 0o644, 0o755, 0o644]
    assert inside(directory, (machine / "written").read_text) == "by the node"
    # What the machine has is the machine's, and the node adds nothing to it.
    assert (machine / "app.conf").read_text() == "changed"
    assert sorted(machine.rglob("*")) == before


def test_a_node_made_anew_has_only_its_new_files(directory: LabDirectory, machine: Path) -> None:
    path = machine / "new"
    write_files(directory, node({path: "1", machine / "other": "2"}))
    inside(directory, lambda: (machine / "written").write_text("before"))
    write_files(directory, node({path: "3"}))
    assert inside(directory, lambda: sorted(entry.name for entry in machine.iterdir())) == [
        *("app.conf", "kept", "link", "new"),
    ]
    write_files(directory, node({}))
    assert inside(directory, path.exists) is False


def test_a_missing_top_level_directory_is_there_for_the_node_alone(directory: LabDirectory) -> None:
    top = Path(f"/quadlink-test-{os.getpid()}")
    write_files(directory, node({top / "a" / "b": "text", Path("/etc") / top.name: "in etc"}))

    def look() -> tuple[str, str, bool, set[str]]:
        texts = (top / "a" / "b").read_text(), (Path("/etc") / top.name).read_text()
        return *texts, Path("/proc/self/stat").exists(), {*os.listdir("/")}

    *texts, has_proc, entries = inside(directory, look)
    assert (texts, has_proc) == (["text", "in etc"], True)
    assert entries == {*os.listdir("/"), top.name}
    assert not top.exists()


def test_the_labs_directory_leads_to_nothing_of_the_machine_inside_the_node_either(
    directory: LabDirectory, machine: Path
) -> None:
    top = Path(f"/quadlink-test-{os.getpid()}")
    write_files(directory, node({machine / "kept" / "new": "1", machine.parent / "new": "2", top: "3"}))
    base = directory.path / "files" / "h"

    def look() -> list[str]:
        return [path.read_text() for path in base.rglob("*") if path.is_file() and path.stat().st_size]

    assert sorted(inside(directory, look)) == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("kept", "MACHINE/kept is a directory on this machine"),
        ("app.conf/new", "MACHINE/app.conf is no directory on this machine"),
        ("kernel/new", "it leads to /proc/new on this machine, which is the kernel's"),
    ],
)
def test_a_path_that_cannot_be_is_refused(
    directory: LabDirectory, machine: Path, path: str, problem: str
) -> None:
    (machine / "kernel").symlink_to("/proc")
    with pytest.raises(LabError) as caught:
        write_files(directory, node({machine / path: "x"}))
    expected = f"node h: file {machine / path} cannot be made: {problem.replace('MACHINE', str(machine))}"
    assert str(caught.value) == expected
