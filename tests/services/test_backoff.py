"""How long a speaker waits before it is started again."""

from hypothesis import given
from hypothesis import strategies as st

from control.backoff import Backoff


def test_the_wait_doubles_up_to_the_limit_and_starts_afresh_after_a_long_life() -> None:
    backoff = Backoff(first_s=1, limit_s=5, stable_s=10)
    assert [backoff.delay_s(0) for _ in range(5)] == [1, 2, 4, 5, 5]
    assert [backoff.delay_s(lived_s) for lived_s in (9, 10, 0)] == [5, 1, 2]


@given(st.lists(st.floats(0, 100)))
def test_the_wait_is_never_outside_its_bounds(lives: list[float]) -> None:
    backoff = Backoff()
    assert all(0.5 <= backoff.delay_s(lived_s) <= 30 for lived_s in lives)
