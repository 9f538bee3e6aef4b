"""One router over a kernel in memory: what its sessions and interfaces do to routes and to what it says."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest

from control.bgp import commands
from control.bgp.configuration import NeighborConfig, SpeakerConfig
from control.bgp.model import (
    AddressFamily,
    Advertised,
    Announce,
    Event,
    Origin,
    PathAttributes,
    SessionDown,
    SessionUp,
    SnapshotEnd,
    Withdraw,
)
from control.router import Router
from control.routes.model import FAMILIES, DeleteNexthop, NextHop, NextHops, Operation, Refused
from control.routes.model_kernel import ModelKernel
from control.routes.table import RouteTable
from control.session import Session, SessionChange

ASN, PEER_ASN, OTHER_ASN = 64512, 64513, 64514
IPV4 = AddressFamily.IPV4_UNICAST
NEIGHBORS = ("169.254.0.1", "169.254.0.3", "169.254.0.5", "169.254.0.7")
"""Behind interfaces 11 to 14: three sessions with the peer, the last with another AS."""
IFINDEX = dict(zip(NEIGHBORS, (11, 12, 13, 14), strict=True))
OWN, FAR, OTHER = "10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"


@dataclass
class Story:
    """What happened, in order: operations of the kernel, commands to the speaker, changes of sessions."""

    lines: list[Operation | str | SessionChange | Session] = field(default_factory=list)

    def take(self) -> list[Operation | str | SessionChange | Session]:
        lines = list(self.lines)
        self.lines.clear()
        return lines

    def commands(self) -> list[str]:
        return [line for line in self.take() if isinstance(line, str)]

    def changes(self) -> list[tuple[str, bool, str]]:
        return [(c.session.neighbor, c.up, c.reason) for c in self.take() if isinstance(c, SessionChange)]


class TellingKernel(ModelKernel):
    """A kernel in memory that writes down what it is asked."""

    def __init__(self, story: Story) -> None:
        super().__init__()
        self.story = story

    def execute(self, operations: Iterable[Operation]) -> list[Refused]:
        asked = list(operations)
        self.story.lines += asked
        return super().execute(asked)


class Setting:
    """A router with four sessions, its kernel, and what happened."""

    def __init__(self) -> None:
        self.story = Story()
        self.kernel = TellingKernel(self.story)
        self.refused: list[Refused] = []
        self.configured: list[SpeakerConfig] = []
        config = SpeakerConfig(
            "r1",
            ASN,
            "10.255.0.1",
            tuple(
                NeighborConfig(
                    f"169.254.0.{2 * i}", neighbor, PEER_ASN if i < 3 else OTHER_ASN, IPV4, hold_time_s=3
                )
                for i, neighbor in enumerate(NEIGHBORS)
            ),
        )
        sessions = [
            Session(neighbor, f"r{i + 2}", f"ch{i + 1}", f"eth{i + 1}", frozenset({IFINDEX[neighbor]}))
            for i, neighbor in enumerate(NEIGHBORS)
        ]
        self.router = Router(
            config,
            sessions,
            [OWN],
            RouteTable(self.kernel),
            self._send,
            self.story.lines.append,
            self.refused.extend,
            interior={},
            configure=self.configured.append,
            on_warning=self.story.lines.append,
        )
        self.now_ns = 0
        assert self.kernel.unreachable == {OWN}

    def _send(self, lines: Sequence[str]) -> None:
        self.story.lines += lines

    def receive(self, *events: Event) -> bool:
        self.now_ns += 1
        return self.router.receive(events, self.now_ns)

    def lose(self, neighbor: str) -> None:
        """The link under a session goes: the kernel acts by itself, then the router hears of it."""
        self.now_ns += 1
        self.kernel.link_down(IFINDEX[neighbor])
        self.hear_loss(neighbor, "loss of signal", self.now_ns)

    def hear_loss(self, neighbor: str, reason: str, now_ns: int) -> None:
        self.router.path_loss(IFINDEX[neighbor])
        self.router.end_sessions(IFINDEX[neighbor], reason, now_ns)

    def regain(self, neighbor: str) -> None:
        self.kernel.link_up(IFINDEX[neighbor])
        self.router.interface_usable(IFINDEX[neighbor])

    def hops(self, prefix: str) -> NextHops:
        return self.kernel.next_hops(prefix)

    def told(self, neighbor: str) -> dict[str, str | None]:
        """What the commands so far leave each neighbor with: attributes by prefix, None where withdrawn."""
        found: dict[str, str | None] = {}
        for parsed in map(commands.parse, (line for line in self.story.lines if isinstance(line, str))):
            if parsed is not None and parsed[0] == neighbor:
                found.update(dict.fromkeys(parsed[3], parsed[2] if parsed[1] == "announce" else None))
        return found


def announce(neighbor: str, prefix: str = FAR, as_path: tuple[int, ...] = (PEER_ASN,)) -> Announce:
    return Announce(neighbor, IPV4, neighbor, PathAttributes(Origin.IGP, as_path), (prefix,))


def hops_over(*neighbors: str) -> NextHops:
    return frozenset(NextHop(neighbor, IFINDEX[neighbor]) for neighbor in neighbors)


@pytest.fixture
def setting() -> Iterator[Setting]:
    setting = Setting()
    yield setting
    assert setting.refused == []


@pytest.fixture
def established(setting: Setting) -> Setting:
    """All sessions up; FAR is heard over the three with the peer."""
    setting.receive(SnapshotEnd(), *map(SessionUp, NEIGHBORS))
    setting.receive(*(announce(neighbor) for neighbor in NEIGHBORS[:3]))
    setting.story.take()
    return setting


def test_sessions_up_give_a_route_over_all_next_hops(setting: Setting) -> None:
    assert not setting.receive(SnapshotEnd(), *map(SessionUp, NEIGHBORS))
    assert setting.story.changes() == [(neighbor, True, "") for neighbor in NEIGHBORS]
    assert setting.receive(*(announce(neighbor) for neighbor in NEIGHBORS[:3]))
    assert setting.hops(FAR) == hops_over(*NEIGHBORS[:3])
    assert setting.hops(OWN) == frozenset()


def test_a_withdrawal_takes_one_next_hop_and_the_last_the_route(established: Setting) -> None:
    for number, neighbor in enumerate(NEIGHBORS[:3], 1):
        established.receive(Withdraw(neighbor, IPV4, (FAR,)))
        assert established.hops(FAR) == hops_over(*NEIGHBORS[number:3])
    assert FAR not in established.kernel.routes


def test_a_lost_link_moves_the_traffic_before_the_session_is_ended(established: Setting) -> None:
    lost = NEIGHBORS[0]
    group = established.kernel.routes[FAR]
    established.lose(lost)
    story = established.story.take()
    torn = story.index(commands.teardown(lost))
    moved = [at for at, line in enumerate(story) if isinstance(line, DeleteNexthop)]
    assert moved
    assert moved[0] < torn
    assert established.hops(FAR) == hops_over(*NEIGHBORS[1:3])
    assert established.kernel.routes[FAR] == group, "the prefix itself was not touched"
    assert established.router.sessions[lost].reason == "loss of signal"


def test_a_lost_link_is_one_change_of_its_session_whatever_follows(established: Setting) -> None:
    lost = NEIGHBORS[0]
    established.lose(lost)
    established.receive(SessionDown(lost, "peer closed"))
    established.receive(SessionDown(lost, "connection refused"))
    established.hear_loss(lost, "carrier", 99)
    assert established.story.changes() == [(lost, False, "loss of signal")]
    assert established.router.sessions[lost].reason == "loss of signal"


def test_the_teardown_is_sent_to_no_other_session_and_only_once(established: Setting) -> None:
    established.lose(NEIGHBORS[0])
    established.hear_loss(NEIGHBORS[0], "carrier", 99)
    sent = [line for line in established.story.commands() if "teardown" in line]
    assert sent == [commands.teardown(NEIGHBORS[0])]


@pytest.mark.parametrize("regained_first", [False, True])
def test_a_late_announcement_of_an_ended_session_does_not_survive_its_end(
    established: Setting, regained_first: bool
) -> None:
    lost = NEIGHBORS[0]
    established.lose(lost)
    established.receive(announce(lost), announce(lost, OTHER))
    assert established.hops(FAR) == hops_over(*NEIGHBORS[1:3]), "over a dead link, too"
    assert established.hops(OTHER) == frozenset()
    if regained_first:
        established.regain(lost)
    established.receive(SessionDown(lost, "peer closed"))
    if not regained_first:
        established.regain(lost)
    assert established.hops(FAR) == hops_over(*NEIGHBORS[1:3])
    assert established.hops(OTHER) == frozenset()
    assert established.router.rib.prefixes_from(lost) == frozenset()


def test_a_link_that_is_back_is_tried_at_once_and_carries_when_its_session_is_up(
    established: Setting,
) -> None:
    lost = NEIGHBORS[0]
    established.lose(lost)
    established.receive(SessionDown(lost, "peer closed"))
    established.story.take()
    established.regain(lost)
    assert established.story.commands() == [commands.reconnect(lost)]
    assert established.hops(FAR) == hops_over(*NEIGHBORS[1:3])
    established.receive(SessionUp(lost), announce(lost))
    assert established.hops(FAR) == hops_over(*NEIGHBORS[:3])
    assert established.story.changes() == [(lost, True, "")]


def test_an_interface_that_is_usable_disturbs_no_session_that_is_up(established: Setting) -> None:
    established.regain(NEIGHBORS[0])
    assert established.story.commands() == []


def test_a_link_that_flaps_before_bgp_notices_gets_its_traffic_back(established: Setting) -> None:
    """The kernel dropped the next hop, the session is ended, and comes up anew with the same routes."""
    for _ in range(3):
        for neighbor in NEIGHBORS[:3]:
            established.lose(neighbor)
            established.regain(neighbor)
            established.receive(SessionDown(neighbor, "peer closed"), SessionUp(neighbor), announce(neighbor))
        assert established.hops(FAR) == hops_over(*NEIGHBORS[:3])


def test_all_links_lost_leave_no_route_and_all_come_back(established: Setting) -> None:
    for neighbor in NEIGHBORS:
        established.lose(neighbor)
    assert established.kernel.routes == {}
    assert established.kernel.groups == {}
    assert established.kernel.unreachable == {OWN}
    for neighbor in NEIGHBORS[:3]:
        established.receive(SessionDown(neighbor, "peer closed"))
        established.regain(neighbor)
        established.receive(SessionUp(neighbor), announce(neighbor))
    assert established.hops(FAR) == hops_over(*NEIGHBORS[:3])


def test_a_prefix_of_ones_own_heard_from_a_neighbor_makes_no_route(established: Setting) -> None:
    established.receive(announce(NEIGHBORS[0], OWN), announce(NEIGHBORS[3], OWN, (OTHER_ASN,)))
    assert OWN not in established.kernel.routes
    assert established.kernel.unreachable == {OWN}
    established.lose(NEIGHBORS[0])
    established.receive(SessionDown(NEIGHBORS[0], "peer closed"))
    assert OWN not in established.kernel.routes
    # And it stays announced as one's own.
    assert OWN not in established.told(NEIGHBORS[1])


def test_what_a_router_announces_may_change_and_neighbors_paths_count_where_it_does_not(
    established: Setting,
) -> None:
    established.receive(SnapshotEnd())
    established.router.originate({OWN, FAR, OTHER})
    assert established.kernel.unreachable == {OWN, FAR, OTHER}
    assert established.hops(FAR) == frozenset()
    assert all(established.told(neighbor)[OTHER] is not None for neighbor in NEIGHBORS)
    established.story.take()
    established.router.originate({OWN, FAR, OTHER})
    assert established.story.take() == []
    established.router.originate({OWN})
    assert established.kernel.unreachable == {OWN}
    assert established.hops(FAR) == hops_over(*NEIGHBORS[:3])
    assert all(established.told(neighbor)[OTHER] is None for neighbor in NEIGHBORS)


def test_ones_own_as_in_a_path_is_no_route(established: Setting) -> None:
    established.receive(announce(NEIGHBORS[0], OTHER, (PEER_ASN, ASN)))
    assert OTHER not in established.kernel.routes
    established.receive(announce(NEIGHBORS[0], FAR, (PEER_ASN, ASN)))
    assert established.hops(FAR) == hops_over(*NEIGHBORS[1:3])


def test_nothing_is_announced_before_the_snapshot_has_ended_and_all_of_it_then(setting: Setting) -> None:
    setting.receive(*map(SessionUp, NEIGHBORS), announce(NEIGHBORS[0]))
    assert setting.story.commands() == []
    setting.receive(SnapshotEnd())
    for neighbor in NEIGHBORS[:3]:
        assert list(setting.told(neighbor)) == [OWN]
    assert list(setting.told(NEIGHBORS[3])) == [OWN, FAR]


def test_what_a_speaker_was_told_before_is_not_said_again(setting: Setting) -> None:
    setting.receive(SnapshotEnd())
    own = setting.told(NEIGHBORS[0])[OWN]
    assert own is not None
    setting.story.take()
    told = [Advertised(neighbor, own, (OWN,)) for neighbor in NEIGHBORS]
    stale = Advertised(NEIGHBORS[1], own, (OTHER,))
    setting.receive(*told, stale, SnapshotEnd())
    assert setting.story.commands() == list(commands.withdraw(NEIGHBORS[1], [OTHER]))


def test_transit_goes_to_other_ases_only_with_ones_own_in_front(established: Setting) -> None:
    established.receive(announce(NEIGHBORS[0], OTHER, (PEER_ASN, 64600)))
    assert all(OTHER not in established.told(neighbor) for neighbor in NEIGHBORS[:3])
    told = established.told(NEIGHBORS[3])[OTHER]
    assert told is not None
    assert f"as-path [ {ASN} {PEER_ASN} 64600 ]" in told
    assert "next-hop self" in told


def test_transit_lasts_until_the_last_link_to_it_is_lost(established: Setting) -> None:
    for neighbor in NEIGHBORS[:2]:
        established.lose(neighbor)
        assert FAR not in established.told(NEIGHBORS[3])
    established.lose(NEIGHBORS[2])
    assert established.told(NEIGHBORS[3]) == {FAR: None}


def test_a_link_that_is_down_when_a_router_starts_carries_nothing_until_it_is_up(
    setting: Setting,
) -> None:
    setting.lose(NEIGHBORS[0])
    setting.receive(SnapshotEnd(), *map(SessionUp, NEIGHBORS))
    setting.receive(*(announce(neighbor) for neighbor in NEIGHBORS[:3]))
    assert setting.hops(FAR) == hops_over(*NEIGHBORS[1:3])
    setting.regain(NEIGHBORS[0])
    assert setting.hops(FAR) == hops_over(*NEIGHBORS[:3])


def test_the_end_of_a_speaker_takes_its_routes_and_its_return_brings_them(established: Setting) -> None:
    established.receive(*(SessionDown(neighbor, "ExaBGP ended") for neighbor in NEIGHBORS))
    assert established.kernel.routes == {}
    established.receive(*map(SessionUp, NEIGHBORS), *(announce(n) for n in NEIGHBORS[:3]), SnapshotEnd())
    assert established.hops(FAR) == hops_over(*NEIGHBORS[:3])
    told = established.told(NEIGHBORS[3])
    assert told.keys() == {OWN, FAR}
    assert None not in told.values()


def restarted(before: Setting, neighbors: Sequence[str] = NEIGHBORS) -> Setting:
    """The same router, with these neighbors, run by another controller over what the first has installed."""
    after = Setting.__new__(Setting)
    after.__dict__.update(before.__dict__)
    sessions = [
        Session(neighbor, f"r{i + 2}", f"ch{i + 1}", f"eth{i + 1}", frozenset({IFINDEX[neighbor]}))
        for i, neighbor in enumerate(NEIGHBORS)
        if neighbor in neighbors
    ]
    config = before.router.config
    kept = tuple(neighbor for neighbor in config.neighbors if neighbor.peer_address in neighbors)
    down = itertools.product(before.kernel.down, FAMILIES)
    after.router = Router(
        replace(config, neighbors=kept),
        sessions,
        [OWN],
        RouteTable(before.kernel, down),
        before._send,
        before.story.lines.append,
        before.refused.extend,
        interior={},
        configure=before.configured.append,
        on_warning=before.story.lines.append,
    )
    return after


def test_a_new_controller_changes_nothing_that_is_right(established: Setting) -> None:
    established.story.take()
    after = restarted(established)
    ups = [SessionUp(neighbor, 5) for neighbor in NEIGHBORS]
    heard = [announce(neighbor) for neighbor in NEIGHBORS[:3]]
    after.receive(*ups, *heard, SnapshotEnd())
    told = [line for line in after.story.take() if not isinstance(line, SessionChange)]
    assert [line for line in told if not isinstance(line, str)] == []
    assert after.hops(FAR) == hops_over(*NEIGHBORS[:3])
    assert [session.since_ns for session in after.router.sessions.values()] == [5] * 4


def test_a_new_controller_removes_a_route_only_once_the_speaker_has_told_all(established: Setting) -> None:
    after = restarted(established)
    after.receive(SessionUp(NEIGHBORS[0], 5))
    assert after.hops(FAR) == hops_over(*NEIGHBORS[:3])
    after.receive(SnapshotEnd())
    assert after.hops(FAR) == frozenset()
    assert after.kernel.dump().nexthops == []


def test_a_new_controller_keeps_off_a_link_that_was_lost_before_it_came(established: Setting) -> None:
    established.kernel.link_down(IFINDEX[NEIGHBORS[1]])
    after = restarted(established)
    ups = [SessionUp(neighbor, 5) for neighbor in NEIGHBORS]
    after.receive(*ups, *(announce(neighbor) for neighbor in NEIGHBORS[:3]), SnapshotEnd())
    assert after.hops(FAR) == hops_over(NEIGHBORS[0], NEIGHBORS[2])
    after.regain(NEIGHBORS[1])
    assert after.hops(FAR) == hops_over(*NEIGHBORS[:3])


def test_what_is_told_of_a_neighbor_that_is_gone_brings_no_route_and_is_forgotten(
    established: Setting,
) -> None:
    gone, *kept = NEIGHBORS
    established.story.take()
    after = restarted(established, kept)
    heard = [announce(neighbor) for neighbor in NEIGHBORS[:3]]
    told = [Advertised(neighbor, "next-hop self", (OWN,)) for neighbor in NEIGHBORS]
    ups = [SessionUp(neighbor, 5) for neighbor in NEIGHBORS]
    after.receive(*told, *ups, *heard, SnapshotEnd(), SessionDown(gone, "removed"))
    assert after.hops(FAR) == hops_over(*NEIGHBORS[1:3])
    assert commands.forget(gone) in after.story.commands()
    assert set(after.router.sessions) == set(kept)


def test_why_a_session_is_down_is_known_to_a_new_controller_too(setting: Setting) -> None:
    setting.receive(SessionDown(NEIGHBORS[0], "notification sent (4,0)", 7))
    session = setting.router.sessions[NEIGHBORS[0]]
    assert (session.since_ns, session.reason) == (7, "hold timer expired (NOTIFICATION 4/0 sent)")
    assert setting.story.changes() == []
