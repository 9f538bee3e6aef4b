"""What a lab owns on the machine: only namespaces with its own mark are ever removed."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from netns_lab import namespaces as module
from netns_lab.directory import LabError
from netns_lab.namespaces import create_namespace, delete_namespace, namespaces_of

from dataplane.namespace import NAMESPACE_DIRECTORY, run_in_namespace

pytestmark = pytest.mark.lab

LAB = f"enginetests{os.getpid()}"
FORWARD = {"net.ipv4.ip_forward": "1"}


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Removes whatever of these labs' names a test leaves."""
    yield
    for path in NAMESPACE_DIRECTORY.glob(f"{LAB}*"):
        delete_namespace(path.name)


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def exists(name: str) -> bool:
    return (NAMESPACE_DIRECTORY / name).exists()


def test_a_namespace_is_made_marked_with_its_loopback_up_and_its_sysctls_set() -> None:
    create_namespace(f"{LAB}-r1", LAB, FORWARD)
    assert namespaces_of(LAB) == [f"{LAB}-r1"]
    read = run_in_namespace(f"{LAB}-r1", Path("/proc/sys/net/ipv4/ip_forward").read_text)
    assert read.strip() == "1"
    link = ip("-n", f"{LAB}-r1", "link", "show", "lo")
    assert "UP" in link
    assert f"alias quadlink {LAB}" in link
    assert f"{LAB}-r1" in ip("netns", "list")
    delete_namespace(f"{LAB}-r1")
    assert not exists(f"{LAB}-r1")


def test_only_what_carries_the_labs_own_mark_is_the_labs() -> None:
    create_namespace(f"{LAB}-r1", LAB, {})
    create_namespace(f"{LAB}-b-x", f"{LAB}-b", {})  # of a lab whose name begins like this one's
    create_namespace(f"{LAB}-r2", "another", {})
    ip("netns", "add", f"{LAB}-foreign")
    ip("netns", "add", LAB)
    (NAMESPACE_DIRECTORY / f"{LAB}-file").touch()
    assert namespaces_of(LAB) == [f"{LAB}-r1"]
    assert namespaces_of(f"{LAB}-b") == [f"{LAB}-b-x"]
    assert namespaces_of("another") == [f"{LAB}-r2"]  # the mark decides, not the name
    assert namespaces_of("") == []


def test_a_name_that_is_taken_is_refused_and_stays_what_it_was() -> None:
    ip("netns", "add", f"{LAB}-r1")
    inside = run_in_namespace(f"{LAB}-r1", lambda: os.readlink("/proc/thread-self/ns/net"))
    (NAMESPACE_DIRECTORY / f"{LAB}-file").write_text("mine")
    for name in (f"{LAB}-r1", f"{LAB}-file"):
        with pytest.raises(LabError, match=f"namespace {name} exists already and is not this lab's"):
            create_namespace(name, LAB, {})
    assert run_in_namespace(f"{LAB}-r1", lambda: os.readlink("/proc/thread-self/ns/net")) == inside
    assert (NAMESPACE_DIRECTORY / f"{LAB}-file").read_text() == "mine"
    assert namespaces_of(LAB) == []


@pytest.mark.parametrize("sysctls", [{"net.ipv4.no_such_thing": "1"}, {"net.ipv4.ip_forward": "perhaps"}])
def test_a_namespace_that_cannot_be_finished_leaves_no_file(sysctls: dict[str, str]) -> None:
    own = os.readlink("/proc/thread-self/ns/net")
    ((key, value),) = sysctls.items()
    with pytest.raises(LabError, match=f"namespace {LAB}-r1: sysctl {key} cannot be '{value}'"):
        create_namespace(f"{LAB}-r1", LAB, sysctls)
    assert not exists(f"{LAB}-r1")
    assert os.readlink("/proc/thread-self/ns/net") == own
    create_namespace(f"{LAB}-r1", LAB, FORWARD)


def test_a_namespace_that_cannot_be_finished_leaves_a_foreign_one_of_its_name() -> None:
    ip("netns", "add", f"{LAB}-r1")
    inside = run_in_namespace(f"{LAB}-r1", lambda: os.readlink("/proc/thread-self/ns/net"))
    with pytest.raises(LabError, match="sysctl"):
        create_namespace(f"{LAB}-r1", LAB, {"net.ipv4.no_such_thing": "1"})
    assert run_in_namespace(f"{LAB}-r1", lambda: os.readlink("/proc/thread-self/ns/net")) == inside


def test_an_interruption_after_the_name_was_given_takes_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    check, calls = module._check, []

    def interrupted(result: int) -> None:
        calls.append(result)
        check(result)
        if len(calls) == 2:  # unshare was the first, the mount is the second
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "_prepare_directory", lambda: None)
    monkeypatch.setattr(module, "_check", interrupted)
    with contextlib.suppress(KeyboardInterrupt):
        create_namespace(f"{LAB}-r1", LAB, {})
    assert len(calls) == 2
    assert not exists(f"{LAB}-r1")


def test_the_mark_is_there_before_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is killed in between leaves a file without a namespace, never a namespace without its mark."""
    seen = []
    check = module._check

    def looking(result: int) -> None:
        seen.append(namespaces_of(LAB))
        check(result)

    monkeypatch.setattr(module, "_prepare_directory", lambda: None)
    monkeypatch.setattr(module, "_check", looking)
    create_namespace(f"{LAB}-r1", LAB, {})
    assert seen == [[], [f"{LAB}-r1"]]


def test_deleting_again_or_what_never_was_is_harmless() -> None:
    create_namespace(f"{LAB}-r1", LAB, {})
    for _ in range(2):
        delete_namespace(f"{LAB}-r1")
    assert not exists(f"{LAB}-r1")
