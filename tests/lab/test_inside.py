"""Commands inside nodes: with and without a controller, in one node and in many."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.harness import Lab

pytestmark = pytest.mark.lab


@contextmanager
def controller_stopped(lab: Lab) -> Iterator[None]:
    """A controller that answers nobody."""
    pid = lab.json("inspect", "links")["pids"]["controller"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_exec_needs_no_controller(quad: Lab) -> None:
    with controller_stopped(quad):
        answer = quad.run("exec", "aws-h1", "--", "getent", "ahostsv6", "gcp-h1")
    assert (answer.returncode, answer.stdout.split()[0]) == (0, "fd02::2")


def test_exec_in_many_nodes_says_which_line_comes_from_where(quad: Lab) -> None:
    answer = quad.run("exec", "-n", "aws,gcp-*", "--", "sh", "-c", "cat /etc/hosts | wc -l; echo no >&2")
    assert answer.returncode == 0
    lines = len(quad.directory.hosts.read_text().splitlines())
    nodes = {"aws", "gcp-h1", "gcp-h2"}
    assert set(answer.stdout.splitlines()) == {f"{node}: {lines}" for node in nodes}
    assert set(answer.stderr.splitlines()) == {f"{node}: no" for node in nodes}


def test_exec_in_many_nodes_returns_the_first_code_that_is_not_0(quad: Lab) -> None:
    script = "case $(ip -br address) in *10.1.*.1/24*) exit 3;; *10.2.*.1/24*) kill -9 $$;; esac"
    assert quad.run("exec", "-n", "*", "--", "sh", "-c", script).returncode == 3
    assert quad.run("exec", "-n", "gcp*", "--", "sh", "-c", script).returncode == 128 + signal.SIGKILL
    for words in (("aws,mars", "--", "true"), ("*", "--", "no-such-command"), ("aws", "--")):
        answer = quad.run("exec", "-n", *words)
        assert answer.returncode == (2 if words[-1] == "--" else 125)
