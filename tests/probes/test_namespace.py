"""Visits to network namespaces: where the function runs, what comes back, what is refused."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataplane.namespace import run_in_namespace

NAME = f"probes-visit-{os.getpid()}"


@pytest.fixture
def namespace() -> Iterator[str]:
    subprocess.run(["ip", "netns", "add", NAME], check=True)
    try:
        yield NAME
    finally:
        subprocess.run(["ip", "netns", "delete", NAME], check=True)


def own_namespace() -> str:
    return os.readlink("/proc/thread-self/ns/net")


@pytest.mark.lab
def test_function_runs_inside_and_the_caller_stays_outside(namespace: str) -> None:
    before = own_namespace()
    inside = run_in_namespace(namespace, own_namespace)
    assert inside != before
    assert own_namespace() == before
    assert run_in_namespace(Path("/run/netns") / namespace, own_namespace) == inside


@pytest.mark.lab
def test_a_socket_made_inside_sees_only_the_interfaces_inside(namespace: str) -> None:
    assert run_in_namespace(namespace, socket.if_nameindex) == [(1, "lo")]


@pytest.mark.lab
def test_exceptions_propagate(namespace: str) -> None:
    with pytest.raises(ZeroDivisionError):
        run_in_namespace(namespace, lambda: 1 // 0)


def test_a_missing_namespace_is_named() -> None:
    with pytest.raises(
        FileNotFoundError, match="no network namespace probes-none: /run/netns/probes-none does"
    ):
        run_in_namespace("probes-none", own_namespace)


@pytest.mark.lab
def test_a_file_that_is_no_namespace_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with pytest.raises(OSError, match=r"cannot enter network namespace .*plain: Invalid argument"):
        run_in_namespace(tmp_path / "plain", own_namespace)
