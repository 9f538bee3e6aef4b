"""The helper as a program: pipes where ExaBGP would be, sockets where controllers would be."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest

import control
from control.bgp import commands
from control.bgp.event_lines import decode, encode
from control.bgp.helper import EVENT_BACKLOG
from control.bgp.messages import decode_message
from control.bgp.model import (
    AddressFamily,
    Advertised,
    Announce,
    Event,
    SessionDown,
    SessionUp,
    SnapshotEnd,
)

LINES = Path(__file__).with_name("exabgp-5.0.15.jsonl").read_bytes().splitlines(keepends=True)
UP = next(line for line in LINES if b'"state": "up"' in line)
UPDATE = next(line for line in LINES if b'"fd02::/48" }, { "nlri": "fd03::/48"' in line)
DOWN = next(line for line in LINES if b"notification received" in line)
NEIGHBOR = "fd00:9::1"


class Program:
    """A running helper; `write` is ExaBGP's word to it, `read_command` what ExaBGP would read."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "helper.sock"
        self.errors = directory / "errors"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "control.bgp.helper", str(self.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=os.environ | {"PYTHONPATH": str(Path(control.__file__).parent.parent)},
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin: IO[bytes] = self.process.stdin
        self.stdout: IO[bytes] = self.process.stdout
        self.clients: list[socket.socket] = []

    def write(self, data: bytes) -> None:
        self.stdin.write(data)
        self.stdin.flush()

    def connect(self) -> "Connection":
        """Connect; the first caller tries until the helper listens."""
        while True:
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(30)
            try:
                client.connect(str(self.path))
            except (FileNotFoundError, ConnectionRefusedError):
                client.close()
                assert self.process.poll() is None
                continue
            self.clients.append(client)
            return Connection(client)

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.process.kill()
        self.process.wait()
        self.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()


class Connection:
    """A controller's end."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self._file = client.makefile("rb")

    def event(self) -> Event:
        return decode(self._file.readline())

    def snapshot(self) -> list[Event]:
        events = [self.event()]
        while events[-1] != SnapshotEnd():
            events.append(self.event())
        return events

    def send(self, data: bytes) -> None:
        self.client.sendall(data)

    def close(self) -> None:
        self._file.close()
        self.client.close()

    def rest(self) -> bytes:
        return self._file.read()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path)
    try:
        yield program
    finally:
        program.close()


def test_a_client_gets_the_snapshot_and_then_what_happens(program: Program) -> None:
    first = program.connect()
    assert first.snapshot() == [SnapshotEnd()]
    program.write(UP + UPDATE)
    assert first.event() == SessionUp(NEIGHBOR)
    announced = first.event()
    assert isinstance(announced, Announce)
    second = program.connect()
    assert second.snapshot() == [SessionUp(NEIGHBOR), announced, SnapshotEnd()]
    program.write(DOWN)
    for client in (first, second):
        assert isinstance(client.event(), SessionDown)
    assert [type(event) for event in program.connect().snapshot()] == [SessionDown, SnapshotEnd]


def test_malformed_lines_are_counted_and_survived(program: Program) -> None:
    client = program.connect()
    assert client.snapshot() == [SnapshotEnd()]
    program.write(b"done\n\n{}\n" + UPDATE[:100] + b"\n" + UP)
    assert client.event() == SessionUp(NEIGHBOR)
    assert "malformed line 3" in program.errors.read_text()


def test_commands_pass_whole_and_only_as_exabgp_can_read_them(program: Program) -> None:
    one, other = program.connect(), program.connect()
    one.send(b"neighbor 10.0.0.1 tear")
    other.send("neighbor 10.0.0.1 ünannounce\nneighbor 10.0.0.1 a\rb\n".encode())
    other.send(b"x" * (2 << 20) + b"\nneighbor 10.0.0.2 teardown 6\n")
    assert program.stdout.readline() == b"neighbor 10.0.0.2 teardown 6\n"
    one.send(b"down 6\n")
    assert program.stdout.readline() == b"neighbor 10.0.0.1 teardown 6\n"


def test_what_was_told_is_in_the_next_snapshot(program: Program) -> None:
    client = program.connect()
    for line in commands.announce("10.0.0.1", "next-hop self", ["10.1.0.0/16", "10.2.0.0/16"]):
        client.send(line.encode() + b"\n")
    client.client.close()
    program.stdout.readline()
    told = Advertised("10.0.0.1", "next-hop self", ("10.1.0.0/16", "10.2.0.0/16"))
    assert program.connect().snapshot() == [told, SnapshotEnd()]


def test_what_a_neighbor_announced_is_told_again_to_who_asks(program: Program) -> None:
    one, other = program.connect(), program.connect()
    for client in (one, other):
        assert client.snapshot() == [SnapshotEnd()]
    program.write(UP + UPDATE)
    for client in (one, other):
        assert client.event() == SessionUp(NEIGHBOR)
    announced = one.event()
    assert announced == other.event()
    assert isinstance(announced, Announce)
    (prefix,) = announced.prefixes[:1]
    asked = commands.tell_again(NEIGHBOR, [prefix, "203.0.113.0/24"])
    one.send("".join(f"{line}\n" for line in asked).encode())
    assert one.event() == replace(announced, prefixes=(prefix,))
    program.write(DOWN)
    assert isinstance(other.event(), SessionDown)


def test_what_a_client_wrote_before_it_went_is_carried_out_though_news_came_first(program: Program) -> None:
    client = program.connect()
    client.snapshot()
    program.process.send_signal(signal.SIGSTOP)
    client.send(b"neighbor 10.0.0.1 teardown 6\n")
    client.close()
    program.write(UP)
    program.process.send_signal(signal.SIGCONT)
    assert program.stdout.readline() == b"neighbor 10.0.0.1 teardown 6\n"


def test_a_client_that_does_not_read_is_dropped_and_nobody_waits_for_it(program: Program) -> None:
    idle, reading = program.connect(), program.connect()
    reading.snapshot()
    (announced,) = decode_message(UPDATE)
    repeats = (EVENT_BACKLOG + (1 << 20)) // len(encode(announced))
    writer = threading.Thread(target=lambda: program.write(UP + UPDATE * repeats + DOWN))
    writer.start()
    count = 0
    while not isinstance(reading.event(), SessionDown):
        count += 1
    writer.join()
    assert count == 1 + repeats
    assert len(idle.rest()) < EVENT_BACKLOG + (1 << 20)
    assert "dropped a client" in program.errors.read_text()
    assert [type(event) for event in program.connect().snapshot()] == [SessionDown, SnapshotEnd]


def test_exabgp_not_reading_its_commands_does_not_stop_its_messages(program: Program) -> None:
    commanding, watching = program.connect(), program.connect()
    watching.snapshot()
    commanding.client.setblocking(False)
    line = b"neighbor 10.0.0.1 teardown 6\n"
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            sent += commanding.client.send(line * 1000)
    program.write(UP)
    assert watching.event() == SessionUp(NEIGHBOR)
    commanding.client.shutdown(socket.SHUT_WR)
    for _ in range(sent // len(line)):
        assert program.stdout.readline() == line


def test_it_ends_with_exabgp_or_on_sigterm(program: Program, tmp_path: Path) -> None:
    client = program.connect()
    client.snapshot()
    program.stdin.close()
    assert program.process.wait(30) == 0
    assert client.rest() == b""
    other = Program(tmp_path)
    try:
        other.connect().snapshot()
        other.process.send_signal(signal.SIGTERM)
        assert other.process.wait(30) == 0
    finally:
        other.close()


def test_it_imports_little() -> None:
    code = "import control.bgp.helper, sys, json; print(json.dumps(sorted(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout
    modules = set(json.loads(output))
    assert not modules & {"asyncio", "numpy", "pydantic", "exabgp", "pyroute2", "control.bgp.rib"}
    assert AddressFamily.__module__ in modules
