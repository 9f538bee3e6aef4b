"""What a lab does, watched: `inspect --watch` on a terminal and on a pipe, `events --follow`."""

import json
import os
import pty
import re
import signal
import subprocess
import termios
from collections.abc import Callable
from typing import Any

import pytest

from tests.lab.harness import QUADLINK, Lab

pytestmark = pytest.mark.lab


def started(quad: Lab, *words: str) -> subprocess.Popen[str]:
    command = [str(QUADLINK), "--name", quad.name, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def interrupted(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code and the rest of what it prints after Ctrl-C."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    return process.returncode, out, err


def read_until(descriptor: int, holds: Callable[[str], object]) -> str:
    text = ""
    while not holds(text):
        text += os.read(descriptor, 1 << 16).decode()
    return text


def test_watching_on_a_terminal_redraws_in_place_and_gives_the_terminal_back(quad: Lab) -> None:
    ours, theirs = pty.openpty()
    try:
        termios.tcsetwinsize(theirs, (24, 80))
        before = termios.tcgetattr(theirs)
        watching = subprocess.Popen(
            [str(QUADLINK), "--name", quad.name, "inspect", "bgp", "--watch", "--interval", "50ms"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        text = read_until(ours, lambda text: text.count("\x1b[H") > 2)
        assert text.startswith("\x1b[?1049h\x1b[?25l\x1b[H")
        assert "established" in text
        watching.send_signal(signal.SIGINT)
        text = read_until(ours, lambda text: "\x1b[?25h\x1b[?1049l" in text)
        assert watching.wait(10) == 0
        assert text.endswith("\x1b[?25h\x1b[?1049l")
        assert termios.tcgetattr(theirs) == before
    finally:
        os.close(ours)
        os.close(theirs)


def test_watching_on_a_pipe_prints_whole_tables_without_escape_codes(quad: Lab) -> None:
    watching = started(quad, "inspect", "links", "--watch", "--interval", "50ms")
    assert watching.stdout is not None
    lines = [watching.stdout.readline() for _ in range(25)]
    code, out, err = interrupted(watching)
    assert (code, err) == (0, "")
    assert [line.split()[:2] for line in lines].count(["link", "type"]) >= 2
    assert "\x1b" not in "".join(lines) + out


def test_watching_as_json_prints_one_document_a_line(quad: Lab) -> None:
    watching = started(quad, "inspect", "faults", "--watch", "--interval", "50ms", "--format", "json")
    assert watching.stdout is not None
    assert json.loads(watching.stdout.readline())["faults"] == []
    quad.run("fail", "link", "ch1", "--mode", "one-way", "--from", "gcp", "--for", "60s")
    faults: list[dict[str, Any]] = []
    while not faults:
        faults = json.loads(watching.stdout.readline())["faults"]
    assert interrupted(watching)[0] == 0
    (fault,) = faults
    assert (fault["link"], fault["mode"], fault["direction"]) == ("ch1", "one-way", "gcp->aws")
    assert 0 < fault["heals_in_s"] <= 60
    table = quad.run("inspect", "faults").stdout
    assert re.search(
        r"^link +ch1 +one-way +gcp->aws +the frames of one end are lost +\d\d:\d\d:\d\d\.\d{3} +[\d.]+ s$",
        table,
        re.MULTILINE,
    )


def test_several_labs_are_shown_side_by_side(quad: Lab) -> None:
    document = quad_of_all(quad)
    assert len(document["links"]) == 8
    table = subprocess.run([str(QUADLINK), "inspect", "--all"], capture_output=True, text=True, check=False)
    assert table.stdout.startswith("lab ")
    assert f"{quad.name}  ch1 " in table.stdout


def quad_of_all(quad: Lab) -> dict[str, Any]:
    command = [str(QUADLINK), "inspect", "links", "--all", "--format", "json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    labs = json.loads(answer.stdout)["labs"]
    return next(lab for lab in labs if lab["lab"] == quad.name)


def test_events_are_followed_line_by_line_and_looked_back_at(quad: Lab) -> None:
    following = started(quad, "events", "--follow", "--format", "json")
    assert following.stdout is not None
    events = map(json.loads, following.stdout)
    next(events)  # it reads: whatever comes is heard
    t_ns = quad.json("fail", "link", "ch1")["t_ns"]
    seen = [next(event for event in events if event["t_ns"] == t_ns)]
    while seen[-1]["kind"] != "interface-down":
        seen.append(next(events))
    quad.run("heal")
    while seen[-1]["kind"] != "heal":
        seen.append(next(events))
    assert interrupted(following)[0] == 0
    assert all(set(event) == {"t_ns", "time", "kind", "subject", "text", "detail"} for event in seen)
    document = quad.json("events", "--since", "60s")
    assert document["lab"] == quad.name
    assert all(event in document["events"] for event in seen)
    told = quad.run("events").stdout
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3}  fault +ch1 failed \(carrier\)$", told, re.MULTILINE)
    assert len(quad.run("inspect", "events").stdout.splitlines()) == 21


def test_events_and_views_are_followed_over_a_controller_that_was_killed(quad: Lab) -> None:
    following = started(quad, "events", "--follow", "--format", "json")
    watching = started(quad, "inspect", "links", "--watch", "--interval", "50ms", "--format", "json")
    assert following.stdout is not None
    assert watching.stdout is not None
    events, views = map(json.loads, following.stdout), map(json.loads, watching.stdout)
    killed = next(views)["pids"]["controller"]
    os.kill(killed, signal.SIGKILL)
    assert next(view for view in views if view.get("pids", {}).get("controller") not in (killed, None))[
        "links"
    ]
    t_ns = quad.json("fail", "link", "ch1")["t_ns"]
    assert next(event for event in events if event["t_ns"] == t_ns)["kind"] == "fault"
    assert [interrupted(process)[0] for process in (following, watching)] == [0, 0]


def test_the_picture_of_a_running_lab_marks_what_fails(quad: Lab) -> None:
    quad.run("fail", "link", "ch2")
    drawn = quad.run("graph")
    assert drawn.returncode == 0
    assert re.search(
        r"^╞═ ch2 ═+ ch2 ═+\N{BOX DRAWINGS LIGHT DIAGONAL CROSS}═ gcp:ch2 +cut$", drawn.stdout, re.MULTILINE
    )
    links = json.loads(quad.run("graph", "--format", "json").stdout)["links"]
    assert {link["name"]: link["state"] for link in links}["ch2"] == "cut"
