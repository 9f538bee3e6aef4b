"""Linux itself: groups, carrier, routes in namespaces joined by veth pairs."""

import contextlib
import errno
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from select import select
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control.guard.reaction import LOOK_UP_AGAIN, without_interface
from control.routes.fib import GROUP_IDS, NEXTHOP_IDS, Fib
from control.routes.kernel import NetlinkKernel
from control.routes.model import (
    FAMILIES,
    DeleteGroup,
    DeleteNexthop,
    DeleteRoute,
    DeleteUnreachable,
    NextHop,
    NextHops,
    Operation,
    PutGroup,
    PutNexthop,
    PutRoute,
    PutUnreachable,
    RewriteGroup,
)
from control.routes.model_kernel import ModelKernel
from control.routes.table import RouteTable
from dataplane.link_state import IFLA_IFALIAS, RTM_NEWLINK, LinkMonitor, LinkState, dump_links, get_link
from dataplane.namespace import inside
from dataplane.netlink import NetlinkSocket, Request, encode_attribute

pytestmark = pytest.mark.lab

NEAR, FAR = f"routes-near-{os.getpid()}", f"routes-far-{os.getpid()}"
IP_PKTINFO = 8
"""Of linux/in.h."""
LINKS = (11, 12, 13, 14)
"""Interface indexes at the near end; at the far end 100 more, or the kernel would hold carrier loss back."""


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def write_sysctl(namespace: str, name: str, value: int) -> None:
    """Without sysctl(8), which a minimal machine lacks."""
    ip("netns", "exec", namespace, "sh", "-c", f"echo {value} >/proc/sys/net/{name}")


def set_far(link: int, state: str) -> None:
    """Take carrier from the near end of a link, or give it back."""
    ip("-n", FAR, "link", "set", f"f{link}", state)


@pytest.fixture(scope="module")
def namespaces() -> Iterator[None]:
    try:
        for namespace in (NEAR, FAR):
            ip("netns", "add", namespace)
            write_sysctl(namespace, "ipv4/nexthop_compat_mode", 0)
            write_sysctl(namespace, "ipv6/conf/default/accept_dad", 0)
            for family in ("ipv4", "ipv6"):
                write_sysctl(namespace, f"{family}/fib_multipath_hash_policy", 1)
            ip("-n", namespace, "link", "set", "lo", "up")
        for link in LINKS:
            near, far = f"n{link}", f"f{link}"
            pair = ["type", "veth", "peer", "name", far, "index", str(link + 100), "netns", FAR]
            ip("-n", NEAR, "link", "add", near, "index", str(link), *pair)
            ip("-n", NEAR, "address", "add", f"169.254.{link}.0/31", "dev", near)
            ip("-n", NEAR, "address", "add", f"fd00:169:{link}::/127", "dev", near)
            ip("-n", NEAR, "link", "set", near, "up")
            # A port that goes down and up again keeps its IPv6 address only if told to.
            write_sysctl(NEAR, f"ipv6/conf/{near}/keep_addr_on_down", 1)
        yield
    finally:
        for namespace in (NEAR, FAR):
            subprocess.run(["ip", "netns", "delete", namespace], check=False)


@pytest.fixture
def monitor(namespaces: None) -> Iterator[LinkMonitor]:
    """Watches the near namespace; all links are up, and what a test before left is gone."""
    watch = LinkMonitor(NEAR)
    try:
        for link in LINKS:
            set_far(link, "up")
            hear(watch, link, usable=True)
        ip("-n", NEAR, "nexthop", "flush")
        for family in ("-4", "-6"):
            ip("-n", NEAR, family, "route", "flush", "proto", "bgp")
        yield watch
    finally:
        watch.close()


@pytest.fixture
def kernel(monitor: LinkMonitor) -> Iterator[NetlinkKernel]:
    kernel = NetlinkKernel(NEAR)
    try:
        yield kernel
    finally:
        kernel.close()


def down(link: int) -> list[tuple[int, str]]:
    return [(link, family) for family in FAMILIES]


def hear(monitor: LinkMonitor, link: int, usable: bool) -> None:
    """Wait until the monitor has heard that a link is usable, or is not."""
    while monitor.links[link].usable != usable:
        readable, _, _ = select([monitor], [], [], 5)
        assert readable, f"no event for link {link} in 5 s"
        monitor.read()


def via(family: int, *links: int) -> NextHops:
    gateways = {4: "169.254.{}.1", 6: "fd00:169:{}::1"}
    return frozenset(NextHop(gateways[family].format(link), link) for link in links)


def members(group: int) -> int:
    """How many nexthops iproute2 counts in a group."""
    return ip("-n", NEAR, "nexthop", "show", "id", str(group)).split("group ")[1].split()[0].count("/") + 1


@pytest.mark.parametrize(("family", "prefix"), [(4, "10.2.0.0/16"), (6, "fd02::/48")])
def test_a_group_of_four_loses_a_link_and_gets_it_back(
    kernel: NetlinkKernel, monitor: LinkMonitor, family: int, prefix: str
) -> None:
    table = RouteTable(kernel)
    assert table.update({prefix: via(family, *LINKS)}) == []
    group = table.fib.group_id(prefix)
    assert group is not None
    assert f"nhid {group} " in ip("-n", NEAR, f"-{family}", "route", "show", prefix)
    assert members(group) == 4

    set_far(12, "down")
    hear(monitor, 12, usable=False)
    assert members(group) == 3
    assert table.link_changed(12, usable=False) == []
    assert (
        Fib.from_kernel(kernel.dump(), down(12)).groups
        == table.fib.groups
        == {group: via(family, 11, 13, 14)}
    )

    set_far(12, "up")
    hear(monitor, 12, usable=True)
    assert members(group) == 3
    assert table.link_changed(12, usable=True) == []
    assert members(group) == 4
    assert f"nhid {group} " in ip("-n", NEAR, f"-{family}", "route", "show", prefix)


@pytest.mark.parametrize(("family", "prefix"), [(4, "10.2.0.0/16"), (6, "fd02::/48")])
def test_the_last_member_takes_the_routes_and_the_next_update_brings_them_back(
    kernel: NetlinkKernel, monitor: LinkMonitor, family: int, prefix: str
) -> None:
    table = RouteTable(kernel)
    assert table.update({prefix: via(family, 13)}) == []
    set_far(13, "down")
    hear(monitor, 13, usable=False)
    assert kernel.dump() == ([], [])
    assert table.link_changed(13, usable=False) == []
    assert table.fib.groups == {}
    set_far(13, "up")
    hear(monitor, 13, usable=True)
    assert kernel.dump() == ([], [])
    assert table.link_changed(13, usable=True) == []
    assert f"nhid {table.fib.group_id(prefix)} " in ip("-n", NEAR, f"-{family}", "route", "show", prefix)


@pytest.mark.parametrize(
    ("family", "prefix", "option"),
    [
        (4, "10.2.0.0/16", (socket.IPPROTO_IP, IP_PKTINFO)),
        (6, "fd02::/48", (socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO)),
    ],
)
def test_a_next_hop_that_is_deleted_carries_nothing_more_and_nothing_is_lost(
    kernel: NetlinkKernel, family: int, prefix: str, option: tuple[int, int]
) -> None:
    """Also of connected sockets, which keep the way that they found: BGP's are such."""
    destination = {4: "10.2.0.1", 6: "fd02::1"}[family]
    for link in LINKS:
        (next_hop,) = via(family, link)
        length = {4: 31, 6: 127}[family]
        ip("-n", FAR, "address", "replace", f"{next_hop.gateway}/{length}", "dev", f"f{link}")
    ip("-n", FAR, "address", "replace", destination, "dev", "lo")
    assert RouteTable(kernel).update({prefix: via(family, *LINKS)}) == []
    domain = socket.AF_INET if family == 4 else socket.AF_INET6
    with contextlib.ExitStack() as stack:
        with inside(FAR):
            receiver = stack.enter_context(socket.socket(domain, socket.SOCK_DGRAM))
        receiver.bind((destination, 0))
        receiver.setsockopt(*option, 1)
        receiver.settimeout(5)
        with inside(NEAR):
            senders = [stack.enter_context(socket.socket(domain, socket.SOCK_DGRAM)) for _ in range(40)]
        for sender in senders:
            sender.connect(receiver.getsockname())

        def arrivals() -> set[int]:
            """The links over which one packet of each sender came."""
            links = set()
            for sender in senders:
                sender.send(b"")
                _, ((_, _, where),), _, _ = receiver.recvmsg(0, 100)
                links.add(int.from_bytes(where[:4] if family == 4 else where[16:20], sys.byteorder) - 100)
            return links

        assert arrivals() == set(LINKS)
        assert kernel.execute([*without_interface(kernel.nexthops(), 12), *LOOK_UP_AGAIN]) == []
        assert arrivals() == {11, 13, 14}


def test_an_update_ahead_of_the_news_of_a_cut_is_put_right(
    kernel: NetlinkKernel, monitor: LinkMonitor
) -> None:
    table = RouteTable(kernel)
    set_far(14, "down")
    hear(monitor, 14, usable=False)
    refused = table.update({"10.2.0.0/16": via(4, 13, 14)})
    assert "Carrier for nexthop device is down" in [refusal.reason for refusal in refused]
    assert table.link_changed(14, usable=False) == []
    assert table.fib.groups == Fib.from_kernel(kernel.dump(), down(14)).groups
    assert set(table.fib.groups.values()) == {via(4, 13)}


def test_ten_thousand_prefixes_share_one_group_and_are_adopted(kernel: NetlinkKernel) -> None:
    wanted = {f"20.{number >> 8}.{number & 255}.0/24": via(4, *LINKS) for number in range(10_000)}
    table = RouteTable(kernel)
    assert table.update(wanted) == []
    installed = kernel.dump()
    assert {route.prefix for route in installed.routes} == wanted.keys()
    assert len(installed.nexthops) == 5
    adopting = RouteTable(kernel)
    assert adopting.fib.reconcile(wanted) == []
    assert adopting.reconcile({}) == []
    assert kernel.dump() == ([], [])


def test_originated_prefixes_are_unreachable_and_yield_to_learned_ones(kernel: NetlinkKernel) -> None:
    table = RouteTable(kernel)
    assert table.originate(["10.1.0.0/16", "fd01::/48"]) == []
    assert table.update({"10.1.0.0/16": via(4, 11)}) == []
    assert "via 169.254.11.1" in ip("-n", NEAR, "route", "get", "10.1.2.3")
    assert "unreachable fd01::/48" in ip("-n", NEAR, "-6", "route", "show", "type", "unreachable")
    assert RouteTable(kernel).fib.originate(["10.1.0.0/16", "fd01::/48"]) == []
    assert table.reconcile({}) == []
    assert table.originate([]) == []
    assert kernel.dump() == ([], [])


def test_every_refusal_of_a_batch_is_told_with_what_it_was_for(kernel: NetlinkKernel) -> None:
    group, nexthop = GROUP_IDS.start, NEXTHOP_IDS.start
    lost = [PutRoute(f"10.{number}.0.0/16", group) for number in range(256)] * 3
    good: list[Operation] = [
        DeleteRoute("10.9.0.0/16"),
        DeleteGroup(5),
        PutNexthop(nexthop, NextHop("169.254.11.1", 11)),
        PutGroup(group, (nexthop,)),
        PutRoute("10.7.0.0/16", group),
    ]
    refused = kernel.execute([*lost, *good])
    assert [refusal.operation for refusal in refused] == lost
    assert {refusal.reason for refusal in refused} == {"Nexthop id does not exist"}
    assert [route.prefix for route in kernel.dump().routes] == ["10.7.0.0/16"]


HOPS = [NextHop(f"169.254.{link}.1", link) for link in LINKS]
NEXTHOPS = st.sampled_from(range(NEXTHOP_IDS.start, NEXTHOP_IDS.start + 4))
GROUPS = st.sampled_from(range(GROUP_IDS.start, GROUP_IDS.start + 3))
PREFIXES = st.sampled_from(["10.1.0.0/16", "10.1.2.0/24", "0.0.0.0/0"])
OPERATIONS: st.SearchStrategy[Operation] = st.one_of(
    st.builds(PutNexthop, NEXTHOPS, st.sampled_from(HOPS)),
    st.builds(PutGroup, GROUPS, st.lists(NEXTHOPS, min_size=1, max_size=4, unique=True).map(tuple)),
    st.builds(RewriteGroup, GROUPS, st.lists(NEXTHOPS, min_size=1, max_size=4, unique=True).map(tuple)),
    st.builds(PutRoute, PREFIXES, GROUPS),
    st.builds(PutUnreachable, PREFIXES),
    st.builds(DeleteRoute, PREFIXES),
    st.builds(DeleteUnreachable, PREFIXES),
    st.builds(DeleteGroup, GROUPS),
    st.builds(DeleteNexthop, NEXTHOPS),
)


SetLink: TypeAlias = tuple[int, bool]
STEPS: st.SearchStrategy[Operation | SetLink] = st.one_of(
    OPERATIONS, st.tuples(st.sampled_from(LINKS[:2]), st.booleans())
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=30))
def test_the_kernel_in_memory_does_as_linux_does(
    kernel: NetlinkKernel, steps: list[Operation | SetLink]
) -> None:
    model = ModelKernel()
    with NetlinkSocket(NEAR) as netlink:
        try:
            for step in steps:
                if isinstance(step, tuple):
                    link, up = step
                    assert netlink.execute([set_link(link, up)]) == []
                    (model.link_up if up else model.link_down)(link)
                else:
                    refused = [refusal.operation for refusal in kernel.execute([step])]
                    assert refused == [refusal.operation for refusal in model.execute([step])]
            linux, memory = kernel.dump(), model.dump()
            assert sorted(map(str, linux.nexthops)) == sorted(map(str, memory.nexthops))
            assert sorted(map(str, linux.routes)) == sorted(map(str, memory.routes))
        finally:
            found = kernel.dump()
            kernel.execute([DeleteNexthop(nexthop.id) for nexthop in found.nexthops])
            kernel.execute([DeleteUnreachable(route.prefix) for route in found.routes if route.unreachable])
            netlink.execute([set_link(link, True) for link in LINKS])


def set_link(link: int, up: bool) -> Request:
    """Take a link of the near namespace up or down there."""
    return Request(RTM_NEWLINK, 0, struct.pack("=BxHiII", 0, 0, link, up, 1), f"set link {link}")


def test_links_are_found_by_index_and_name(namespaces: None) -> None:
    with NetlinkSocket(NEAR) as netlink:
        link = get_link(netlink, 11)
        assert link is not None
        assert (link.name, link.mtu, len(link.mac)) == ("n11", 1500, 6)
        assert get_link(netlink, "n11") == link
        assert link in dump_links(netlink)
        assert get_link(netlink, "nope") is None
        assert get_link(netlink, 99) is None


def add_extra_link() -> None:
    ip(
        "-n",
        NEAR,
        "link",
        "add",
        "extra",
        "index",
        "40",
        "type",
        "veth",
        "peer",
        "name",
        "extra2",
        "index",
        "41",
    )


def test_the_monitor_tells_of_new_changed_and_deleted_links(monitor: LinkMonitor) -> None:
    add_extra_link()
    ip("-n", NEAR, "link", "set", "extra", "up")
    ip("-n", NEAR, "link", "set", "extra", "alias", "for a while")  # announced for links that are up only
    ip("-n", NEAR, "link", "delete", "extra")
    seen = [state for state in monitor.read() if state.ifindex == 40]
    assert [seen[0].name, seen[0].present, seen[0].admin_up] == ["extra", True, False]
    assert "for a while" in [state.alias for state in seen]
    assert seen[-1] == LinkState(40, "extra", False, False, present=False)
    assert 40 not in monitor.links


def test_the_monitor_makes_up_for_events_the_kernel_dropped(monitor: LinkMonitor) -> None:
    add_extra_link()
    monitor.read()
    link = struct.pack("=BxHiII", 0, 0, 11, 0, 0)
    alias = (
        Request(RTM_NEWLINK, 0, link + encode_attribute(IFLA_IFALIAS, f"{number:07}".encode()), "alias")
        for number in range(12_000)
    )
    with NetlinkSocket(NEAR) as netlink:
        assert netlink.execute(alias) == []
    ip("-n", NEAR, "link", "delete", "extra")
    seen = monitor.read()
    assert monitor.overflows == 1
    assert monitor.links[11].alias == "0011999"
    assert LinkState(40, "extra", False, False, present=False) in seen
    assert {40, 41}.isdisjoint(monitor.links)


def test_a_question_the_kernel_refuses_raises_its_words(namespaces: None) -> None:
    with NetlinkSocket(NEAR) as netlink, pytest.raises(OSError, match="nvalid") as caught:
        netlink.dump(106, b"\0\xff\0\0\0\0\0\0")
    assert caught.value.errno == errno.EINVAL
