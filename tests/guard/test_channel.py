"""What the guard tells arrives as it was told, the whole truth first."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from control.guard.channel import (
    GuardEvents,
    GuardGone,
    InterfaceChange,
    InterfaceState,
    change_document,
    states_document,
)
from dataplane.lines import to_line

STATES = [InterfaceState("aws", "ch1", 7, True), InterfaceState("aws", "ch2", 8, False)]
CHANGE = InterfaceChange("aws", "ch2", 8, True, "carrier", 12, None)


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
