"""What a router does when it is asked to, when a neighbor goes too far, and inside its own AS."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from netns_lab.held_sessions import recall, remember

from control.bgp import commands
from control.bgp.model import Advertised, SessionDown, SessionUp, SnapshotEnd, Withdraw
from control.bgp.policy import LimitAction, MaximumPrefixes, NeighborSettings
from control.routes.model import NextHop, Refused
from control.routes.model_kernel import ModelKernel
from control.routes.table import RouteTable
from control.session import Session
from tests.router.setting import (
    DISTANT,
    FAR,
    INTERIOR,
    MANY,
    NEAR,
    OTHER_AS,
    OVER,
    OWN,
    V4,
    WAYS,
    Setting,
    announce,
    make_router,
    make_sessions,
)


def limited(limit: MaximumPrefixes) -> Setting:
    return Setting(NeighborSettings(maximum_prefixes=limit))


def test_the_interior_is_in_the_kernel_before_any_session_and_paths_go_through_it() -> None:
    setting = Setting()
    assert setting.hops(f"{NEAR}/32") == {WAYS[11], WAYS[12]}
    setting.receive(announce(DISTANT))
    assert setting.hops() == {WAYS[13]}
    setting.receive(announce(NEAR))  # nearer
    assert setting.hops() == {WAYS[11], WAYS[12]}
    setting.receive(announce(OTHER_AS))
    assert setting.hops() == {NextHop(OTHER_AS, 10)}
    assert set(setting.router.wanted(0, 10)) == {*INTERIOR, FAR}


def test_what_the_kernel_refuses_is_told_together() -> None:
    """With a group that cannot be, each of its routes is refused, of 100,000 maybe."""
    setting = Setting()
    told: list[Sequence[Refused]] = []
    setting.router._on_refused = told.append
    setting.kernel.link_down(10)  # and nobody has heard of it
    setting.receive(announce(OTHER_AS, *MANY))
    (refused,) = told
    assert len(refused) > len(MANY)


def test_what_is_wanted_can_be_asked_for_in_parts() -> None:
    setting = Setting()
    setting.receive(announce(OTHER_AS, *MANY))
    router = setting.router
    parts = [router.wanted(first, first + 300) for first in range(0, len(router.rib), 300)]
    assert [len(part) for part in parts] == [300 + len(INTERIOR), 300, 300, 100]
    hop = frozenset({NextHop(OTHER_AS, 10)})
    whole = {prefix: hops for part in parts for prefix, hops in part.items()}
    assert whole == dict.fromkeys(MANY, hop) | {prefix: way.next_hops for prefix, way in INTERIOR.items()}


def test_a_next_hop_that_cannot_be_resolved_is_no_way() -> None:
    setting = Setting()
    setting.receive(announce(NEAR, next_hop="203.0.113.1"))
    assert setting.hops() == frozenset()
    setting.receive(announce(OTHER_AS, next_hop="203.0.113.1"))
    assert setting.hops() == frozenset()
    setting.receive(announce(DISTANT))
    assert setting.hops() == {WAYS[13]}


def test_a_session_over_two_links_ends_with_the_last_and_traffic_leaves_each() -> None:
    setting = Setting()
    setting.receive(announce(NEAR))
    setting.take()
    setting.lose(11)
    assert setting.hops() == setting.hops(f"{NEAR}/32") == {WAYS[12]}
    assert setting.take() == []
    setting.lose(12)
    assert setting.hops() == setting.hops(f"{NEAR}/32") == frozenset()
    assert commands.teardown(NEAR) in setting.take()
    setting.regain(11)
    assert setting.hops(f"{NEAR}/32") == {WAYS[11]}
    assert commands.reconnect(NEAR) in setting.take()


def test_others_hear_that_a_way_is_lost_before_the_speaker_ends_what_went_over_it() -> None:
    setting = Setting()
    setting.receive(announce(OTHER_AS))
    setting.take()
    setting.lose(10)
    *first, last = setting.take()
    assert {line.split()[1] for line in first if "withdraw" in line} == {NEAR, DISTANT}
    assert last == commands.teardown(OTHER_AS)


def test_a_way_lost_in_one_family_takes_nothing_from_the_other() -> None:
    setting = Setting()
    setting.receive(announce(OTHER_AS))
    assert not setting.router.path_loss(10, ["ipv6"])
    setting.router.end_sessions(10, "BFD", 2)
    assert setting.hops() == {NextHop(OTHER_AS, 10)}
    assert setting.router.sessions[OTHER_AS].up
    assert setting.router.path_loss(10, ["ipv4"])
    setting.router.end_sessions(10, "BFD", 2, commands.BFD_DOWN)
    assert setting.hops() == frozenset()
    assert setting.router.sessions[OTHER_AS].reason == "BFD"
    assert f"neighbor {OTHER_AS} teardown 10" in setting.take()
    setting.router.interface_usable(10, ["ipv6"])
    assert setting.take() == []
    setting.router.interface_usable(10, ["ipv4"])
    assert setting.take() == [commands.reconnect(OTHER_AS)]


def test_a_next_hop_behind_a_lost_interface_counts_again_when_that_is_back() -> None:
    setting = Setting()
    # The session with NEAR stays, and what it says leads over the interface that is lost.
    setting.receive(announce(NEAR, next_hop=DISTANT))
    setting.lose(13)
    assert setting.router.rib.best(FAR) == ()
    assert any(f"withdraw attributes next-hop self nlri {FAR}" in line for line in setting.take())
    setting.regain(13)
    assert setting.hops() == {WAYS[13]}


def test_more_prefixes_than_agreed_end_their_session_until_it_is_reset() -> None:
    setting = limited(MaximumPrefixes(100))
    setting.receive(announce(OTHER_AS, *MANY[:100]))
    assert len(setting.kernel.routes) == 100 + len(INTERIOR)
    setting.take()
    setting.receive(announce(OTHER_AS, *MANY[50:150]), announce(OTHER_AS, *MANY))
    session = setting.router.sessions[OTHER_AS]
    assert (session.up, session.held) == (False, True)
    assert "more than the 100 prefixes" in session.reason
    assert len(setting.warnings) == 1
    assert setting.kernel.routes.keys() == INTERIOR.keys()
    assert commands.teardown(OTHER_AS, commands.MAXIMUM_PREFIXES_REACHED) in setting.take()
    assert setting.configured == []

    setting.receive(announce(OTHER_AS, *MANY), SessionDown(OTHER_AS, "notification sent (6,1)"))
    without = replace(setting.config, neighbors=setting.config.neighbors[1:])
    assert setting.configured == [without]
    assert commands.forget(OTHER_AS) in setting.take()
    setting.regain(10)
    assert setting.take() == []
    setting.receive(SessionUp(OTHER_AS), announce(OTHER_AS))  # that crossed with the new configuration
    assert setting.take() == [commands.teardown(OTHER_AS, commands.MAXIMUM_PREFIXES_REACHED)]
    assert setting.hops() == frozenset()

    setting.router.reset(OTHER_AS)
    assert setting.configured[-1] == setting.config
    assert (session.held, session.warning) == (False, "")
    assert any("10.1.0.0/16" in line for line in setting.take())
    setting.receive(SessionUp(OTHER_AS), announce(OTHER_AS))
    assert setting.hops() == {NextHop(OTHER_AS, 10)}


@pytest.mark.parametrize("action", [LimitAction.WARN, LimitAction.DISCARD])
def test_a_warning_is_given_once_a_session(action: LimitAction) -> None:
    setting = limited(MaximumPrefixes(100, action))
    for _ in range(3):
        setting.receive(announce(OTHER_AS, *MANY))
    assert setting.warnings == ["it announced more than the 100 prefixes agreed"]
    assert len(setting.kernel.routes) == len(INTERIOR) + (1000 if action is LimitAction.WARN else 100)
    setting.receive(SessionDown(OTHER_AS, ""), SessionUp(OTHER_AS), announce(OTHER_AS, *MANY))
    assert len(setting.warnings) == 2


def test_the_next_router_knows_which_sessions_are_held_unless_more_is_agreed(tmp_path: Path) -> None:
    held = tmp_path / "r1.held.json"
    setting = limited(MaximumPrefixes(100))
    setting.receive(announce(OTHER_AS, *MANY))
    (session,) = (it for it in setting.router.sessions.values() if it.held)
    remember(held, setting.router.sessions.values(), setting.config)

    def recalled(limit: MaximumPrefixes) -> list[Session]:
        sessions = make_sessions()
        recall(held, sessions, limited(limit).config)
        return [it for it in sessions if it.held]

    assert recalled(MaximumPrefixes(100)) == [session]
    assert recalled(MaximumPrefixes(2000)) == []
    lines: list[str] = []
    routes = RouteTable(ModelKernel())
    after = make_router(
        setting.config,
        [session],
        [OWN],
        routes,
        lines.extend,
        interior={},
        configure=setting.configured.append,
    )
    assert setting.config.without(after.held) == replace(
        setting.config, neighbors=setting.config.neighbors[1:]
    )
    after.receive([Advertised(OTHER_AS, "next-hop self", (OWN,)), SnapshotEnd()], 3)
    assert commands.forget(OTHER_AS) in lines
    assert not any(OTHER_AS in line for line in lines if " announce " in line)
    for unreadable in ("{", "[]", '{"169.254.0.1": 7}'):
        held.write_text(unreadable)
        assert recalled(MaximumPrefixes(100)) == []


def test_what_was_left_out_is_asked_for_once_there_is_room() -> None:
    setting = limited(MaximumPrefixes(100, LimitAction.DISCARD))
    setting.receive(announce(OTHER_AS, *MANY[:103]))
    setting.take()
    setting.receive(Withdraw(OTHER_AS, V4, (*MANY[:2], MANY[100])))
    assert [line for line in setting.take() if "tell again" in line] == [
        f"# tell again neighbor {OTHER_AS} {MANY[101]} {MANY[102]}"
    ]
    setting.receive(announce(OTHER_AS, *MANY[101:103]))
    assert setting.hops(MANY[102]) == {NextHop(OTHER_AS, 10)}
    setting.receive(Withdraw(OTHER_AS, V4, MANY[:10]))
    assert not [line for line in setting.take() if "tell again" in line]


def test_reset_asks_for_an_administrative_reset() -> None:
    setting = Setting()
    setting.take()
    setting.router.reset(OTHER_AS)
    assert setting.take() == [f"neighbor {OTHER_AS} teardown 4"]


def test_drained_traffic_goes_elsewhere_and_comes_back() -> None:
    setting = Setting()
    setting.receive(announce(OTHER_AS), announce(DISTANT))
    setting.take()
    for _ in range(2):
        setting.router.drain(frozenset({OTHER_AS}))
    assert setting.hops() == {WAYS[13]}
    asked = [line for line in setting.take() if "community [ 65535:0 ]" in line]
    assert len(asked) == 2, "one's own prefix, and the one that is heard from another neighbor now"
    setting.router.drain(frozenset())
    assert setting.hops() == {NextHop(OTHER_AS, 10)}


def test_a_path_that_is_leaving_is_used_on_while_all_others_are_asked_to_use_it_last() -> None:
    setting = Setting()
    setting.receive(announce(OTHER_AS), announce(DISTANT))
    setting.take()
    for _ in range(2):
        setting.router.drain(frozenset(), frozenset({OTHER_AS}))
    assert setting.hops() == {NextHop(OTHER_AS, 10)}
    assert setting.router.prefix_over({10}) == FAR
    assert setting.router.prefix_over({11, 12, 13}) is None
    asked = [line for line in setting.take() if "community [ 65535:0 ]" in line]
    assert [line.split()[1] for line in asked if FAR in line] == [NEAR, DISTANT]
    assert len(asked) == 2
    setting.router.drain(frozenset({OTHER_AS}), frozenset({OTHER_AS}))
    assert setting.router.prefix_over({10}) is None
    setting.router.drain(frozenset())
    assert setting.hops() == {NextHop(OTHER_AS, 10)}


def test_a_session_that_is_shut_down_stays_so_until_it_is_reset() -> None:
    setting = Setting()
    setting.receive(announce(OTHER_AS))
    setting.take()
    for _ in range(2):
        setting.router.shut_down(OTHER_AS, "shut down", 2)
    assert setting.take()[0] == commands.teardown(OTHER_AS, commands.ADMINISTRATIVE_SHUTDOWN)
    assert setting.hops() == frozenset()
    assert setting.configured == []
    setting.receive(SessionDown(OTHER_AS, "notification sent (6,2)"))
    without = replace(setting.config, neighbors=setting.config.neighbors[1:])
    assert setting.configured == [without]
    setting.router.reset(OTHER_AS)
    assert setting.configured[-1] == setting.config
    setting.receive(SessionUp(OTHER_AS), announce(OTHER_AS), SessionDown(OTHER_AS, ""))
    setting.router.shut_down(OTHER_AS, "shut down", 3)  # there is no session to end
    assert setting.configured[-1] == without


def test_what_is_originated_anew_is_told_at_once() -> None:
    setting = Setting()
    setting.receive(announce(OTHER_AS))
    setting.take()
    for _ in range(2):
        setting.router.originate([FAR])
    assert setting.hops() == frozenset()
    told = setting.take()
    assert sum(" announce " in line for line in told) == len(OVER)
    setting.router.originate([])
    assert setting.hops() == {NextHop(OTHER_AS, 10)}
