"""A neighbor that restarts keeps its traffic while it is waited for, and no longer (RFC 4724)."""

import pytest

from control.bgp import commands
from control.bgp.model import (
    AddressFamily,
    EndOfRib,
    RestartCapability,
    SessionDown,
    SessionUp,
    SnapshotEnd,
)
from control.bgp.policy import NeighborSettings
from control.routes.model import NextHop
from tests.router.setting import MANY, OTHER_AS, Setting, announce

TIME_S = 120
NS_PER_S = 1_000_000_000
CAPABLE = RestartCapability(OTHER_AS, TIME_S, True)
ONE, OTHER = MANY[:2]
BY_IT = {NextHop(OTHER_AS, 10)}
END = EndOfRib(OTHER_AS, AddressFamily.IPV4_UNICAST)
LOST = SessionDown(OTHER_AS, "peer reset, message [closing connection]")


@pytest.fixture
def waiting() -> Setting:
    """Both prefixes were heard from the other AS, and its session was lost without a word."""
    setting = Setting(NeighborSettings(graceful_restart_s=TIME_S))
    setting.receive(CAPABLE, SessionUp(OTHER_AS), announce(OTHER_AS, ONE, OTHER), END)
    setting.take()
    setting.receive(LOST)
    assert not setting.router.sessions[OTHER_AS].up
    return setting


def test_paths_stay_until_the_neighbor_has_told_all_it_has(waiting: Setting) -> None:
    assert waiting.hops(ONE) == waiting.hops(OTHER) == BY_IT
    waiting.receive(LOST)  # an attempt to come back that failed
    waiting.receive(CAPABLE, SessionUp(OTHER_AS), announce(OTHER_AS, ONE))
    assert waiting.hops(ONE) == waiting.hops(OTHER) == BY_IT
    waiting.receive(END)
    assert waiting.hops(ONE) == BY_IT
    assert waiting.hops(OTHER) == frozenset()
    assert waiting.router.next_deadline_ns() is None
    assert not any("withdraw" in line and ONE in line for line in waiting.take())


@pytest.mark.parametrize("back", [False, True])
def test_the_wait_has_an_end_whether_the_neighbor_comes_back_or_not(waiting: Setting, back: bool) -> None:
    if back:
        waiting.receive(CAPABLE, SessionUp(OTHER_AS), announce(OTHER_AS, ONE))
    deadline_ns = waiting.router.next_deadline_ns()
    assert deadline_ns == 1 + TIME_S * NS_PER_S
    waiting.router.advance(deadline_ns - 1)
    assert waiting.hops(OTHER) == BY_IT
    waiting.router.advance(deadline_ns)
    assert waiting.hops(OTHER) == frozenset()
    assert waiting.hops(ONE) == (BY_IT if back else frozenset())
    assert waiting.router.sessions[OTHER_AS].up == back


def test_a_notification_a_lost_link_and_a_neighbor_that_stopped_forwarding_are_no_restart(
    waiting: Setting,
) -> None:
    waiting.receive(RestartCapability(OTHER_AS, TIME_S, False), SessionUp(OTHER_AS))
    assert waiting.hops(ONE) == frozenset()

    waiting.receive(announce(OTHER_AS, ONE), SessionDown(OTHER_AS, "notification sent (4,0)"))
    assert waiting.hops(ONE) == frozenset()

    waiting.receive(CAPABLE, SessionUp(OTHER_AS), announce(OTHER_AS, ONE), LOST)
    assert waiting.hops(ONE) == BY_IT
    waiting.lose(10)
    waiting.regain(10)
    assert waiting.hops(ONE) == frozenset()
    assert waiting.router.next_deadline_ns() is None


def test_a_neighbor_that_cannot_restart_gracefully_is_not_waited_for() -> None:
    setting = Setting()
    setting.receive(RestartCapability(OTHER_AS, 0, False), SessionUp(OTHER_AS), announce(OTHER_AS, ONE), LOST)
    assert setting.hops(ONE) == frozenset()


def test_a_neighbor_is_told_that_it_has_heard_all_once_it_has(waiting: Setting) -> None:
    waiting.take()
    waiting.receive(CAPABLE, SessionUp(OTHER_AS))
    assert waiting.take()[-1] == commands.end_of_rib(OTHER_AS)
    waiting.receive(SnapshotEnd())  # of a speaker that was started again
    told = waiting.take()
    assert told[-1] == commands.end_of_rib(OTHER_AS)
    assert len(told) > 1
