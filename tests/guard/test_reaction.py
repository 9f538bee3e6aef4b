"""Traffic leaves an interface by what the kernel holds, and a second time changes nothing."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from control.guard.reaction import without_interface
from control.routes.messages import RTPROT_BGP
from control.routes.model import DeleteNexthop, KernelNexthop, NextHop
from control.routes.model_kernel import ModelKernel
from control.routes.table import RouteTable

HOPS = [NextHop(f"169.254.0.{number}", ifindex) for number, ifindex in enumerate((11, 11, 12, 13, 14))]
hop_sets = st.frozensets(st.sampled_from(HOPS), min_size=1)
prefixes = st.sampled_from([f"10.{n}.0.0/16" for n in range(8)])
tables = st.dictionaries(prefixes, hop_sets)
LINKS = sorted({hop.ifindex for hop in HOPS})


def test_the_next_hops_of_an_interface_go_and_groups_are_left_to_the_kernel() -> None:
    nexthops = [
        KernelNexthop(1, RTPROT_BGP, HOPS[0]),
        KernelNexthop(2, RTPROT_BGP, HOPS[2]),
        KernelNexthop(3, RTPROT_BGP, NextHop("fd00::1", 11)),
        KernelNexthop(7, RTPROT_BGP, members=(1, 2)),
        KernelNexthop(8, RTPROT_BGP),
    ]
    assert without_interface(nexthops, 11) == [DeleteNexthop(1), DeleteNexthop(3)]
    assert without_interface(nexthops, 11, ["ipv6"]) == [DeleteNexthop(3)]
    assert without_interface(nexthops, 99) == []


@given(tables, st.sampled_from([11, 12, 13, 14]), st.booleans())
def test_guard_kernel_and_controller_come_to_the_same_end_in_any_order(
    wanted: dict[str, frozenset[NextHop]], ifindex: int, kernel_first: bool
) -> None:
    kernel = ModelKernel()
    table = RouteTable(kernel)
    table.update(wanted)
    if kernel_first:
        kernel.link_down(ifindex)
    assert kernel.execute(without_interface(kernel.dump().nexthops, ifindex)) == []
    assert without_interface(kernel.dump().nexthops, ifindex) == []
    kernel.link_down(ifindex)
    assert table.link_changed(ifindex, False) == []
    for prefix, hops in wanted.items():
        assert kernel.next_hops(prefix) == {hop for hop in hops if hop.ifindex != ifindex}
    kernel.link_up(ifindex)
    assert table.link_changed(ifindex, True) == []
    assert all(kernel.next_hops(prefix) == hops for prefix, hops in wanted.items())


class TableBesideGuard(RuleBasedStateMachine):
    """The guard takes links out of groups that have carrier, and its news wait while routes change.

    Nothing that it took out comes back before it says so.
    """

    @initialize(wanted=tables)
    def begin(self, wanted: dict[str, frozenset[NextHop]]) -> None:
        self.kernel = ModelKernel()
        self.table = RouteTable(self.kernel, hear=self.read)
        self.lost: set[int] = set()
        self.unread: list[tuple[int, bool]] = []
        self.unheard: list[tuple[int, bool]] = []
        self.wanted = wanted
        assert self.table.update(wanted) == []

    def read(self) -> None:
        """What the controller does with news before it acts on them."""
        for link, usable in self.unread:
            if not usable:
                self.table.lose(link)
        self.unheard += self.unread
        self.unread = []

    @rule(link=st.sampled_from(LINKS))
    def guard(self, link: int) -> None:
        under_way = {usable for at, usable in [*self.unread, *self.unheard] if at == link}
        if link in self.lost:
            if under_way:
                return
            self.lost.remove(link)
            self.unread.append((link, True))
        else:
            if True in under_way:
                return
            assert self.kernel.execute(without_interface(self.kernel.dump().nexthops, link)) == []
            self.lost.add(link)
            self.unread.append((link, False))

    @rule(changed=st.dictionaries(prefixes, st.frozensets(st.sampled_from(HOPS))))
    def bgp(self, changed: dict[str, frozenset[NextHop]]) -> None:
        self.read()
        self.wanted |= changed
        assert self.table.update(changed) == []

    @rule()
    def hear_one(self) -> None:
        if not self.unheard:
            self.unheard, self.unread = self.unread[:1], self.unread[1:]
        for link, usable in self.unheard[:1]:
            assert self.table.link_changed(link, usable) == []
        self.unheard = self.unheard[1:]

    @rule()
    def hear_all(self) -> None:
        self.read()
        while self.unheard:
            self.hear_one()
        for prefix, hops in self.wanted.items():
            assert self.kernel.next_hops(prefix) == {hop for hop in hops if hop.ifindex not in self.lost}

    @invariant()
    def what_the_guard_took_out_stays_out(self) -> None:
        used = {hop.ifindex for prefix in self.kernel.routes for hop in self.kernel.next_hops(prefix)}
        assert used.isdisjoint(self.lost)


TableBesideGuard.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestTableBesideGuard = TableBesideGuard.TestCase
