"""The controller asks the guard again: what came in one piece with the answer counts too."""

import socket
import threading
from pathlib import Path
from types import SimpleNamespace

from netns_lab.controller import Controller

from control.guard.channel import (
    GuardEvents,
    InterfaceChange,
    InterfaceState,
    change_document,
    states_document,
)
from dataplane.lines import to_line

DOWN = InterfaceState("a", "eth0", 7, {"ipv4": False, "ipv6": False})
UP = InterfaceChange("a", "eth0", 7, ("ipv4",), True, "BFD", 1, None)


def test_a_change_that_came_with_the_whole_truth_is_not_left_unread(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "guard.sock"))
        listener.listen()

        def serve() -> None:
            stream, _ = listener.accept()
            with stream:
                stream.recv(100)
                stream.sendall(to_line(states_document([DOWN])) + to_line(change_document(UP)))
                stream.recv(100)

        guard = threading.Thread(target=serve)
        guard.start()
        controller = object.__new__(Controller)
        controller.guard = GuardEvents(tmp_path / "guard.sock")
        controller.routers = {}
        controller._interfaces = {}
        controller._news = []
        controller.faults = SimpleNamespace(dying=set())  # type: ignore[assignment]
        try:
            controller.look_again()
        finally:
            controller.guard.close()
            guard.join()
    assert controller.interfaces_of("a") == {
        "eth0": InterfaceState("a", "eth0", 7, {"ipv4": True, "ipv6": False})
    }
