"""What a lab owns on the machine: only namespaces with its own mark are ever removed."""

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from netns_lab import namespaces as module
from netns_lab.directory import LabError
from netns_lab.marks import lab_of, new_mark
from netns_lab.namespaces import create_namespace, delete_namespace, marked_namespaces

from dataplane.namespace import NAMESPACE_DIRECTORY, run_in_namespace

pytestmark = pytest.mark.lab

LAB = f"enginetests{os.getpid()}"
MARK = new_mark(LAB)
FORWARD = {"net.ipv4.ip_forward": "1"}


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Removes whatever of these labs' names a test leaves."""
    yield
    for path in NAMESPACE_DIRECTORY.glob(f"{LAB}*"):
        subprocess.run(["umount", "--quiet", path], check=False)
        subprocess.run(["rm", "-rf", path], check=True)


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def exists(name: str) -> bool:
    return (NAMESPACE_DIRECTORY / name).exists()


def namespaces_of(mark: str) -> list[str]:
    return [name for name, found in marked_namespaces().items() if found == mark]


def test_a_mark_proves_itself() -> None:
    assert lab_of(MARK) == LAB
    assert new_mark(LAB) != MARK
    assert [lab_of(text) for text in ("", LAB, f"{LAB}.", f"x{MARK}", f"{MARK}0", MARK[:-1])] == [None] * 6


def test_a_namespace_is_made_marked_with_its_loopback_up_and_its_sysctls_set() -> None:
    create_namespace(f"{LAB}-r1", MARK, FORWARD)
    assert namespaces_of(MARK) == [f"{LAB}-r1"]
    read = run_in_namespace(f"{LAB}-r1", Path("/proc/sys/net/ipv4/ip_forward").read_text)
    assert read.strip() == "1"
    link = ip("-n", f"{LAB}-r1", "link", "show", "lo")
    assert "UP" in link
    assert f"alias quadlink {MARK}" in link
    assert f"{LAB}-r1" in ip("netns", "list")
    delete_namespace(f"{LAB}-r1", MARK)
    assert not exists(f"{LAB}-r1")


def with_alias(name: str, alias: str) -> None:
    ip("netns", "add", name)
    ip("-n", name, "link", "set", "lo", "alias", alias)


LOOK_ALIKES: dict[str, Callable[[Path], object]] = {
    LAB: lambda path: ip("netns", "add", path.name),
    f"{LAB}-foreign": lambda path: ip("netns", "add", path.name),
    f"{LAB}-alias": lambda path: with_alias(path.name, f"quadlink {LAB}"),
    f"{LAB}-forged": lambda path: with_alias(path.name, f"quadlink {LAB}.{'0' * 24}"),
    f"{LAB}-bare": lambda path: with_alias(path.name, MARK),
    f"{LAB}-file": lambda path: path.write_text(f"quadlink {LAB}."),
    f"{LAB}-empty": lambda path: path.touch(),
    f"{LAB}-pipe": os.mkfifo,
    f"{LAB}-folder": os.mkdir,
    f"{LAB}-link": lambda path: path.symlink_to(NAMESPACE_DIRECTORY / f"{LAB}-r1"),
}
"""What nobody may take for a lab's, and what makes it."""


def test_only_what_carries_the_labs_own_mark_is_the_labs() -> None:
    other = new_mark(f"{LAB}-b")  # of a lab whose name begins like this one's
    create_namespace(f"{LAB}-r1", MARK, {})
    create_namespace(f"{LAB}-b-x", other, {})
    create_namespace(f"{LAB}-r2", other, {})  # the mark decides, not the name
    for name, make in LOOK_ALIKES.items():
        make(NAMESPACE_DIRECTORY / name)
    assert namespaces_of(MARK) == [f"{LAB}-r1"]
    assert namespaces_of(other) == [f"{LAB}-b-x", f"{LAB}-r2"]
    before = {path: path.lstat().st_ino for path in NAMESPACE_DIRECTORY.iterdir()}
    for path in before:
        if not path.is_fifo() and not path.is_symlink():
            delete_namespace(path.name, MARK)
    after = {path: path.lstat().st_ino for path in NAMESPACE_DIRECTORY.iterdir()}
    assert before.keys() - after.keys() == {NAMESPACE_DIRECTORY / f"{LAB}-r1"}
    assert after.items() <= before.items()


def test_a_name_that_is_taken_is_refused_and_stays_what_it_was() -> None:
    ip("netns", "add", f"{LAB}-r1")
    inside = run_in_namespace(f"{LAB}-r1", lambda: os.readlink("/proc/thread-self/ns/net"))
    (NAMESPACE_DIRECTORY / f"{LAB}-file").write_text("mine")
    for name in (f"{LAB}-r1", f"{LAB}-file"):
        with pytest.raises(LabError, match=f"namespace {name} exists already and is not this lab's"):
            create_namespace(name, MARK, {})
    assert run_in_namespace(f"{LAB}-r1", lambda: os.readlink("/proc/thread-self/ns/net")) == inside
    assert (NAMESPACE_DIRECTORY / f"{LAB}-file").read_text() == "mine"
    assert namespaces_of(MARK) == []


@pytest.mark.parametrize("sysctls", [{"net.ipv4.no_such_thing": "1"}, {"net.ipv4.ip_forward": "perhaps"}])
def test_a_namespace_that_cannot_be_finished_leaves_no_file(sysctls: dict[str, str]) -> None:
    own = os.readlink("/proc/thread-self/ns/net")
    ((key, value),) = sysctls.items()
    with pytest.raises(LabError, match=f"namespace {LAB}-r1: sysctl {key} cannot be '{value}'"):
        create_namespace(f"{LAB}-r1", MARK, sysctls)
    assert not exists(f"{LAB}-r1")
    assert os.readlink("/proc/thread-self/ns/net") == own
    create_namespace(f"{LAB}-r1", MARK, FORWARD)


def test_a_namespace_that_cannot_be_finished_leaves_a_foreign_one_of_its_name() -> None:
    ip("netns", "add", f"{LAB}-r1")
    inside = run_in_namespace(f"{LAB}-r1", lambda: os.readlink("/proc/thread-self/ns/net"))
    with pytest.raises(LabError, match="sysctl"):
        create_namespace(f"{LAB}-r1", MARK, {"net.ipv4.no_such_thing": "1"})
    assert run_in_namespace(f"{LAB}-r1", lambda: os.readlink("/proc/thread-self/ns/net")) == inside


def test_the_mark_is_there_as_soon_as_the_name_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the file and the namespace mounted on it, the file says whose it is."""
    seen = []
    check = module._check

    def looking(result: int) -> None:
        seen.append(namespaces_of(MARK))
        check(result)

    real_link = os.link

    def link(*words: object, **options: object) -> None:
        real_link(*words, **options)  # type: ignore[arg-type]
        seen.append(namespaces_of(MARK))

    monkeypatch.setattr(module, "_prepare_directory", lambda: None)
    monkeypatch.setattr(module, "_check", looking)
    monkeypatch.setattr(os, "link", link)
    create_namespace(f"{LAB}-r1", MARK, {})
    assert seen == [[], [f"{LAB}-r1"], [f"{LAB}-r1"]]


def test_a_file_whose_namespace_never_came_is_deleted_by_its_mark() -> None:
    path = NAMESPACE_DIRECTORY / f"{LAB}-r1"
    path.write_text(f"quadlink {MARK}")
    delete_namespace(path.name, new_mark(LAB))
    assert path.exists()
    delete_namespace(path.name, MARK)
    assert not path.exists()


def test_an_interruption_waits_until_it_is_certain_whether_there_is_a_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever cleans up after it must find all that was made."""
    naming, interrupted, named = threading.Event(), threading.Event(), module._name_this_namespace

    def late(path: Path, mark: str) -> None:
        naming.set()
        interrupted.wait(10)
        named(path, mark)

    class Interrupted(ThreadPoolExecutor):
        """Interrupted while its thread works, and again while it would wait for that."""

        def submit(  # type: ignore[override]
            self, function: Callable[..., object], /, *words: object
        ) -> Future[object]:
            super().submit(function, *words)
            naming.wait(10)
            interrupted.set()
            raise KeyboardInterrupt

        def __exit__(self, *exception: object) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "_name_this_namespace", late)
    monkeypatch.setattr(module, "ThreadPoolExecutor", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        create_namespace(f"{LAB}-r1", MARK, {})
    monkeypatch.undo()
    assert namespaces_of(MARK) == [f"{LAB}-r1"]


def test_deleting_again_or_what_never_was_is_harmless() -> None:
    create_namespace(f"{LAB}-r1", MARK, {})
    for _ in range(2):
        delete_namespace(f"{LAB}-r1", MARK)
    assert not exists(f"{LAB}-r1")
