"""The guard: two witnesses, one change."""

import pytest

from control.guard.guard import Guard, Usability, Witness


@pytest.fixture
def changes() -> list[Usability]:
    return []


@pytest.fixture
def guard(changes: list[Usability]) -> Guard:
    guard = Guard(changes.append)
    guard.hear("aws", "ch1", Witness.ENGINE, True, 5)
    guard.hear("aws", "ch1", Witness.KERNEL, True, 5)
    changes.clear()
    return guard


def test_an_interface_is_usable_once_both_witnesses_say_so(changes: list[Usability]) -> None:
    guard = Guard(changes.append)
    assert not guard.usable("aws", "ch1")
    guard.hear("aws", "ch1", Witness.KERNEL, True, 5)
    assert changes == []
    guard.hear("aws", "ch1", Witness.ENGINE, True, 5)
    assert changes == [Usability("aws", "ch1", True, Witness.ENGINE, 5)]


@pytest.mark.parametrize("first", list(Witness))
def test_the_first_witness_of_a_loss_decides_and_the_second_adds_nothing(
    guard: Guard, changes: list[Usability], first: Witness
) -> None:
    second = Witness.ENGINE if first is Witness.KERNEL else Witness.KERNEL
    guard.hear("aws", "ch1", first, False, 5)
    guard.hear("aws", "ch1", second, False, 5)
    assert changes == [Usability("aws", "ch1", False, first, 5)]


def test_a_stale_word_of_the_other_witness_does_not_bring_it_back(
    guard: Guard, changes: list[Usability]
) -> None:
    guard.hear("aws", "ch1", Witness.ENGINE, False, 5)
    guard.hear("aws", "ch1", Witness.KERNEL, True, 5)
    assert not guard.usable("aws", "ch1")
    assert len(changes) == 1


def test_interfaces_of_one_name_on_two_nodes_are_two(guard: Guard) -> None:
    guard.hear("gcp", "ch1", Witness.ENGINE, False, 5)
    assert guard.usable("aws", "ch1")
