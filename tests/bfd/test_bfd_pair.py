"""Two BFD sessions joined by a line that delays and loses packets: what holds whatever it loses."""

import heapq
import itertools
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from control.bfd.packet import ControlPacket, Diagnostic, State
from control.bfd.session import Session, Settings

MS_NS = 1_000_000
wishes = st.builds(Settings, st.sampled_from([50_000, 100_000, 2_000_000]), st.integers(1, 6))
Loses = Callable[[int], bool]
"""Whether the line loses the next packet of the end of that number."""


class Pair:
    """Two sessions, 0 and 1, and the packets under way between them."""

    def __init__(self, ours: Settings, theirs: Settings, delay_ms: float = 1, seed: int = 0) -> None:
        self.now_ns = 0
        chance = random.Random(seed)
        self.ends = [Session(n + 1, which, 0, chance.random) for n, which in enumerate((ours, theirs))]
        self.loses: Loses = lambda end: False
        self.falls: list[tuple[int, int, Diagnostic]] = []
        self._delay_ns = int(delay_ms * MS_NS)
        self._under_way: list[tuple[int, int, int, bytes]] = []
        self._number = itertools.count()

    def run(self, time_ms: float) -> None:
        """What happens in that time."""
        end_ns = self.now_ns + int(time_ms * MS_NS)
        while True:
            self._send()
            deadlines = [deadline for end in self.ends if (deadline := end.next_deadline()) is not None]
            deadlines += [arrival[0] for arrival in self._under_way[:1]]
            if not deadlines or min(deadlines) > end_ns:
                break
            self.now_ns = max(self.now_ns, min(deadlines))
            states = self.states
            while self._under_way and self._under_way[0][0] <= self.now_ns:
                _, _, to, octets = heapq.heappop(self._under_way)
                self.ends[to].receive(ControlPacket.decode(octets), self.now_ns)
            for end in self.ends:
                end.advance(self.now_ns)
            for number, (before, end) in enumerate(zip(states, self.ends, strict=True)):
                if before is State.UP and end.state is not State.UP:
                    self.falls.append((number, self.now_ns, end.last_failure))
        self.now_ns = end_ns

    @property
    def states(self) -> list[State]:
        return [end.state for end in self.ends]

    def _send(self) -> None:
        for number, end in enumerate(self.ends):
            for packet in end.packets():
                if not self.loses(number):
                    arrival_ns = self.now_ns + self._delay_ns
                    heapq.heappush(
                        self._under_way, (arrival_ns, next(self._number), 1 - number, packet.encode())
                    )


def established(ours: Settings, theirs: Settings, seed: int = 0) -> Pair:
    pair = Pair(ours, theirs, seed=seed)
    pair.run(200)
    assert pair.states == [State.UP, State.UP]
    return pair


@examples(max_examples=20)
@given(wishes, wishes, st.integers(0, 1000))
def test_both_ends_come_up_and_stay_up(ours: Settings, theirs: Settings, seed: int) -> None:
    pair = established(ours, theirs, seed)
    pair.run(5_000)
    assert pair.falls == []
    slower_us = max(ours.interval_us, theirs.interval_us)
    for end, other in ((0, 1), (1, 0)):
        assert pair.ends[end].interval_us == slower_us
        multiplier = pair.ends[other].settings.multiplier
        assert pair.ends[end].detection_time_us == multiplier * slower_us
        assert not pair.ends[end].periodic_packet.poll


@examples(max_examples=20)
@given(wishes, wishes, st.lists(st.booleans(), max_size=20), st.integers(0, 1000))
def test_whatever_was_lost_a_line_that_loses_nothing_any_more_is_up_again(
    ours: Settings, theirs: Settings, lost: list[bool], seed: int
) -> None:
    pair = Pair(ours, theirs, seed=seed)
    losses = iter(lost)
    pair.loses = lambda end: next(losses, False)
    pair.run(20_000)
    assert pair.states == [State.UP, State.UP]
    assert not any(end.path_lost for end in pair.ends)


@examples(max_examples=20)
@given(st.integers(3, 6), st.lists(st.booleans(), max_size=200), st.integers(0, 1000))
def test_as_many_losses_in_succession_as_the_multiplier_allows_end_nothing(
    multiplier: int, lost: list[bool], seed: int
) -> None:
    same = Settings(50_000, multiplier)
    pair = established(same, same, seed)
    in_succession = [0, 0]
    losses = iter(lost)

    def loses(end: int) -> bool:
        # One less than the multiplier minus one: what was due just before may be lost, too.
        in_succession[end] = (
            in_succession[end] + 1 if in_succession[end] < multiplier - 2 and next(losses, False) else 0
        )
        return in_succession[end] > 0

    pair.loses = loses
    pair.run(5_000)
    assert pair.falls == []


@pytest.mark.parametrize(("interval_us", "multiplier"), [(50_000, 3), (3_000, 3), (50_000, 1)])
@pytest.mark.parametrize("silent", [(0, 1), (0,), (1,)])
def test_a_silent_end_is_found_in_the_detection_time(
    interval_us: int, multiplier: int, silent: tuple[int, ...]
) -> None:
    same = Settings(interval_us, multiplier)
    for seed in range(3):
        pair = established(same, same, seed)
        cut_ns = pair.now_ns
        pair.loses = lambda end: end in silent
        pair.run(500)
        assert State.UP not in pair.states
        assert {number for number, _, _ in pair.falls} == {0, 1}
        first_ns = pair.falls[0][1] - cut_ns
        assert (multiplier - 1) * interval_us * 1_000 < first_ns <= multiplier * interval_us * 1_000 + MS_NS
        assert pair.falls[0][2] is Diagnostic.DETECTION_TIME_EXPIRED
        if len(silent) == 1:
            assert pair.falls[0][0] not in silent
            assert pair.falls[1][1] - pair.falls[0][1] == MS_NS
            assert pair.falls[1][2] is Diagnostic.NEIGHBOR_SIGNALED_DOWN
        assert all(end.path_lost for end in pair.ends)
        pair.loses = lambda end: False
        pair.run(1_100)
        assert pair.states == [State.UP, State.UP]


@examples(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 1), wishes, st.integers(0, 1_000)), max_size=6), st.integers(0, 99))
def test_no_change_of_intervals_ends_a_session(changes: list[tuple[int, Settings, int]], seed: int) -> None:
    pair = established(Settings(50_000, 3), Settings(50_000, 3), seed)
    for end, changed, wait_ms in changes:
        pair.ends[end].change(changed, pair.now_ns)
        pair.run(wait_ms)
    pair.run(7_000)
    assert pair.falls == []
    assert pair.ends[0].interval_us == pair.ends[1].interval_us
    assert [end.periodic_packet.poll for end in pair.ends] == [False, False]


def test_an_end_that_begins_anew_is_known_by_its_new_discriminator() -> None:
    pair = established(Settings(50_000, 3), Settings(50_000, 3))
    pair.ends[0] = Session(77, Settings(50_000, 3), pair.now_ns, random.Random(1).random)
    pair.run(3_000)
    assert pair.states == [State.UP, State.UP]
    assert pair.falls[0][2] is Diagnostic.NEIGHBOR_SIGNALED_DOWN
    assert pair.ends[1].periodic_packet.your_discriminator == 77
