"""Heartbeats over loopback: what is sent, what the owner hears of, and what silence is."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from control.bfd.sockets import IP_RECVTTL
from dataplane.heartbeats import HOP_LIMIT, Heartbeat, HeartbeatEvent, Heartbeats
from tests.waiting import eventually

MS_NS = 1_000_000
SAYS_NOTHING = Heartbeat(b"", None, 0, None, 0, None)


class Ends:
    """A heartbeat, and the socket of who is at the other end."""

    def __init__(self) -> None:
        self.heartbeats = Heartbeats(priority=1)
        self.other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.other.bind(("127.0.0.1", 0))
        self.other.settimeout(10)
        self.receiving = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.receiving.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        self.receiving.bind(("127.0.0.1", 0))
        self.sending = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sending.connect(self.other.getsockname())
        self.number = self.heartbeats.add(self.sending.fileno(), self.receiving.fileno())
        self.events: list[HeartbeatEvent] = []

    def close(self) -> None:
        self.heartbeats.close()
        for opened in (self.other, self.receiving, self.sending):
            opened.close()

    def say(self, packet: bytes, hop_limit: int = HOP_LIMIT) -> None:
        """The other end sends a packet."""
        self.other.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hop_limit)
        self.other.sendto(packet, self.receiving.getsockname())

    def told(self) -> list[bytes | None]:
        """What the owner was told so far, None where it was silence."""
        self.events += self.heartbeats.take()
        return [event.packet for event in self.events]

    def set(self, heartbeat: Heartbeat) -> None:
        self.heartbeats.set(self.number, heartbeat)


def said(to: socket.socket) -> bytes | None:
    """The next packet, None where none comes."""
    try:
        return to.recv(99)
    except TimeoutError:
        return None


@pytest.fixture
def ends() -> Iterator[Ends]:
    opened = Ends()
    yield opened
    opened.close()


def test_a_packet_is_sent_again_and_again_until_another_is_set(ends: Ends) -> None:
    beat = replace(SAYS_NOTHING, packet=b"one", interval_ns=(3 * MS_NS, 4 * MS_NS), next_ns=1)
    ends.set(beat)
    assert [ends.other.recv(99) for _ in range(5)] == [b"one"] * 5
    ends.set(replace(beat, packet=b"two"))
    while ends.other.recv(99) == b"one":
        pass
    assert [ends.other.recv(99) for _ in range(5)] == [b"two"] * 5
    ends.set(replace(beat, packet=b"last", interval_ns=None))
    ends.other.settimeout(0.05)
    while said(ends.other) is not None:
        pass


def test_the_next_packet_comes_when_it_is_due(ends: Ends) -> None:
    due_ns = time.monotonic_ns() + 50 * MS_NS
    hour_ns = 3_600_000 * MS_NS
    ends.set(replace(SAYS_NOTHING, packet=b"one", interval_ns=(hour_ns, hour_ns), next_ns=due_ns))
    assert ends.other.recv(99) == b"one"
    assert time.monotonic_ns() >= due_ns
    ends.set(replace(SAYS_NOTHING, packet=b"two", interval_ns=(hour_ns, hour_ns), next_ns=due_ns + 1))
    assert ends.other.recv(99) == b"two"


def test_the_owner_is_told_of_what_it_does_not_expect_and_where_it_came_from(ends: Ends) -> None:
    ends.set(replace(SAYS_NOTHING, expected=b"expected"))
    ends.say(b"expected")
    ends.say(b"expecteD")
    ends.say(b"expected!")
    ends.say(b"x" * 100)
    eventually(lambda: len(ends.told()) == 3)
    assert ends.told() == [b"expecteD", b"expected!", b"x" * 64]
    assert {event.source for event in ends.events} == {socket.inet_aton("127.0.0.1")}
    assert ends.events[0].heard_ns <= ends.events[0].t_ns <= time.monotonic_ns()


def test_a_packet_that_crossed_a_router_is_lost(ends: Ends) -> None:
    ends.say(b"far", hop_limit=HOP_LIMIT - 1)
    ends.say(b"")
    ends.say(b"near")
    eventually(ends.told)
    assert ends.told() == [b"near"]


def test_silence_is_told_once_and_not_while_the_expected_packet_comes(ends: Ends) -> None:
    now_ns = time.monotonic_ns()
    beat = replace(SAYS_NOTHING, expected=b"alive", heard_ns=now_ns, timeout_ns=3_600_000 * MS_NS)
    ends.set(beat)
    ends.say(b"alive")
    ends.say(b"other")
    eventually(ends.told)
    heard_ns = ends.events[-1].heard_ns
    assert heard_ns > now_ns
    ends.set(replace(beat, timeout_ns=5 * MS_NS))  # what the thread has heard counts, not what is set
    eventually(lambda: None in ends.told())
    silence = ends.events[-1]
    assert silence.t_ns >= heard_ns + 5 * MS_NS
    ends.say(b"alive")
    ends.say(b"again")
    eventually(lambda: ends.told()[-1] is not None)
    assert ends.told() == [b"other", None, b"again"]


def test_an_owner_who_is_late_is_told_of_a_packet_once_and_of_no_silence(ends: Ends) -> None:
    begin_ns = time.monotonic_ns()
    ends.set(replace(SAYS_NOTHING, expected=b"alive", heard_ns=begin_ns, timeout_ns=1_000 * MS_NS))
    while time.monotonic_ns() < begin_ns + 1_200 * MS_NS:
        ends.say(b"new")
    eventually(lambda: b"new" in ends.told())
    assert ends.told() == [b"new"]
    assert ends.events[0].t_ns > begin_ns + 1_000 * MS_NS


def test_a_heartbeat_that_is_removed_tells_nothing_and_another_takes_its_place(ends: Ends) -> None:
    ends.say(b"one")
    second = ends.heartbeats.add(ends.sending.fileno(), ends.other.fileno())
    ends.heartbeats.remove(ends.number)
    assert ends.told() == []
    assert ends.heartbeats.add(ends.sending.fileno(), ends.receiving.fileno()) == ends.number
    assert second != ends.number
    ends.say(b"two")
    eventually(lambda: b"two" in ends.told())
    assert {event.id for event in ends.events} == {ends.number}
