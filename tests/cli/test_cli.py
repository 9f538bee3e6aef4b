"""The command line where it needs neither root nor a lab: help, usage errors, exit codes."""

import os
import subprocess
import sys

import pytest
from netns_lab import cli

Capture = pytest.CaptureFixture[str]
COMMANDS = (
    "init",
    "validate",
    "schema",
    "up",
    "down",
    "gc",
    "inspect",
    "metrics",
    "ping-all",
    "probe",
    "events",
    "graph",
    "exec",
    "shell",
    "logs",
    "fail",
    "heal",
    "impair",
    "announce",
    "withdraw",
    "run",
    "measure",
    "timeline",
    "conform",
    "capture",
    "explain",
    "completion",
    "doctor",
    "demo",
    "test",
    "bench",
)


def run(capsys: Capture, monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    monkeypatch.setattr(sys, "argv", ["quadlink", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    printed = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, printed.out, printed.err


def test_help_lists_every_command(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = run(capsys, monkeypatch, "--help")
    assert code == 0
    assert all(command in out for command in COMMANDS)


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("fail", "impair", "conform")])
def test_every_commands_help_shows_an_example(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    code, out, _ = run(capsys, monkeypatch, command, "--help")
    assert code == 0
    assert "Example" in out
    assert f"quadlink {command}" in out


@pytest.mark.parametrize(
    "words",
    [
        ("up",),
        ("down",),
        ("gc",),
        ("inspect",),
        ("metrics",),
        ("events",),
        ("fail", "link", "ch1"),
        ("heal",),
        ("impair", "set", "ch1", "delay=5ms"),
        ("impair", "show"),
        ("demo",),
        ("bench", "smoke"),
    ],
)
def test_without_root_there_is_one_sentence_with_the_way_out(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    code, out, err = run(capsys, monkeypatch, *words)
    assert (code, out) == (2, "")
    assert err == "quadlink: network namespaces need root; run it again with sudo\n"


def test_an_unknown_command_is_a_usage_error(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = run(capsys, monkeypatch, "fly")
    assert (code, out) == (2, "")
    assert "fly" in err


def test_a_command_starts_without_what_takes_long_to_import() -> None:
    modules = "netns_lab.cli, netns_lab.inspection, netns_lab.names"
    heavy = {"numpy", "pydantic", "pyroute2", "ruamel.yaml", "asyncio", "netns_lab.plan"}
    code = f"import {modules}, sys; print({heavy!r} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "set()\n"
