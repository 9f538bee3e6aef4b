"""Commands inside nodes: with and without a controller, in one node and in many."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.lab.harness import QUADLINK, Lab

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


def test_an_end_of_exec_in_many_nodes_is_the_end_of_what_it_started(quad: Lab) -> None:
    words = ("exec", "-n", "*", "--", "sh", "-c", "echo $$; exec sleep 600")
    with subprocess.Popen([str(QUADLINK), "--name", quad.name, *words], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        pids = [int(run.stdout.readline().split()[-1]) for _ in quad.plan.nodes]
        run.send_signal(signal.SIGTERM)
    assert run.returncode == 128 + signal.SIGTERM
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_ping_all_finds_every_node_and_needs_no_controller(quad: Lab) -> None:
    with controller_stopped(quad):
        answer = quad.run("ping-all")
    assert (answer.returncode, answer.stderr) == (0, "")
    header, *rows = (line.split() for line in answer.stdout.splitlines()[:7])
    assert header == ["from", "/", "to", *(node.name for node in quad.plan.nodes)]
    assert all(row[1:] == ["ok"] * 5 for row in rows)
    assert answer.stdout.splitlines()[-1] == "60 of 60 pings were answered"


def test_ping_all_exits_1_and_tells_a_lost_link_from_a_lost_route(quad: Lab) -> None:
    quad.run("fail", "link", "gcp-lan2")
    quad.run("exec", "aws-h1", "--", "ip", "-6", "route", "del", "default")
    try:
        answer = quad.run("ping-all", "--format", "json")
    finally:
        quad.run("exec", "aws-h1", "--", "ip", "-6", "route", "add", "default", "via", "fd01::1")
    document = json.loads(answer.stdout)
    assert document["nodes"][2] == "aws-h1"
    assert document["answers"]["ipv4"][2] == [True, True, None, True, True, False]
    assert document["answers"]["ipv6"][2] == [True, False, None, False, False, False]
    assert document["answers"]["ipv6"][1] == [True, None, False, True, True, False]
    assert (answer.returncode, document["asked"], document["answered"]) == (1, 60, 34)
    assert document["holes"][0] == {"from": "aws", "to": "gcp-h2", "family": "ipv4", "address": "10.2.1.2"}


@pytest.mark.parametrize(
    ("shell", "prompt"), [("/bin/bash", "mine> "), ("/bin/sh", "# "), ("/no/shell", "# ")]
)
def test_shell_is_the_users_and_its_prompt_says_where_one_is(
    quad: Lab, tmp_path: Path, shell: str, prompt: str
) -> None:
    (tmp_path / ".bashrc").write_text("PS1='mine> '\n")
    terminal, inside = os.openpty()
    process = subprocess.Popen(
        [str(QUADLINK), "--name", quad.name, "shell", "gcp"],
        stdin=inside,
        stdout=inside,
        stderr=inside,
        env={**os.environ, "SHELL": shell, "HOME": str(tmp_path)},
        start_new_session=True,
    )
    os.close(inside)
    os.write(terminal, b"ls /sys/class/net | tr '\\n' ' '; exit 7\n")
    shown = b""
    with suppress(OSError):  # EIO: nobody holds the other end any more
        while octets := os.read(terminal, 4096):
            shown += octets
    os.close(terminal)
    assert process.wait() == 7
    assert f"({quad.name} gcp) {prompt}" in shown.decode()
    assert "ch1 ch2 ch3 ch4 lan1 lan2 lo" in shown.decode()


def test_a_shell_that_cannot_be_opened_is_code_125(quad: Lab) -> None:
    answer = quad.run("shell", "gcp-h3")
    assert answer.returncode == 125
    assert answer.stderr.startswith("quadlink: no node gcp-h3, nearest is 'gcp-h")


def test_logs_are_followed_until_ctrl_c(quad: Lab) -> None:
    assert quad.run("logs", "aws", "-n", "1").stdout.startswith("exabgp: ")
    command = [str(QUADLINK), "--name", quad.name, "logs", "controller", "--follow", "-n", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as logs:
        assert logs.stdout is not None
        logs.stdout.readline()
        quad.run("fail", "link", "ch2")
        while "fault ch2: ch2 failed (carrier)" not in logs.stdout.readline():
            assert logs.poll() is None
        logs.send_signal(signal.SIGINT)
        logs.stdout.read()
    assert logs.returncode == 0
