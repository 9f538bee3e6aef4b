"""What the guard tells arrives as it was told, the whole truth first."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from control.bfd.session import Session, Settings
from control.bfd.state import state_of
from control.guard.channel import (
    GuardEvents,
    GuardGone,
    InterfaceChange,
    InterfaceState,
    change_document,
    session_document,
    states_document,
)
from dataplane.lines import to_line

UP, DOWN = {"ipv4": True, "ipv6": True}, {"ipv4": False, "ipv6": False}
STATES = [InterfaceState("aws", "ch1", 7, UP), InterfaceState("aws", "ch2", 8, DOWN)]
CHANGE = InterfaceChange("aws", "ch2", 8, ("ipv4", "ipv6"), True, "carrier", 12, None)
SESSION = Session(3, Settings(50_000, 3), 5, lambda: 0.5)
BFD = state_of("aws", "ch1", "ipv4", "10.0.0.2", SESSION)


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "guard.sock"))
        listener.listen()
        yield listener


def test_a_client_hears_the_whole_truth_and_then_changes(listener: socket.socket, tmp_path: Path) -> None:
    events = GuardEvents(tmp_path / "guard.sock")
    guard, _ = listener.accept()
    assert events.read() == []
    guard.sendall(to_line(states_document(STATES)))
    assert events.wait() == STATES
    half = to_line(change_document(CHANGE))
    guard.sendall(half[:10])
    assert events.read() == []
    guard.sendall(half[10:] + to_line(states_document([])))
    assert events.read() == [CHANGE, []]
    guard.sendall(to_line(change_document(CHANGE)) + to_line(states_document(STATES)))
    assert events.wait() == STATES
    guard.sendall(to_line(session_document(BFD)))
    assert events.read() == [BFD]
    assert events.bfd == {("aws", "ch1", "ipv4"): BFD}
    guard.sendall(to_line(states_document(STATES, [replace(BFD, family="ipv6")])))
    assert events.wait() == STATES
    assert list(events.bfd) == [("aws", "ch1", "ipv6")]
    events.introduce()
    assert guard.recv(99) == b'{"controller": true}\n'
    guard.close()
    with pytest.raises(GuardGone):
        events.read()
    with pytest.raises(GuardGone):
        events.wait()
    events.close()
    assert events.closed


def test_no_guard_is_guard_gone(tmp_path: Path) -> None:
    with pytest.raises(GuardGone, match="no guard listens"):
        GuardEvents(tmp_path / "guard.sock")
