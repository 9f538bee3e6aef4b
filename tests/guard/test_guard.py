"""The guard: several witnesses, one change."""

import pytest

from control.guard.guard import PHYSICAL, Guard, Usability, Witness
from control.routes.model import FAMILIES


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
    assert changes == [Usability("aws", "ch1", FAMILIES, True, Witness.ENGINE, 5)]


@pytest.mark.parametrize("first", sorted(PHYSICAL))
def test_the_first_witness_of_a_loss_decides_and_the_second_adds_nothing(
    guard: Guard, changes: list[Usability], first: Witness
) -> None:
    second = Witness.ENGINE if first is Witness.KERNEL else Witness.KERNEL
    guard.hear("aws", "ch1", first, False, 5)
    guard.hear("aws", "ch1", second, False, 5)
    assert changes == [Usability("aws", "ch1", FAMILIES, False, first, 5)]


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


def test_bfd_speaks_for_one_family(guard: Guard, changes: list[Usability]) -> None:
    guard.hear_bfd("aws", "ch1", "ipv6", True, 5)
    guard.hear_bfd("aws", "ch1", "ipv6", True, 6)
    assert changes == [Usability("aws", "ch1", ("ipv6",), False, Witness.BFD, 5)]
    assert guard.usable("aws", "ch1") == {"ipv4"}
    guard.hear("aws", "ch1", Witness.ENGINE, False, 7)
    assert changes[1:] == [Usability("aws", "ch1", ("ipv4",), False, Witness.ENGINE, 7)]


def test_a_path_that_bfd_lost_is_used_only_when_it_is_up_again(
    guard: Guard, changes: list[Usability]
) -> None:
    guard.hear_bfd("aws", "ch1", "ipv4", True, 5)
    guard.hear("aws", "ch1", Witness.KERNEL, False, 6)
    guard.hear("aws", "ch1", Witness.KERNEL, True, 7)
    assert guard.usable("aws", "ch1") == {"ipv6"}
    guard.hear_bfd("aws", "ch1", "ipv4", False, 8)
    assert guard.usable("aws", "ch1") == {"ipv4", "ipv6"}
    assert changes[-1] == Usability("aws", "ch1", ("ipv4",), True, Witness.BFD, 8)
    guard.hear_bfd("aws", "ch1", "ipv4", True, 9)
    guard.forget("aws", "ch1")
    guard.hear("aws", "ch1", Witness.ENGINE, True, 9)
    guard.hear("aws", "ch1", Witness.KERNEL, True, 9)
    assert guard.usable("aws", "ch1") == {"ipv4", "ipv6"}
