"""Both ends of BFD sessions, over real links of two namespaces."""

import subprocess
from collections.abc import Iterator

import pytest

from control.bfd.packet import Diagnostic, State
from control.bfd.service import BfdService, SessionKey
from control.bfd.session import Session, Settings
from tests.bfd.many_links import LEFT, RIGHT, all_up, joined, open_both
from tests.waiting import eventually

pytestmark = pytest.mark.lab
SETTINGS = Settings(50_000, 3)
DROPS = ("rate", "8bit", "burst", "1", "limit", "1")
"""A token bucket that no packet passes."""


class Ends:
    """A service, and what it told."""

    def __init__(self) -> None:
        self.told: list[tuple[SessionKey, State, bool]] = []
        self.service = BfdService(self._changed, 2)

    def _changed(self, key: SessionKey, session: Session, t_ns: int) -> None:
        self.told.append((key, session.state, session.path_lost))

    def all_up(self) -> bool:
        return all_up(self.service)

    def state(self, key: SessionKey) -> State:
        self.service.read()
        return self.service.sessions[key].state


@pytest.fixture
def ends() -> Iterator[Ends]:
    with joined(links=2):
        opened = Ends()
        yield opened
        opened.service.close()


def test_a_session_comes_up_follows_changes_and_finds_silence(ends: Ends) -> None:
    service = ends.service
    ours, theirs = open_both(service, 0, "ipv4", SETTINGS)
    sixes = open_both(service, 0, "ipv6", SETTINGS)
    eventually(ends.all_up)
    eventually(lambda: ends.all_up() and not service.sessions[ours].periodic_packet.poll)
    ends.told.clear()
    for key in (ours, theirs):
        service.change(key, Settings(20_000, 4))
    eventually(lambda: ends.all_up() and service.sessions[ours].interval_us == 20_000)
    eventually(lambda: ends.all_up() and service.sessions[theirs].detection_time_us == 80_000)
    assert ends.told == []
    # Both families lose what the left end sends; only the right end can see that by itself.
    subprocess.run(["tc", "-n", LEFT, "qdisc", "add", "dev", "eth0", "root", "tbf", *DROPS], check=True)
    eventually(lambda: ends.state(theirs) is State.DOWN and ends.state(sixes[1]) is State.DOWN)
    assert service.sessions[theirs].last_failure is Diagnostic.DETECTION_TIME_EXPIRED
    eventually(lambda: State.UP not in (ends.state(ours), ends.state(sixes[0])))
    assert service.sessions[ours].last_failure is Diagnostic.NEIGHBOR_SIGNALED_DOWN
    assert all(service.sessions[key].path_lost for key in (ours, theirs, *sixes))
    subprocess.run(["tc", "-n", LEFT, "qdisc", "delete", "dev", "eth0", "root"], check=True)
    eventually(ends.all_up)
    assert not any(session.path_lost for session in service.sessions.values())


def test_the_end_of_a_session_takes_no_path_away(ends: Ends) -> None:
    ours, theirs = open_both(ends.service, 1, "ipv4", SETTINGS)
    eventually(ends.all_up)
    ends.service.end(ours)
    eventually(lambda: ends.state(theirs) is State.DOWN)
    remote = ends.service.sessions[theirs].remote
    assert remote is not None
    assert remote.state is State.ADMIN_DOWN
    assert not ends.service.sessions[theirs].path_lost
    assert ours.node == LEFT
    assert theirs.node == RIGHT
