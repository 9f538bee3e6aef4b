"""Faults that overlap on a link, flap, or impair it: each bites for itself and its end leaves the others."""

from collections.abc import Iterator

import pytest

from dataplane.engine import Engine
from dataplane.interface import LinkError
from dataplane.links.faults import FaultSpecification, LinkFault
from dataplane.links.specification import FaultMode, Impairment
from tests.engine.bench import memory_ports, specification

MS = 1_000_000


class Timed:
    """Two links over memory ports, and the time that their engine believes it is."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.engine = Engine(workers=1, now_ns=lambda: self.now_ns)
        self.ports = {name: memory_ports() for name in ("ch1", "ch2")}
        for name, ports in self.ports.items():
            self.engine.add_link(specification(name=name), ports=ports)

    def carriers(self) -> dict[str, bool]:
        found = {state.name: {end.carrier for end in state.ends} for state in self.engine.links()}
        return {name: carrier == {True} for name, carrier in found.items()}

    def states(self) -> list[str]:
        return [state.state for state in self.engine.links()]

    def until(self, now_ns: int) -> None:
        """Attends whenever the engine says that there is something to attend to, as its owner does."""
        while (at_ns := self.engine.next_deadline_ns()) is not None and at_ns <= now_ns:
            self.now_ns = at_ns
            self.engine.attend()
        self.now_ns = now_ns


@pytest.fixture
def timed() -> Iterator[Timed]:
    timed = Timed()
    yield timed
    timed.engine.close()


def test_a_fault_of_several_links_overlaps_with_one_of_a_link_and_leaves_it(timed: Timed) -> None:
    timed.engine.set_fault("ch1", FaultMode.SILENT)
    timed.engine.fail("both", ["ch1", "ch2"], FaultSpecification(FaultMode.CARRIER, for_s=1))
    assert timed.states() == ["cut", "cut"]
    assert timed.carriers() == {"ch1": False, "ch2": False}
    timed.until(1000 * MS)
    assert timed.states() == ["silent", "up"]
    assert timed.carriers() == {"ch1": True, "ch2": True}
    timed.engine.clear_fault("ch1")
    assert timed.states() == ["up", "up"]


def test_all_ends_are_told_of_before_the_first_is_taken_its_carrier_from() -> None:
    carriers: list[list[bool]] = []
    engine = Engine(workers=1, on_event=lambda _: carriers.append([port.carrier for port in ports]))
    ports = [*memory_ports(), *memory_ports()]
    try:
        for name, at in (("ch1", 0), ("ch2", 2)):
            engine.add_link(specification(name=name), ports=ports[at : at + 2])
        carriers.clear()
        engine.fail("both", ["ch1", "ch2"], FaultSpecification(FaultMode.CARRIER))
    finally:
        engine.close()
    assert carriers[:5] == [[True] * 4] * 4 + [[False] * 4]


def test_a_fault_of_a_link_that_is_not_there_begins_on_none(timed: Timed) -> None:
    with pytest.raises(LinkError, match="no link ch9"):
        timed.engine.fail("all", ["ch1", "ch9"], FaultSpecification(FaultMode.CARRIER))
    with pytest.raises(LinkError, match="loss 2, expected a share"):
        timed.engine.fail("all", ["ch1"], FaultSpecification(FaultMode.BROWNOUT, impairment={"loss": 2}))
    assert timed.states() == ["up", "up"]
    timed.engine.fail("all", ["ch1"], FaultSpecification(FaultMode.CARRIER))
    with pytest.raises(LinkError, match="already failed"):
        timed.engine.fail("all", ["ch2"], FaultSpecification(FaultMode.CARRIER))
    timed.engine.remove_link("ch1")
    assert timed.engine.heal("all") == 0
    assert timed.states() == ["up"]


def test_a_flapping_link_loses_its_carrier_in_the_first_half_of_each_period(timed: Timed) -> None:
    timed.engine.fail("f", ["ch1"], FaultSpecification(FaultMode.FLAP, for_s=0.2, period_s=0.1))
    seen = []
    for ms in range(10, 230, 20):
        timed.until(ms * MS)
        seen.append(timed.carriers()["ch1"])
    assert seen == [False, False, True, True, True] * 2 + [True]
    assert timed.engine.next_deadline_ns() is None
    assert timed.states() == ["up", "up"]


def test_a_request_between_keeps_no_flapping_link_from_its_turn(timed: Timed) -> None:
    timed.engine.fail("f", ["ch1"], FaultSpecification(FaultMode.FLAP, period_s=0.1))
    timed.now_ns = 60 * MS  # late: a request came first
    timed.engine.fail("g", ["ch2"], FaultSpecification(FaultMode.SILENT))
    assert timed.engine.next_deadline_ns() == 50 * MS
    timed.engine.attend()
    assert timed.carriers()["ch1"]
    assert timed.engine.next_deadline_ns() == 100 * MS


def test_a_brownout_goes_over_what_a_link_is_impaired_by_and_its_end_leaves_what_changed_meanwhile(
    timed: Timed,
) -> None:
    engine = timed.engine
    link = engine._links["ch1"]
    engine.change_impairments("ch1", ({"delay_us": 5.0}, {}))
    changes = {"loss": 0.5, "delay_us": 100.0}
    engine.fail("b", ["ch1"], FaultSpecification(FaultMode.BROWNOUT, "a", impairment=changes))
    engine.change_impairments("ch1", ({"delay_us": 7.0, "corrupt": 0.1}, {}))
    assert link.impairment(0) == Impairment(loss=0.5, delay_us=100.0, corrupt=0.1)
    assert link.impairment(1) == Impairment()
    assert engine.links()[0].impairments == (Impairment(delay_us=7.0, corrupt=0.1), Impairment())
    assert timed.states() == ["brownout", "up"]
    engine.heal("b")
    assert link.impairment(0) == Impairment(delay_us=7.0, corrupt=0.1)


def test_a_fault_changes_when_it_says_so() -> None:
    fault = LinkFault("f", FaultMode.FLAP, None, 1000, 1301, 101, {})
    at_ns = 1000
    seen = [(at_ns, fault.cuts(at_ns))]
    while (next_ns := fault.next_change_ns(at_ns)) is not None and next_ns < 1301:
        assert fault.cuts(next_ns - 1) == seen[-1][1]
        at_ns = next_ns
        seen.append((at_ns, fault.cuts(at_ns)))
    assert [cut for _, cut in seen] == [True, False] * 3
    assert next_ns == 1301


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": FaultMode.CARRIER, "from_node": "a"},
        {"mode": FaultMode.FLAP},
        {"mode": FaultMode.FLAP, "period_s": 0.0},
        {"mode": FaultMode.SILENT, "period_s": 1.0},
        {"mode": FaultMode.SILENT, "for_s": 0.0},
        {"mode": FaultMode.BROWNOUT},
        {"mode": FaultMode.SILENT, "impairment": {"loss": 1.0}},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="found"):
        FaultSpecification(**wrong)  # type: ignore[arg-type]
