"""ExaBGP's main loop as we mend it: what it waits for, and what it forgets."""

import os
import select
import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from exabgp.reactor.asynchronous import ASYNC  # type: ignore[import-untyped]
from exabgp.reactor.delay import Delay  # type: ignore[import-untyped]
from exabgp.reactor.loop import Reactor  # type: ignore[import-untyped]

import control.bgp.exabgp as mended

SHORT_MS, LONG_MS = 0, 60_000
READABLE = select.POLLIN | select.POLLHUP | select.POLLERR | select.POLLNVAL


class Loop:
    """What the main loop's wait needs of a reactor, with one listening socket."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.spins = 0
        self.poller = select.poll()
        self.reactor: Any = SimpleNamespace(
            _poller=self.poller,
            listener=SimpleNamespace(_sockets={self.listening: None}),
            _prevent_spin=self._spin,
        )

    def _spin(self) -> None:
        self.spins += 1

    def wait(self, turn_ms: int) -> list[int]:
        return list(Reactor._wait_for_io(self.reactor, turn_ms))


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.listening.close()


def test_the_wait_is_ours_wherever_exabgp_is_started_by_us() -> None:
    assert Reactor._wait_for_io is mended._wait_for_io


def test_a_descriptor_that_was_closed_is_forgotten_and_others_are_heard(loop: Loop) -> None:
    reading, writing = os.pipe()
    closed = os.dup(reading)
    loop.poller.register(reading, READABLE)
    loop.poller.register(closed, READABLE)
    os.close(closed)
    assert loop.wait(SHORT_MS) == []
    os.write(writing, b"x")
    assert loop.wait(LONG_MS) == [reading]
    assert [descriptor for descriptor, _ in loop.poller.poll(SHORT_MS)] == [reading]
    assert loop.spins == 0
    os.close(reading)
    os.close(writing)


def test_commands_are_carried_out_in_order_and_as_many_as_go_into_a_turn() -> None:
    queue, done = ASYNC(), []

    def command(number: int) -> Iterator[bool]:
        done.append(number)
        yield True

    assert queue.run() is False
    for number in range(100):
        queue.schedule("helper", "", command(number))
    assert queue.run() is True
    assert done == list(range(len(done)))
    while queue.run():
        pass
    assert done == list(range(100))


def test_the_wait_between_attempts_to_connect_is_none_and_then_a_second() -> None:
    delay = Delay()
    waits_s = []
    for _ in range(10):
        delay.increase()
        waits_s.append(round(delay._time - time.time(), 1))
    assert waits_s == [0, *[1] * 9]


def test_a_new_connection_ends_the_wait_and_is_nobodys_data(loop: Loop) -> None:
    started_s = time.monotonic()
    with socket.create_connection(loop.listening.getsockname()):
        assert loop.wait(LONG_MS) == []
    assert time.monotonic() - started_s < LONG_MS / 1000


def test_a_peer_that_hung_up_does_not_make_the_loop_spin(loop: Loop) -> None:
    reading, writing = os.pipe()
    os.close(writing)
    loop.poller.register(reading, READABLE)
    assert loop.wait(SHORT_MS) == []
    assert loop.spins == 1
    os.close(reading)
    loop.reactor.listener = None  # as at shutdown
    assert loop.wait(SHORT_MS) == []
