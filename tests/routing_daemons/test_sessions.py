"""What BIRD and FRR say of their sessions, as Debian's versions print it."""

import json
import socket
import threading
from pathlib import Path

import pytest
from netns_lab.routing_daemons.birdc import BirdError, bird_command, read_sessions
from netns_lab.routing_daemons.session import DaemonSession
from netns_lab.routing_daemons.vty import VtyError, frr_sessions, vty

HEADINGS = "Name       Proto      Table      State  Since         Info"
ESTABLISHED = """\
r1.ch1.ipv4 BGP        ---        up     2026-11-27 14:38:20.230516  Established
  BGP state:          Established
    Neighbor address: 169.254.1.1
    Neighbor AS:      64512
  Channel ipv4
    State:          UP
    Routes:         7 imported, 1 filtered, 3 exported, 7 preferred
"""
BROKEN = """\
r1.ch2.ipv4 BGP        ---        start  2026-11-27 14:38:21.000000  Connect       Socket: Connection refused
  BGP state:          Connect
    Neighbor address: 169.254.2.1
    Last error:       Socket: Connection refused
  Channel ipv4
    State:          DOWN
"""


def _coded(*texts: str) -> list[tuple[int, str]]:
    """With the codes that BIRD gives a protocol's line and its details."""
    lines = [(1002, HEADINGS), (1002, "device1    Device     ---        up     2026-11-27 14:38:20.230516")]
    for text in texts:
        head, *details = text.splitlines()
        lines += [(1002, head), *((1006, detail) for detail in details), (1006, "")]
    return lines


def test_bird_tells_state_time_prefixes_and_what_ended_a_session() -> None:
    sessions = read_sessions(_coded(ESTABLISHED, BROKEN), {"169.254.1.1": "up"}, 0)
    up, broken = sessions["169.254.1.1"], sessions["169.254.2.1"]
    assert (up.up, up.prefixes, up.reason, up.bfd) == (True, 7, "", "up")
    assert (broken.up, broken.prefixes, broken.bfd) == (False, 0, None)
    assert broken.reason == "Socket: Connection refused"
    assert broken.since_ns - up.since_ns == 769_484_000


def _daemon(path: Path, answers: list[bytes], greeting: bytes = b"") -> threading.Thread:
    """Listens at a path, greets one client and gives it an answer for each thing that it says."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        with listener, listener.accept()[0] as client:
            client.sendall(greeting)
            for answer in answers:
                client.recv(4096)
                client.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_an_answer_of_bird_ends_with_its_last_code_and_may_be_a_refusal(tmp_path: Path) -> None:
    greeting = b"0001 BIRD 2.0.12 ready.\n"
    one = _daemon(tmp_path / "one", [b"1002-first\n second\n0000 \n"], greeting)
    assert bird_command(tmp_path / "one", "show") == [(1002, "first"), (1002, "second"), (0, "")]
    two = _daemon(tmp_path / "two", [b"9001 syntax error\n"], greeting)
    with pytest.raises(BirdError, match="refused `nonsense`: syntax error"):
        bird_command(tmp_path / "two", "nonsense")
    one.join()
    two.join()


def test_frr_tells_of_its_sessions_in_json_behind_an_enabled_vty(tmp_path: Path) -> None:
    neighbors = {
        "169.254.1.1": {
            "bgpState": "Established",
            "bgpTimerUpMsec": 5000,
            "addressFamilyInfo": {"ipv4Unicast": {"acceptedPrefixCounter": 7}},
            "peerBfdInfo": {"status": "Up"},
        },
        "169.254.2.1": {"bgpState": "Active", "lastResetDueTo": "No AFI/SAFI activated for peer"},
    }
    text = json.dumps(neighbors).encode()
    daemon = _daemon(tmp_path / "vty", [b"\0\0\0\0", text + b"\0\0\0\0"])
    sessions = frr_sessions(tmp_path / "vty")
    daemon.join()
    assert sessions["169.254.2.1"] == DaemonSession(reason="No AFI/SAFI activated for peer")
    up = sessions["169.254.1.1"]
    assert (up.up, up.prefixes, up.bfd) == (True, 7, "up")
    refusing = _daemon(tmp_path / "refusing", [b"\0\0\0\0", b"% Unknown command\n\0\0\0\2"])
    with pytest.raises(VtyError, match="refused `nonsense`: % Unknown command"):
        vty(tmp_path / "refusing", "nonsense")
    refusing.join()
