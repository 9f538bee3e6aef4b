"""Which of ExaBGP's peers get a turn as we mend it, what it waits for, and what it forgets."""

import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from exabgp.bgp.fsm import FSM  # type: ignore[import-untyped]
from exabgp.reactor.loop import Reactor  # type: ignore[import-untyped]
from exabgp.reactor.peer import ACTION, Peer  # type: ignore[import-untyped]

import control.bgp.exabgp  # noqa: F401  # mends it
from control.bgp import turns
from control.bgp.turns import TIMERS_S, Scheduler

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


class Neighbor:
    """A peer as ExaBGP has them, at one end of a socket."""

    def __init__(self) -> None:
        self.end, self.far_end = socket.socketpair()
        self.fsm = FSM.ESTABLISHED
        self.action = ACTION.LATER
        self._teardown: int | None = None
        self._neighbor: object = None
        self.to_send: list[str] = []
        self.neighbor = SimpleNamespace(
            rib=SimpleNamespace(outgoing=SimpleNamespace(pending=lambda: bool(self.to_send))),
            eor=deque[object](),
            refresh=deque[object](),
            messages=deque[object](),
        )

    def socket(self) -> int:
        return self.end.fileno()


class Speaker:
    """Its neighbors a, b and c, which have had a turn for their timers, and the time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now_s)
        self.neighbors = {name: Neighbor() for name in "abc"}
        self.poller = select.poll()
        self.reactor: Any = SimpleNamespace(
            _peers=self.neighbors, _poller=self.poller, listener=None, _prevent_spin=lambda: None
        )
        for neighbor in self.neighbors.values():
            self.poller.register(neighbor.end, READABLE)
        self.scheduler = Scheduler(lambda reactor: set(reactor._peers), lambda peer: peer.action)
        assert sorted(self.turn()) == ["a", "b", "c"]

    def turn(self) -> list[str]:
        """Who has a turn, in order."""
        list(self.scheduler.wait_for_io(self.reactor, SHORT_MS))
        names = list(self.scheduler.active_peers(self.reactor))
        for name in names:
            self.scheduler.run(self.neighbors[name])
        return names


@pytest.fixture
def speaker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Speaker]:
    speaker = Speaker(monkeypatch)
    yield speaker
    for neighbor in speaker.neighbors.values():
        neighbor.end.close()
        neighbor.far_end.close()


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.listening.close()


def test_turns_are_ours_wherever_exabgp_is_started_by_us() -> None:
    assert {Reactor._wait_for_io.__module__, Reactor.active_peers.__module__, Peer.run.__module__} == {
        turns.__name__
    }


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


def test_sessions_with_nothing_to_do_have_a_turn_for_their_timers_only(speaker: Speaker) -> None:
    assert speaker.turn() == []
    speaker.now_s += TIMERS_S / 2
    assert speaker.turn() == []
    speaker.now_s += TIMERS_S
    assert sorted(speaker.turn()) == ["a", "b", "c"]
    assert speaker.turn() == []


@pytest.mark.parametrize(
    "give",
    [
        pytest.param(lambda neighbor: neighbor.far_end.send(b"x"), id="octets to read"),
        pytest.param(lambda neighbor: neighbor.far_end.close(), id="a connection that was lost"),
        pytest.param(lambda neighbor: neighbor.to_send.append("10.0.0.0/8"), id="routes to send"),
        pytest.param(lambda neighbor: neighbor.neighbor.eor.append(None), id="an End-of-RIB to send"),
        pytest.param(lambda neighbor: neighbor.neighbor.refresh.append(None), id="a ROUTE-REFRESH to send"),
        pytest.param(lambda neighbor: neighbor.neighbor.messages.append(None), id="another message to send"),
        pytest.param(lambda neighbor: setattr(neighbor, "_teardown", 4), id="a session to end"),
        pytest.param(lambda neighbor: setattr(neighbor, "_neighbor", object()), id="a new configuration"),
    ],
)
def test_a_session_with_something_to_do_has_a_turn_at_once(
    speaker: Speaker, give: Callable[[Neighbor], object]
) -> None:
    give(speaker.neighbors["b"])
    assert speaker.turn() == ["b"]


@pytest.mark.parametrize(
    "attributes", [{"action": ACTION.NOW}, {"fsm": FSM.OPENSENT}], ids=["in the middle of it", "not up yet"]
)
def test_who_has_not_finished_has_every_turn(speaker: Speaker, attributes: dict[str, int]) -> None:
    vars(speaker.neighbors["b"]).update(attributes)
    speaker.now_s += 2 * TIMERS_S
    assert sorted(speaker.turn()) == ["a", "b", "c"]
    assert speaker.turn() == ["b"]
    assert speaker.turn() == ["b"]


def test_sessions_that_end_are_attended_to_last(speaker: Speaker) -> None:
    for name in "abc":
        speaker.neighbors[name].to_send.append("10.0.0.0/8")
    for ending in "abc":
        speaker.neighbors[ending]._teardown = 4
        assert speaker.turn()[-1] == ending
        speaker.neighbors[ending]._teardown = None
