"""A snapshot tells a newcomer what following every event would have told it."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from control.bgp import commands
from control.bgp.configuration import NeighborConfig, SpeakerConfig
from control.bgp.decision import Path
from control.bgp.journal import PREFIXES_PER_EVENT, Journal
from control.bgp.model import (
    AddressFamily,
    Advertised,
    Announce,
    EndOfRib,
    Event,
    Origin,
    PathAttributes,
    RestartCapability,
    SessionDown,
    SessionUp,
    SnapshotEnd,
    Withdraw,
)
from control.bgp.rib import Rib

FAMILY = AddressFamily.IPV4_UNICAST
PREFIXES = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"]
NEIGHBORS = ["10.0.0.1", "10.0.0.2"]
CONFIG = SpeakerConfig(
    "r1", 64512, "10.255.0.1", tuple(NeighborConfig("10.0.0.9", peer, 64513, FAMILY) for peer in NEIGHBORS)
)
neighbors = st.sampled_from(NEIGHBORS)
prefixes = st.lists(st.sampled_from(PREFIXES), unique=True, min_size=1).map(tuple)
attributes = st.builds(
    PathAttributes, st.sampled_from(Origin), st.lists(st.sampled_from([65001, 65002]), min_size=1).map(tuple)
)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(SessionUp, neighbors),
    st.builds(SessionDown, neighbors, st.just("reason")),
    st.builds(Announce, neighbors, st.just(FAMILY), st.just("10.0.0.3"), attributes, prefixes),
    st.builds(Withdraw, neighbors, st.just(FAMILY), prefixes),
    st.builds(EndOfRib, neighbors, st.just(FAMILY)),
)


def paths_after(history: Sequence[Event]) -> dict[str, tuple[Path, ...]]:
    rib = Rib(CONFIG)
    for event in history:
        rib.receive(event)
    return {prefix: rib.paths(prefix) for prefix in PREFIXES}


@given(st.lists(events, max_size=25))
def test_the_snapshot_equals_the_history(history: list[Event]) -> None:
    journal = Journal()
    passed_on = [event for event in history if journal.receive(event)]
    snapshot = list(journal.snapshot())
    assert snapshot[-1] == SnapshotEnd()
    assert paths_after(snapshot) == paths_after(passed_on)
    for neighbor in ("10.0.0.1", "10.0.0.2"):
        states = [event for event in history if isinstance(event, SessionUp | SessionDown)]
        last = [state for state in states if state.neighbor == neighbor][-1:]
        assert [event for event in snapshot if event in states and event in last] == last


def test_only_the_first_of_many_failed_attempts_is_news() -> None:
    journal = Journal()
    assert journal.receive(SessionDown("10.0.0.1", "refused"))
    assert not journal.receive(SessionDown("10.0.0.1", "closing connection"))
    assert list(journal.snapshot()) == [SessionDown("10.0.0.1", "closing connection"), SnapshotEnd()]
    assert journal.receive(SessionUp("10.0.0.1"))
    assert journal.receive(SessionDown("10.0.0.1", "hold timer"))


def test_what_a_neighbor_said_of_its_restarts_comes_before_its_session_and_outlives_it() -> None:
    journal = Journal()
    said, up = RestartCapability("10.0.0.1", 120, True), SessionUp("10.0.0.1")
    assert journal.receive(said)
    journal.receive(up)
    assert list(journal.snapshot()) == [said, up, SnapshotEnd()]
    journal.receive(SessionDown("10.0.0.1", "lost"))
    assert said in journal.snapshot()


def test_end_of_rib_is_replayed_for_the_session_it_belongs_to() -> None:
    journal = Journal()
    marker = EndOfRib("10.0.0.1", FAMILY)
    assert not journal.receive(marker)
    for event in (SessionUp("10.0.0.1"), marker):
        assert journal.receive(event)
    assert marker in journal.snapshot()
    journal.receive(SessionUp("10.0.0.1"))
    assert marker not in journal.snapshot()


@given(
    st.lists(
        st.tuples(
            st.booleans(), neighbors, st.sampled_from(["next-hop self", "next-hop self med 1"]), prefixes
        )
    )
)
def test_commands_are_remembered_as_what_they_leave_advertised(
    history: list[tuple[bool, str, str, tuple[str, ...]]],
) -> None:
    journal = Journal()
    expected: dict[tuple[str, str], str] = {}
    for announcing, neighbor, words, chosen in history:
        if announcing:
            lines = commands.announce(neighbor, words, chosen)
            expected.update({(neighbor, prefix): words for prefix in chosen})
        else:
            lines = commands.withdraw(neighbor, chosen)
            for prefix in chosen:
                expected.pop((neighbor, prefix), None)
        for line in lines:
            journal.record_command(line)
    journal.record_command(commands.teardown("10.0.0.1"))
    journal.receive(SessionDown("10.0.0.1", "a session's end changes nothing here"))
    told = [event for event in journal.snapshot() if isinstance(event, Advertised)]
    assert {
        (event.neighbor, prefix): event.attributes for event in told for prefix in event.prefixes
    } == expected


def test_a_snapshot_is_cut_into_lines_of_bounded_size() -> None:
    journal = Journal()
    journal.receive(SessionUp("10.0.0.1"))
    many = tuple(f"10.{n >> 8}.{n & 255}.0/24" for n in range(3 * PREFIXES_PER_EVENT + 1))
    attributes = PathAttributes(Origin.IGP, (65001,))
    journal.receive(Announce("10.0.0.1", FAMILY, "10.0.0.1", attributes, many))
    sizes = [len(event.prefixes) for event in journal.snapshot() if isinstance(event, Announce)]
    assert sizes == [PREFIXES_PER_EVENT] * 3 + [1]
