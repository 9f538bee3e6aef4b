"""The forwarding table against a kernel in memory: random updates, links that come and go, adoption."""

import itertools
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from control.routes.fib import GROUP_IDS, NEXTHOP_IDS, Fib
from control.routes.messages import ROUTE_METRIC, RTPROT_BGP
from control.routes.model import (
    FAMILIES,
    DeleteGroup,
    DeleteNexthop,
    DeleteRoute,
    Installed,
    KernelNexthop,
    KernelRoute,
    NextHop,
    NextHops,
    Operation,
    Prefix,
    PutGroup,
    PutNexthop,
    PutRoute,
    PutUnreachable,
    RewriteGroup,
)
from control.routes.model_kernel import ModelKernel
from control.routes.table import RouteTable

LINKS = (11, 12, 13, 14)
IPV4 = [NextHop(f"169.254.{link}.1", link) for link in LINKS] + [NextHop("169.254.11.9", 11)]
IPV6 = [NextHop(f"fd00:169:{link}::1", link) for link in LINKS]
IPV4_PREFIXES = [f"10.{number}.0.0/16" for number in range(9)]
IPV6_PREFIXES = [f"fd{number:02x}::/48" for number in range(4)]
NONE: NextHops = frozenset()


def hops(*links: int) -> NextHops:
    return frozenset(IPV4[LINKS.index(link)] for link in links)


def changes(prefixes: list[Prefix], next_hops: list[NextHop]) -> st.SearchStrategy[dict[Prefix, NextHops]]:
    # Few distinct sets, so that groups part and meet often.
    sets = st.lists(st.frozensets(st.sampled_from(next_hops), max_size=4), min_size=1, max_size=3)
    return sets.flatmap(lambda some: st.dictionaries(st.sampled_from(prefixes), st.sampled_from(some)))


any_changes = st.builds(
    lambda ipv4, ipv6: {**ipv4, **ipv6}, changes(IPV4_PREFIXES, IPV4), changes(IPV6_PREFIXES, IPV6)
)


class FibAgainstKernel(RuleBasedStateMachine):
    """Whatever happens, the kernel holds what is wanted over the links that are up, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = ModelKernel()
        self.fib = Fib()
        self.wanted: dict[Prefix, NextHops] = {}
        self.lost: set[tuple[int, str]] = set()
        """Ways that only BFD gave up: the kernel knows nothing of them."""

    def over_up_links(self, wanted: NextHops) -> NextHops:
        usable = (hop for hop in wanted if (hop.ifindex, hop.family_name) not in self.lost)
        return frozenset(hop for hop in usable if hop.ifindex not in self.kernel.down)

    def carry_out(self, operations: list[Operation]) -> None:
        """One by one: a prefix that is not withdrawn goes by its old or its new next hops at every step."""
        before = {prefix: self.kernel.next_hops(prefix) for prefix in IPV4_PREFIXES + IPV6_PREFIXES}
        for operation in operations:
            assert self.kernel.execute([operation]) == []
            for prefix, old in before.items():
                new = self.over_up_links(self.wanted.get(prefix, NONE))
                assert not new or self.kernel.next_hops(prefix) in (old, new), operation

    @rule(changed=any_changes)
    def update(self, changed: dict[Prefix, NextHops]) -> None:
        routes = dict(self.kernel.routes)
        self.wanted.update(changed)
        self.carry_out(self.fib.update(changed))
        if not self.kernel.down and not self.lost:
            self.check_ids_stay(routes)

    @rule(wanted=any_changes)
    def reconcile(self, wanted: dict[Prefix, NextHops]) -> None:
        self.wanted = dict(wanted)
        self.carry_out(self.fib.reconcile(wanted))

    @rule(link=st.sampled_from(LINKS), told_first=st.booleans())
    def lose_link(self, link: int, told_first: bool) -> None:
        if told_first:
            assert self.kernel.execute(self.fib.link_down(link)) == []
            assert not any(hop.ifindex == link for hop in self.kernel.next_hop_of.values())
        self.kernel.link_down(link)
        assert self.kernel.execute(self.fib.link_down(link)) == []

    @rule(link=st.sampled_from(LINKS))
    def regain_link(self, link: int) -> None:
        self.kernel.link_up(link)
        self.lost -= {(link, family) for family in FAMILIES}
        self.fib.link_up(link)
        self.carry_out(self.fib.update({}))

    @rule(link=st.sampled_from(LINKS), family=st.sampled_from(FAMILIES))
    def lose_way(self, link: int, family: str) -> None:
        self.lost.add((link, family))
        for operation in self.fib.link_down(link, [family]):
            before = {prefix: self.kernel.next_hops(prefix) for prefix in self.kernel.routes}
            assert self.kernel.execute([operation]) == []
            for prefix, old in before.items():
                assert self.over_up_links(old) <= self.kernel.next_hops(prefix) <= old

    @precondition(lambda self: self.lost)
    @rule(data=st.data())
    def regain_way(self, data: st.DataObject) -> None:
        link, family = data.draw(st.sampled_from(sorted(self.lost)))
        self.lost.remove((link, family))
        if link not in self.kernel.down:
            self.fib.link_up(link, [family])
            self.carry_out(self.fib.update({}))

    @rule()
    def adopt(self) -> None:
        down = self.lost.union(itertools.product(self.kernel.down, FAMILIES))
        adopting = Fib.from_kernel(self.kernel.dump(), down)
        assert adopting.reconcile(self.wanted) == []
        self.fib = adopting

    @invariant()
    def kernel_is_as_wanted(self) -> None:
        wanted = {
            prefix: usable for prefix, hops in self.wanted.items() if (usable := self.over_up_links(hops))
        }
        assert {prefix: self.kernel.next_hops(prefix) for prefix in self.kernel.routes} == wanted
        assert {prefix: self.fib.group_id(prefix) for prefix in wanted} == self.kernel.routes
        sets = {hops for prefix, hops in self.wanted.items() if prefix in wanted}
        assert len(self.kernel.groups) == len(sets) == len(self.fib.groups)
        used = [hop for usable in set(wanted.values()) for hop in usable]
        assert sorted(self.kernel.next_hop_of.values()) == sorted(set(used))
        assert all(id in GROUP_IDS for id in self.kernel.groups)
        assert all(id in NEXTHOP_IDS for id in self.kernel.next_hop_of)

    def check_ids_stay(self, routes: dict[Prefix, int]) -> None:
        """The largest part of a group keeps its id, unless a group with more has come to the same set."""
        parts: dict[int, Counter[NextHops]] = {}
        for prefix, group in routes.items():
            if self.wanted[prefix]:
                parts.setdefault(group, Counter())[self.wanted[prefix]] += 1
        claims: dict[NextHops, dict[int, int]] = {}
        for group, part in parts.items():
            for wanted, count in part.items():
                if count == max(part.values()):
                    claims.setdefault(wanted, {})[group] = count
        for wanted, claim in claims.items():
            group = max(claim, key=claim.__getitem__)
            sole_part = list(parts[group].values()).count(claim[group]) == 1
            sole_group = list(claim.values()).count(claim[group]) == 1
            if sole_part and sole_group:
                kept = {p for p, old in routes.items() if old == group and self.wanted[p] == wanted}
                assert {self.kernel.routes[p] for p in kept} == {group}


FibAgainstKernel.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestFibAgainstKernel = FibAgainstKernel.TestCase


class TableAgainstKernel(RuleBasedStateMachine):
    """Links change behind the table's back; once it has heard of all, everything is as wanted."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = ModelKernel()
        self.table = RouteTable(self.kernel)
        self.wanted: dict[Prefix, NextHops] = {}
        self.unheard: list[tuple[int, bool]] = []

    @rule(changed=any_changes)
    def update(self, changed: dict[Prefix, NextHops]) -> None:
        self.wanted.update(changed)
        self.table.update(changed)

    @rule(link=st.sampled_from(LINKS))
    def toggle(self, link: int) -> None:
        usable = link in self.kernel.down
        if usable:
            self.kernel.link_up(link)
        else:
            self.kernel.link_down(link)
        self.unheard.append((link, usable))

    @rule(overflow=st.booleans())
    def hear(self, overflow: bool) -> None:
        heard = {link: (link, usable) for link, usable in self.unheard} if overflow else None
        for link, usable in heard.values() if heard is not None else self.unheard:
            self.table.link_changed(link, usable)
        self.unheard = []
        if overflow:
            assert self.table.check() == []
        assert self.table.update({}) == []
        expected = {
            prefix: usable_hops
            for prefix, wanted in self.wanted.items()
            if (usable_hops := frozenset(hop for hop in wanted if hop.ifindex not in self.kernel.down))
        }
        assert {prefix: self.kernel.next_hops(prefix) for prefix in self.kernel.routes} == expected


TableAgainstKernel.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestTableAgainstKernel = TableAgainstKernel.TestCase


def test_first_routes_come_in_the_order_the_kernel_needs() -> None:
    first, second = NEXTHOP_IDS.start, NEXTHOP_IDS.start + 1
    group = GROUP_IDS.start
    assert Fib().update({"10.0.0.0/8": hops(11, 12)}) == [
        PutNexthop(first, IPV4[0]),
        PutNexthop(second, IPV4[1]),
        PutGroup(group, (first, second)),
        PutRoute("10.0.0.0/8", group),
    ]


def test_a_changed_set_rewrites_one_group_whatever_the_number_of_prefixes() -> None:
    fib = Fib()
    prefixes = [f"10.{number}.0.0/16" for number in range(200)]
    fib.update(dict.fromkeys(prefixes, hops(11, 12)))
    group = GROUP_IDS.start
    assert fib.link_down(11) == [DeleteNexthop(1000)]
    assert fib.groups == {group: hops(12)}
    assert fib.update(dict.fromkeys(prefixes, hops(12))) == []
    assert fib.update(dict.fromkeys(prefixes, hops(12, 13))) == [
        PutNexthop(1002, IPV4[2]),
        RewriteGroup(group, (1001, 1002)),
    ]


def test_the_last_member_takes_group_and_routes_along_until_an_update() -> None:
    fib = Fib()
    fib.update({"10.0.0.0/8": hops(11)})
    group = GROUP_IDS.start
    assert fib.link_down(11) == [DeleteNexthop(1000)]
    assert fib.group_id("10.0.0.0/8") is None
    fib.link_up(11)
    back = [PutNexthop(1000, IPV4[0]), PutGroup(group, (1000,)), PutRoute("10.0.0.0/8", group)]
    assert fib.update({}) == back


def test_routes_the_kernel_dropped_unheard_come_back_when_their_group_is_rewritten() -> None:
    kernel = ModelKernel()
    table = RouteTable(kernel)
    prefixes = ["10.1.0.0/16", "10.2.0.0/16"]
    table.update(dict.fromkeys(prefixes, hops(11)))
    kernel.link_down(11)
    assert table.update(dict.fromkeys(prefixes, hops(12))) == []
    assert [kernel.next_hops(prefix) for prefix in prefixes] == [hops(12)] * 2


def test_a_way_lost_in_one_family_is_lost_in_no_other() -> None:
    kernel = ModelKernel()
    table = RouteTable(kernel)
    table.update({"10.1.0.0/16": hops(11, 12), "fd01::/48": frozenset(IPV6[:2])})
    table.link_changed(11, False, ["ipv6"])
    assert kernel.next_hops("10.1.0.0/16") == hops(11, 12)
    assert kernel.next_hops("fd01::/48") == {IPV6[1]}
    table.link_changed(11, False, ["ipv4"])
    table.link_changed(11, True, ["ipv6"])
    assert kernel.next_hops("10.1.0.0/16") == hops(12)
    assert kernel.next_hops("fd01::/48") == set(IPV6[:2])


def test_an_originated_prefix_is_unreachable_once_also_after_adoption() -> None:
    kernel = ModelKernel()
    fib = Fib()
    operations = fib.originate(["10.1.0.0/16", "fd01::/48"])
    assert operations == [PutUnreachable("10.1.0.0/16"), PutUnreachable("fd01::/48")]
    kernel.execute(operations)
    adopting = Fib.from_kernel(kernel.dump())
    assert adopting.originate(["fd01::/48", "10.1.0.0/16"]) == []
    kernel.execute(adopting.originate(["fd01::/48"]))
    assert kernel.unreachable == {"fd01::/48"}


def test_adoption_removes_what_it_cannot_use_only_at_reconcile() -> None:
    duplicate = KernelNexthop(1001, RTPROT_BGP, IPV4[0])
    found = Installed(
        [
            KernelNexthop(1000, RTPROT_BGP, IPV4[0]),
            duplicate,
            KernelNexthop(7, RTPROT_BGP),
            KernelNexthop(GROUP_IDS.start, RTPROT_BGP, members=(1001,)),
        ],
        [
            KernelRoute("10.1.0.0/16", RTPROT_BGP, ROUTE_METRIC, GROUP_IDS.start),
            KernelRoute("10.2.0.0/16", RTPROT_BGP, ROUTE_METRIC),
            KernelRoute("10.3.0.0/16", RTPROT_BGP, 5, GROUP_IDS.start),
        ],
    )
    fib = Fib.from_kernel(found)
    group = GROUP_IDS.start + 1
    assert fib.update({"10.1.0.0/16": hops(11)}) == [PutGroup(group, (1000,)), PutRoute("10.1.0.0/16", group)]
    assert fib.reconcile({"10.1.0.0/16": hops(11)}) == [
        DeleteRoute("10.2.0.0/16"),
        DeleteGroup(GROUP_IDS.start),
        DeleteNexthop(1001),
        DeleteNexthop(7),
    ]
