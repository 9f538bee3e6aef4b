"""The benchmark of frames that wait: it carries them all, and as many wait as it says."""

from bench.impairment import BURST, Way, run
from dataplane.links.link import WIRE_COUNTERS


def test_as_many_frames_wait_as_it_says_and_all_are_valid() -> None:
    for queued in (BURST, 1000):
        way = Way(100, queued, secure=True)
        for _ in range(2):
            way.carry()
        waiting = way._counters[WIRE_COUNTERS.index("queue_frames")]
        assert 0 <= queued - waiting <= BURST
        assert way.wrong == 0


def test_it_yields_a_figure_with_a_goal_for_each_size() -> None:
    said: list[str] = []
    figures = run(said.append, sizes=(64,), rounds=1)
    assert [entry.goal for entry in figures] == [None, 1.2, None, None]
    assert all(entry.value > 0 for entry in figures)
    assert len(said) == 1
