"""ExaBGP's commands as we mend them."""

from collections.abc import Iterator

from exabgp.reactor.asynchronous import ASYNC  # type: ignore[import-untyped]

import control.bgp.exabgp  # noqa: F401  # mends it


def test_commands_are_carried_out_in_order_and_as_many_as_go_into_a_turn() -> None:
    queue, done = ASYNC(), []

    def command(number: int) -> Iterator[bool]:
        done.append(number)
        yield True

    assert queue.run() is False
    for number in range(100):
        queue.schedule("helper", "", command(number))
    assert queue.run() is True
    assert done == list(range(len(done)))
    while queue.run():
        pass
    assert done == list(range(100))
