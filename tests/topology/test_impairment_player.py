"""Playing a schedule without a clock: each step at its deadline, none lost, none late because of another."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from netns_lab.impairment_player import Due, Player
from netns_lab.impairment_trace import Step

START_NS = 1_000_000


def test_each_step_is_due_at_its_own_time_from_the_begin() -> None:
    player = Player(
        [Step(0, {"loss": 0.1}), Step(500, {"delay_us": 5.0}), Step(900, {"loss": 0.2})], START_NS
    )
    assert player.next_deadline() == START_NS
    assert player.advance(START_NS - 1) is None
    assert player.advance(START_NS + 400) == Due(START_NS, 1, {"loss": 0.1})
    assert player.advance(START_NS + 499) is None
    assert player.next_deadline() == START_NS + 500, "though the one before was late"
    assert player.advance(START_NS + 9999) == Due(START_NS + 500, 2, {"delay_us": 5.0, "loss": 0.2})
    assert (player.next_deadline(), player.played, player.advance(1 << 60)) == (None, 3, None)


def test_in_a_loop_the_last_step_lasts_as_long_as_the_one_before() -> None:
    player = Player([Step(10, {"loss": 0.1}), Step(100, {"loss": 0.2})], START_NS, loop=True)
    deadlines = []
    for _ in range(5):
        deadline_ns = player.next_deadline()
        assert deadline_ns is not None
        deadlines.append(deadline_ns - START_NS)
        player.advance(deadline_ns)
    assert deadlines == [10, 100, 200, 290, 390]
    with pytest.raises(ValueError, match="a loop needs at least two steps"):
        Player([Step(0, {})], START_NS, loop=True)


@st.composite
def schedules(draw: st.DrawFn) -> list[Step]:
    times = draw(st.lists(st.integers(0, 1000), min_size=2, max_size=8, unique=True))
    fields = st.dictionaries(st.sampled_from("abc"), st.integers(0, 9))
    return [Step(at_ns, draw(fields)) for at_ns in sorted(times)]


@given(schedules(), st.booleans(), st.lists(st.integers(0, 2500), max_size=12))
def test_whenever_it_is_asked_it_is_where_the_time_is(
    steps: list[Step], loop: bool, moments: list[int]
) -> None:
    """Against a player that is asked at every single nanosecond."""
    period = 2 * steps[-1].at_ns - steps[-2].at_ns
    slow, quick = Player(steps, START_NS, loop), Player(steps, START_NS, loop)
    state: dict[str, Any] = {}
    expected: dict[str, Any] = {}
    now = -1
    for moment in sorted(moments):
        while now < moment:
            now += 1
            found = quick.advance(START_NS + now)
            at = [step for step in steps if step.at_ns == (now % period if loop else now)]
            assert (found is None) == (not at)
            if found is not None:
                assert found == Due(START_NS + now, 1, at[0].changes)
                expected |= found.changes
        due = slow.advance(START_NS + moment)
        state |= due.changes if due else {}
        assert (state, slow.played) == (expected, quick.played)
        assert slow.next_deadline() == quick.next_deadline()
        assert (deadline := slow.next_deadline()) is None or deadline > START_NS + moment
