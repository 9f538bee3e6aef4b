"""What a line does to frames, on time that the tests tell: order, chance, rate, delay, and their changes."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import accumulate, pairwise
from statistics import mean, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.links.specification import Impairment, JitterModel, LossModel
from tests.engine.line_trial import BURST, MS, LineTrial

US = 1000
S = 1_000_000_000
FRAMES = 20_000
SEPARATE_FRAMES = 5000
GBIT = 1000.0

shares = st.sampled_from([0.0, 0.1, 0.5, 1.0])
in_order = st.builds(
    Impairment,
    loss=shares,
    loss_model=st.sampled_from(LossModel),
    enter_burst=shares,
    leave_burst=shares,
    delay_us=st.sampled_from([0.0, 0.5, 100.0, 5000.0]),
    jitter_us=st.sampled_from([0.0, 1.0, 300.0]),
    jitter_model=st.sampled_from(JitterModel),
    duplicate=shares,
    rate_mbps=st.sampled_from([0.0, 1.0, 100.0, 1e6]),
    queue_octets=st.sampled_from([0, 1, 5000]),
    queue_us=st.sampled_from([0.0, 10.0, 1e6]),
)
any_impairment = st.builds(
    replace, in_order, reorder=shares, reorder_frames=st.integers(1, 5), corrupt=shares
)
Making = Callable[..., LineTrial]


@pytest.fixture
def line() -> Iterator[Making]:
    """Makes lines and takes them away."""
    made: list[LineTrial] = []

    def make(seed: int = 1, **fields: object) -> LineTrial:
        made.append(LineTrial(Impairment(**fields), seed))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for trial in made:
        trial.close()


def survivors(trial: LineTrial, frames: int = FRAMES, length: int = 100) -> list[int]:
    """Which of so many frames leave, in their order; what waits leaves in the end."""
    gone = trial.send(0, *[length] * frames)
    return gone + [number for _, number in trial.arrivals()]


def lost(trial: LineTrial, frames: int = FRAMES) -> list[int]:
    return sorted(set(range(frames)) - set(survivors(trial, frames)))


def near(found: float, expected: float, deviation: float) -> bool:
    """Within five standard deviations."""
    return abs(found - expected) <= 5 * deviation


@settings(max_examples=60)
@given(
    st.lists(st.tuples(any_impairment, st.integers(0, 20 * MS), st.lists(st.integers(8, 9000))), max_size=8)
)
def test_every_frame_leaves_or_is_counted_whatever_changes(
    steps: list[tuple[Impairment, int, list[int]]],
) -> None:
    trial, now_ns, left = LineTrial(), 0, 0
    for impairment, later_ns, lengths in steps:
        now_ns += later_ns
        left += len(trial.leave_numbers(now_ns))
        trial.impair(impairment)
        left += len(trial.send(now_ns, *lengths))
        waiting = trial.counter("queue_frames")
        drops = sum(map(trial.counter, ("drop_loss", "drop_queue", "drop_memory")))
        assert trial.sent + trial.counter("duplicated") == left + drops + waiting
    left += len(list(trial.arrivals()))
    assert left + drops == trial.sent + trial.counter("duplicated") if steps else left == 0
    assert (trial.counter("queue_frames"), trial.counter("queue_octets")) == (0, 0)
    trial.close()


@settings(max_examples=60)
@given(st.lists(st.tuples(in_order, st.integers(0, 3 * MS), st.integers(1, 70)), max_size=8))
def test_only_reordering_reorders_whatever_changes(steps: list[tuple[Impairment, int, int]]) -> None:
    trial, now_ns = LineTrial(), 0
    seen: list[int] = []
    for impairment, later_ns, frames in steps:
        now_ns += later_ns
        seen += trial.leave_numbers(now_ns)
        trial.impair(impairment)
        seen += trial.send(now_ns, *[100] * frames)
    seen += [number for _, number in trial.arrivals()]
    assert seen == sorted(seen)
    assert trial.counter("reordered") == 0
    trial.close()


@given(any_impairment, st.integers(0, 2**64 - 1))
@settings(max_examples=40)
def test_the_same_seed_loses_the_same_frames_beside_any_other_setting(other: Impairment, seed: int) -> None:
    plain, beside = LineTrial(Impairment(loss=0.3), seed), LineTrial(seed=seed)
    beside.impair(replace(other, loss=0.3, loss_model=LossModel.INDEPENDENT, rate_mbps=0, corrupt=0))
    assert lost(plain, 500) == lost(beside, 500)
    plain.close()
    beside.close()


def test_another_seed_loses_others(line: Making) -> None:
    assert lost(line(loss=0.3)) != lost(line(seed=2, loss=0.3))


def test_a_change_moves_no_other_chance(line: Making) -> None:
    straight, changed = line(loss=0.2), line(loss=0.2)
    seen = survivors(changed, 300)
    changed.impair(Impairment(loss=0.2, delay_us=10, jitter_us=5, duplicate=0.5, reorder=0.5))
    seen += survivors(changed, 300)
    changed.impair(Impairment(loss=0.2))
    seen += survivors(changed, 300)
    assert lost(straight, 900) == sorted(set(range(900)) - set(seen))


def test_frames_are_numbered_from_when_the_impairment_began(line: Making) -> None:
    trial = line(loss=0.5)
    first = trial.send(0, *[100] * 200)
    trial.impair(Impairment())
    assert trial.send(0, *[100] * 77) == list(range(200, 277))
    trial.impair(Impairment(loss=0.5))
    assert [number - 277 for number in trial.send(0, *[100] * 200)] == first


def test_independent_loss(line: Making) -> None:
    gone = lost(line(loss=0.01))
    assert near(len(gone), FRAMES * 0.01, (FRAMES * 0.01 * 0.99) ** 0.5)


def test_gilbert_elliott(line: Making) -> None:
    enter, leave, inside, outside = 0.02, 0.25, 0.9, 0.001
    model = {"loss_model": LossModel.GILBERT_ELLIOTT, "enter_burst": enter, "leave_burst": leave}
    bad = enter / (enter + leave)
    bursts = bursts_of(lost(line(**model), frames=5 * FRAMES))
    assert near(mean(bursts), 1 / leave, (1 - leave) ** 0.5 / leave / len(bursts) ** 0.5)
    assert near(sum(bursts) / (5 * FRAMES), bad, mean(bursts) * 1.5 * len(bursts) ** 0.5 / (5 * FRAMES))
    gone = len(lost(line(**model, loss_in_burst=inside, loss=outside), frames=5 * FRAMES))
    expected = bad * inside + (1 - bad) * outside
    assert near(gone / (5 * FRAMES), expected, mean(bursts) * 1.5 * len(bursts) ** 0.5 / (5 * FRAMES))


def test_a_burst_ends_with_its_model(line: Making) -> None:
    trial = line(loss_model=LossModel.GILBERT_ELLIOTT, enter_burst=1, leave_burst=0)
    assert trial.send(0, 100) == []
    trial.impair(Impairment(corrupt=0.5))
    assert len(trial.send(0, *[100] * 10)) == 10


def bursts_of(numbers: list[int]) -> list[int]:
    """Lengths of the runs of consecutive numbers."""
    lengths = [1]
    for before, after in pairwise(numbers):
        if after == before + 1:
            lengths[-1] += 1
        else:
            lengths.append(1)
    return lengths


def test_a_duplicate_follows_its_original(line: Making) -> None:
    trial = line(duplicate=0.1)
    seen = survivors(trial)
    twice = [number for number, times in Counter(seen).items() if times == 2]
    assert seen == sorted([*range(FRAMES), *twice])
    assert trial.counter("duplicated") == len(twice)
    assert near(len(twice), FRAMES * 0.1, (FRAMES * 0.1 * 0.9) ** 0.5)


def test_that_a_frame_is_not_lost_says_nothing_of_whether_it_is_doubled(line: Making) -> None:
    trial = line(loss=0.5, duplicate=0.5)
    survivors(trial)
    assert near(trial.counter("duplicated"), FRAMES / 4, (FRAMES * 3 / 16) ** 0.5)


def test_a_corrupted_frame_has_one_bit_inverted_anywhere(line: Making) -> None:
    trial, frame = line(corrupt=0.2), bytes(range(60))
    flips = []
    for _ in range(500):
        for got in trial.carry(0, [frame] * 10):
            flips.append(int.from_bytes(got) ^ int.from_bytes(frame))
    inverted = [flip for flip in flips if flip]
    assert all(flip.bit_count() == 1 for flip in inverted)
    assert near(len(inverted), 1000, 1000**0.5)
    assert trial.counter("corrupted") == len(inverted)
    assert len(set(inverted)) > 0.8 * 8 * len(frame)


@pytest.mark.parametrize("overtakers", [1, 3, 10])
def test_a_reordered_frame_is_overtaken_by_so_many_later_ones(line: Making, overtakers: int) -> None:
    trial = line(reorder=0.02, reorder_frames=overtakers)
    seen = survivors(trial)
    assert sorted(seen) == list(range(FRAMES))
    place = {number: i for i, number in enumerate(seen)}
    late = [number for number, highest in zip(seen, accumulate(seen, max), strict=True) if highest > number]
    assert near(len(late), FRAMES * 0.02, (FRAMES * 0.02) ** 0.5)
    assert trial.counter("reordered") == len(late)
    chosen = set(late)
    for number in late[:-1]:  # the last may have too few behind it
        before = seen[max(0, place[number] - 60) : place[number]]
        assert sum(other > number and other not in chosen for other in before) == overtakers


def test_a_reordered_frame_is_due_with_the_last_that_overtakes_it(line: Making) -> None:
    trial = line(reorder=1.0, reorder_frames=2)
    trial.send(0, 100)
    trial.impair(Impairment(delay_us=1))
    for now_ns in (1 * MS, 2 * MS, 3 * MS):
        trial.send(now_ns, 100)
    assert list(trial.arrivals()) == [(1001 * US, 1), (2001 * US, 2), (2001 * US, 0), (3001 * US, 3)]


def test_a_reordered_frame_that_finds_the_burst_full_was_due_before(line: Making) -> None:
    trial = line(reorder=1.0, reorder_frames=BURST)
    trial.send(0, 100)
    trial.impair(Impairment(delay_us=1))
    trial.send(1 * MS, *[100] * BURST)
    assert trial.leave_burst(2 * MS) == list(range(1, BURST + 1))
    assert trial.next_ns() == 1001 * US
    assert trial.leave_burst(2 * MS) == [0]


def test_a_reordered_frame_waits_ten_ms_for_later_ones(line: Making) -> None:
    trial = line(reorder=1.0, delay_us=100)
    trial.send(0, 100)
    trial.send(2 * MS, 100)
    assert list(trial.arrivals()) == [(10 * MS + 100 * US, 0), (12 * MS + 100 * US, 1)]
    assert trial.counter("reordered") == 0


def test_a_reordered_frame_does_not_wait_for_one_that_more_are_to_overtake(line: Making) -> None:
    trial = line(reorder=1.0, reorder_frames=100)
    trial.send(0, 100)
    trial.leave(0)
    trial.impair(Impairment(reorder=1.0, reorder_frames=1))
    trial.send(1 * MS, 100)
    trial.leave(1 * MS)
    trial.impair(Impairment())
    trial.send(2 * MS, 100)
    assert list(trial.arrivals()) == [(2 * MS, 2), (2 * MS, 1), (10 * MS, 0)]


@pytest.mark.parametrize("rate_mbps", [0.5, 7.77, 1000.0, 99_999.0])
def test_a_rate_is_exact(line: Making, rate_mbps: float) -> None:
    trial = line(rate_mbps=rate_mbps, queue_octets=10**9)
    lengths = [60 + 37 * i % 1459 for i in range(5000)]
    trial.send(S, *lengths)
    times = [at for at, _ in trial.arrivals()]
    assert len(times) == len(lengths)
    sent = 0
    for at, length in zip(times, lengths, strict=True):
        sent += 8 * length
        assert 0 <= sent * US / rate_mbps - (at - S) < 1.001


def test_a_line_that_was_idle_sends_at_once(line: Making) -> None:
    trial = line(rate_mbps=GBIT)
    for start in (0, 1 * MS, 5 * MS):
        trial.send(start, 1000, 1000)
        assert [at - start for at, _ in trial.arrivals()] == [8 * US, 16 * US]


@pytest.mark.parametrize(
    ("queue", "frames"),
    [({"queue_octets": 10_000}, 10), ({"queue_octets": 10_999}, 10), ({"queue_us": 80}, 10), ({}, 6250)],
)
def test_what_finds_the_queue_full_is_dropped(line: Making, queue: dict[str, int], frames: int) -> None:
    trial = line(rate_mbps=GBIT, **queue)
    assert survivors(trial, frames + 30, length=1000) == list(range(frames))
    assert trial.counter("drop_queue") == 30


def test_a_full_queue_takes_a_frame_when_one_has_left(line: Making) -> None:
    trial = line(rate_mbps=GBIT, queue_octets=3000)
    trial.send(0, *[1000] * 5)
    trial.send(8 * US - 1, 1000)
    assert trial.counter("drop_queue") == 3
    trial.send(8 * US, 1000)
    assert trial.counter("drop_queue") == 3


def test_a_free_line_takes_a_frame_that_is_longer_than_the_queue(line: Making) -> None:
    trial = line(rate_mbps=0.1, queue_octets=100)
    trial.send(0, 1500, 1500)
    assert list(trial.arrivals()) == [(120 * MS, 0)]


def delays_us(trial: LineTrial, frames: int = SEPARATE_FRAMES) -> list[float]:
    """The delay of frames that are so far apart that none waits for another."""
    delays = []
    for i in range(frames):
        trial.send(i * S, 100)
        delays += [(at - i * S) / US for at, _ in trial.arrivals()]
    return delays


def test_a_delay_is_exact(line: Making) -> None:
    assert set(delays_us(line(delay_us=1234.5), 100)) == {1234.5}


@pytest.mark.parametrize("model", JitterModel)
def test_a_jitter_has_its_distribution(line: Making, model: JitterModel) -> None:
    delays = delays_us(line(delay_us=1000, jitter_us=100, jitter_model=model))
    deviation = 100 / 3**0.5 if model is JitterModel.UNIFORM else 100
    assert near(mean(delays), 1000, deviation / SEPARATE_FRAMES**0.5)
    above = sum(delay > 1000 + 2 * deviation for delay in delays) / SEPARATE_FRAMES
    below = sum(delay < 1000 - 2 * deviation for delay in delays) / SEPARATE_FRAMES
    # Pareto of shape 3: twice the deviation is 2.73 of mean 1.5 and deviation 0.866 above 1, so 3.232^-3.
    tails = {
        JitterModel.UNIFORM: (0, 0),
        JitterModel.NORMAL: (0.0228, 0.0228),
        JitterModel.PARETO: (0, 0.0296),
    }
    for found, expected in zip((below, above), tails[model], strict=True):
        assert near(found, expected, (expected / SEPARATE_FRAMES) ** 0.5)
    if model is JitterModel.UNIFORM:
        assert 900 <= min(delays) < 901 < 1099 < max(delays) < 1100
    if model is not JitterModel.PARETO:
        assert abs(stdev(delays) - deviation) < 0.03 * deviation


def test_no_delay_is_negative(line: Making) -> None:
    delays = delays_us(line(delay_us=10, jitter_us=100), 2000)
    assert min(delays) == 0
    assert max(delays) > 100


def test_what_entered_together_leaves_together(line: Making) -> None:
    trial = line(delay_us=1)
    for start in range(3):
        trial.send(start, *[100] * 45)
    assert [len(trial.leave_burst(1 * MS)) for _ in range(3)] == [45, 45, 45]
    for start in range(60):
        trial.send(1 * MS + start, 100)
    assert [len(trial.leave_burst(2 * MS)) for _ in range(2)] == [32, 28]


def test_a_shorter_delay_waits_for_what_is_on_its_way(line: Making) -> None:
    trial = line(delay_us=5000)
    trial.send(0, 100)
    trial.impair(Impairment(delay_us=1000))
    trial.send(1 * MS, 100)
    trial.impair(Impairment())
    assert trial.send(2 * MS, 100) == []
    assert list(trial.arrivals()) == [(5 * MS, 0), (5 * MS, 1), (5 * MS, 2)]
    assert trial.send(5 * MS, 100) == [3]


def test_a_frame_with_a_shorter_delay_is_due_with_the_one_ahead(line: Making) -> None:
    trial = line(delay_us=5000)
    trial.send(0, 100)
    trial.impair(Impairment(delay_us=1000))
    trial.send(0, *[100] * BURST)
    assert trial.leave_burst(6 * MS) == list(range(BURST))
    assert trial.next_ns() == 5 * MS


def test_another_rate_lets_what_waits_leave_at_its_time(line: Making) -> None:
    trial = line(rate_mbps=8, queue_octets=10**6)
    trial.send(0, 1000, 1000)
    trial.impair(Impairment(rate_mbps=80, queue_octets=10**6))
    trial.send(0, 1000)
    assert list(trial.arrivals()) == [(1 * MS, 0), (2 * MS, 1), (2_100_000, 2)]


@settings(max_examples=30)
@given(st.data())
def test_frames_come_out_as_they_went_in_at_any_depth(data: st.DataObject) -> None:
    trial = LineTrial(Impairment(delay_us=1000, reorder=0.01))
    sizes = st.lists(st.integers(8, 9000), min_size=1, max_size=64)
    expected: set[bytes] = set()
    now_ns = sent = 0
    for _ in range(data.draw(st.integers(1, 40))):
        now_ns += data.draw(st.integers(0, 300 * US))
        frames = []
        for size in data.draw(sizes):
            pattern = (sent * 2_654_435_761 % 2**32).to_bytes(4)
            frames.append((sent.to_bytes(8) + pattern * (size // 4))[:size])
            sent += 1
        expected |= set(frames)
        assert trial.carry(now_ns, frames) == []
        left = trial.leave(now_ns)
        assert expected >= set(left)
        expected -= set(left)
        assert trial.counter("queue_frames") == len(expected)
        assert trial.counter("queue_octets") == sum(map(len, expected))
    assert set(trial.leave(now_ns + S)) == expected
    trial.close()


def test_memory_has_an_end_and_comes_back(line: Making) -> None:
    trial = line(delay_us=1000)
    frames = [bytes(10_000)] * 64
    for _ in range(500):
        trial.carry(0, frames)
    dropped = trial.counter("drop_memory")
    assert 0 < dropped == 32_000 - trial.counter("queue_frames")
    assert 250 << 20 < trial.counter("queue_octets") < 256 << 20
    assert len(trial.leave_numbers(1 * MS)) == 32_000 - dropped
    trial.carry(1 * MS, frames)
    assert trial.counter("drop_memory") == dropped
