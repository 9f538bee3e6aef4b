"""Guard, controller and kernel change one table: whatever the order of their messages, it ends as wanted."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from control.guard.reaction import LOOK_UP_AGAIN, without_interface
from control.routes.model import Installed, KernelNexthop, NextHop, NextHops, Operation, Prefix, Refused
from control.routes.model_kernel import ModelKernel
from control.routes.table import RouteTable

HOPS = [NextHop(f"169.254.0.{number}", ifindex) for number, ifindex in enumerate((11, 12, 13, 11))]
LINKS = frozenset(hop.ifindex for hop in HOPS)
FIRST, SECOND = "10.1.0.0/16", "10.2.0.0/16"

News: TypeAlias = tuple[int, bool] | frozenset[int]
"""A link and whether it is usable; or the whole truth: the links that are."""


class SharedKernel(ModelKernel):
    """Lets the guard take `schedule[n]` steps before the controller's message number n."""

    def __init__(self) -> None:
        super().__init__()
        self.guard = Guard(self)
        self.schedule: list[int] = []

    def execute(self, operations: Iterable[Operation]) -> list[Refused]:
        refused = []
        for operation in operations:
            self._let_guard_act()
            refused += super().execute([operation])
        return refused

    def dump(self) -> Installed:
        self._let_guard_act()
        return super().dump()

    def nexthops(self) -> list[KernelNexthop]:
        self._let_guard_act()
        return super().dump().nexthops

    def _let_guard_act(self) -> None:
        for _ in range(self.schedule.pop(0) if self.schedule else 0):
            self.guard.step()


class Guard:
    """Acts on each word about a link in steps: reads next hops, sends one message after the other, tells."""

    def __init__(self, kernel: ModelKernel) -> None:
        self._kernel = kernel
        self.heard: list[tuple[int, bool]] = []
        self.told: list[News] = []
        self._usable = set(LINKS)
        self._steps: Iterator[None] = iter(())

    def step(self) -> bool:
        """Whether there was one to take."""
        for _ in self._steps:
            return True
        if not self.heard:
            return False
        self._steps = self._act(*self.heard.pop(0))
        return True

    def restart(self, usable: Iterable[int]) -> None:
        """Killed where it is; the next one looks how things are."""
        self._steps, self.heard, self._usable = iter(()), [], set(usable)
        self.told.append(frozenset(usable))

    def _act(self, link: int, usable: bool) -> Iterator[None]:
        if usable == (link in self._usable):
            return
        self._usable ^= {link}
        if not usable:
            nexthops = ModelKernel.dump(self._kernel).nexthops
            yield
            for operation in (*without_interface(nexthops, link), *LOOK_UP_AGAIN[:2]):
                assert ModelKernel.execute(self._kernel, [operation]) == []
                yield
        self.told.append((link, usable))


class Writers:
    """The three of them, and a controller that treats the guard's news as netns_lab.controller does."""

    def __init__(self) -> None:
        self.kernel = SharedKernel()
        self.guard = self.kernel.guard
        self.table = RouteTable(self.kernel, hear=self._hear)
        self.wanted: dict[Prefix, NextHops] = {}
        self.usable = set(LINKS)
        self._known = set(LINKS)
        self._news: list[News] = []

    def change_link(self, link: int, carrier: bool) -> None:
        """It fails or is back: with carrier the kernel sees it first, else BFD alone."""
        self.usable ^= {link}
        if link in self.usable:
            self.kernel.link_up(link)
        elif carrier:
            self.kernel.link_down(link)
        self.guard.heard.append((link, link in self.usable))

    def update(self, changed: Mapping[Prefix, NextHops], schedule: Sequence[int]) -> None:
        """The controller heard of routes."""
        self._hear()
        self.wanted.update(changed)
        self.kernel.schedule = [*schedule]
        self.table.update(changed)

    def hear(self, schedule: Sequence[int]) -> None:
        """The controller acts on what the guard has told."""
        self._hear()
        self.kernel.schedule = [*schedule]
        while self._news:
            self._take(self._news.pop(0))

    def settle(self) -> None:
        """Everybody hears of everything, and all is as wanted over the links that are usable."""
        self.kernel.schedule = []
        while self.guard.step():
            pass
        self.hear([])
        usable = {
            prefix: frozenset(hop for hop in hops if hop.ifindex in self.usable)
            for prefix, hops in self.wanted.items()
        }
        expected = {prefix: hops for prefix, hops in usable.items() if hops}
        assert {prefix: self.kernel.next_hops(prefix) for prefix in self.kernel.routes} == expected

    def _hear(self) -> None:
        for news in self.guard.told:
            if isinstance(news, tuple) and not news[1]:
                self.table.lose(news[0])
        self._news += self.guard.told
        self.guard.told.clear()

    def _take(self, news: News) -> None:
        if isinstance(news, tuple):
            link, usable = news
            self._known = self._known | {link} if usable else self._known - {link}
            self.table.link_changed(link, usable)
            return
        for link in news ^ self._known:
            self._take((link, link in news))
        self.table.check()


def test_a_loss_and_an_update_come_to_the_same_end_in_every_order() -> None:
    """Every way to lay the steps of the guard between the messages of the controller."""
    some = [frozenset(hops) for count in range(4) for hops in itertools.combinations(HOPS[:3], count)]
    for before, after, beside in itertools.product(some[1:], some, [some[1], some[4]]):
        for moments in itertools.combinations_with_replacement(range(7), 3):
            writers = Writers()
            writers.update({FIRST: before, SECOND: beside}, ())
            writers.change_link(11, carrier=False)
            writers.update({FIRST: after}, [moments.count(number) for number in range(7)])
            writers.settle()


def test_a_link_that_flaps_while_there_is_no_guard_gets_its_traffic_back() -> None:
    writers = Writers()
    writers.update({FIRST: frozenset(HOPS[:2]), SECOND: frozenset(HOPS[:1])}, ())
    for _ in range(2):
        writers.change_link(11, carrier=True)
    writers.guard.restart(writers.usable)
    writers.settle()


def test_a_guard_that_is_killed_before_it_tells_leaves_nothing_out() -> None:
    writers = Writers()
    writers.update({FIRST: frozenset(HOPS[:2])}, ())
    writers.change_link(11, carrier=False)
    for _ in range(3):
        writers.guard.step()
    assert writers.kernel.next_hops(FIRST) == {HOPS[1]}
    writers.change_link(11, carrier=False)
    writers.guard.restart(writers.usable)
    writers.settle()


schedules = st.lists(st.integers(0, 3), max_size=12)
changes = st.dictionaries(st.sampled_from([FIRST, SECOND]), st.frozensets(st.sampled_from(HOPS)))


class ManyChanges(RuleBasedStateMachine):
    """Links that come and go, a guard that is killed anywhere, and routes that change meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.writers = Writers()

    @rule(link=st.sampled_from(sorted(LINKS)), carrier=st.booleans())
    def change_link(self, link: int, carrier: bool) -> None:
        self.writers.change_link(link, carrier)

    @rule(steps=st.integers(1, 4))
    def let_guard_act(self, steps: int) -> None:
        for _ in range(steps):
            self.writers.guard.step()

    @rule()
    def restart_guard(self) -> None:
        self.writers.guard.restart(self.writers.usable)

    @rule(changed=changes, schedule=schedules)
    def update(self, changed: dict[Prefix, NextHops], schedule: list[int]) -> None:
        self.writers.update(changed, schedule)

    @rule(schedule=schedules)
    def hear(self, schedule: list[int]) -> None:
        self.writers.hear(schedule)

    @rule()
    def settle(self) -> None:
        self.writers.settle()

    def teardown(self) -> None:
        self.writers.settle()


ManyChanges.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestManyChanges = ManyChanges.TestCase
