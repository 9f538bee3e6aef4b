"""Links over interfaces of nodes, TAP or veth: carrier as nodes see it, names, what is left behind."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataplane.client import EngineClient
from dataplane.engine import Engine
from dataplane.interface import CarrierEvent, LinkError
from dataplane.link_state import LinkState, get_link
from dataplane.links.link import WIRE_COUNTERS
from dataplane.links.specification import (
    EndSpecification,
    FaultMode,
    LinkSpecification,
    MacsecSpecification,
    PortType,
)
from dataplane.namespace import run_in_namespace
from dataplane.netlink import NetlinkSocket
from tests.engine.bench import A_MAC, ARRIVAL_TIMEOUT_S, B_MAC, attend_until, carriers_into, descriptors
from tests.engine.serving import Serving
from tests.waiting import eventually

pytestmark = pytest.mark.lab

NAMESPACES = (f"enginetests-a-{os.getpid()}", f"enginetests-b-{os.getpid()}")
ETHERTYPE = 0x88B5  # IEEE Std 802 local experimental


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def set_link(end: int, state: str, interface: str = "eth1") -> None:
    ip("-n", NAMESPACES[end], "link", "set", interface, state)


def link_specification(
    name: str = "ch1", interface: str = "eth1", mtu: int = 1500, port: PortType = PortType.TAP
) -> LinkSpecification:
    first, second = (
        EndSpecification(node, namespace, interface, mac, port)
        for node, namespace, mac in zip("ab", NAMESPACES, (A_MAC, B_MAC), strict=True)
    )
    return LinkSpecification(name, (first, second), mtu, MacsecSpecification())


@pytest.fixture
def namespaces() -> Iterator[None]:
    try:
        for namespace in NAMESPACES:
            ip("netns", "add", namespace)
            sysctl = ["sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"]
            ip("netns", "exec", namespace, *sysctl)  # no frames but the tests'
        yield
    finally:
        for namespace in NAMESPACES:
            subprocess.run(["ip", "netns", "delete", namespace], check=False, capture_output=True)


class Taps:
    """An engine with the link ch1 between ports named eth1 of one type."""

    def __init__(self, port: PortType) -> None:
        self.port = port
        self.events: list[CarrierEvent] = []
        self.engine = Engine(workers=2, on_event=carriers_into(self.events))
        self.add_link()

    def add_link(self, name: str = "ch1", interface: str = "eth1") -> None:
        self.engine.add_link(link_specification(name, interface, port=self.port))

    def attend_until(self, *carriers: bool) -> None:
        """Serves the engine as its owner does, until the ports have these carriers."""
        attend_until(self.engine, lambda: self.carriers() == list(carriers))

    def carriers(self) -> list[bool]:
        """By the engine's word."""
        return [end.carrier for end in self.engine.links()[0].ends]

    def up(self) -> None:
        for end in (0, 1):
            set_link(end, "up")
        self.attend_until(True, True)

    def told(self) -> list[tuple[str, bool]]:
        """The events since the last call."""
        events = [(event.node, event.carrier) for event in self.events]
        self.events.clear()
        return events


@pytest.fixture(params=PortType)
def taps(namespaces: None, request: pytest.FixtureRequest) -> Iterator[Taps]:
    taps = Taps(request.param)
    yield taps
    taps.engine.close()


def kernel_link(end: int, interface: str = "eth1") -> LinkState | None:
    """The interface by the word of the namespace it is in."""
    with NetlinkSocket(NAMESPACES[end]) as netlink:
        return get_link(netlink, interface)


def kernel_carriers() -> list[bool]:
    return [bool((link := kernel_link(end)) and link.carrier) for end in (0, 1)]


def raw_socket(end: int, protocol: int = ETHERTYPE) -> socket.socket:
    """A packet socket on the interface at that end for frames of an EtherType, or ETH_P_ALL."""

    def make() -> socket.socket:
        packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
        packets.bind(("eth1", protocol))
        packets.settimeout(ARRIVAL_TIMEOUT_S)
        return packets

    return run_in_namespace(NAMESPACES[end], make)


def frame_of(octets: int) -> bytes:
    return (B_MAC + A_MAC + ETHERTYPE.to_bytes(2, "big") + bytes(range(256)) * 300)[:octets]


def test_a_port_is_born_without_carrier_and_down(taps: Taps) -> None:
    for end in (0, 1):
        link = kernel_link(end)
        assert link is not None
        assert (link.admin_up, link.carrier) == (False, False)
        assert taps.engine.links()[0].ends[end].ifindex == link.ifindex
    assert taps.told() == []


def test_an_interface_that_is_up_gives_the_far_end_carrier(taps: Taps) -> None:
    set_link(0, "up")
    taps.attend_until(False, True)
    # A veth that is down senses nothing, a TAP device that is down senses carrier.
    assert kernel_carriers() == [False, taps.port is PortType.TAP]
    set_link(1, "up")
    taps.attend_until(True, True)
    assert kernel_carriers() == [True, True]
    assert taps.told() == [("b", True), ("a", True)]


@pytest.mark.parametrize("end", [0, 1])
def test_an_interface_taken_down_takes_the_far_ends_carrier_and_gives_it_back(taps: Taps, end: int) -> None:
    taps.up()
    taps.told()
    set_link(end, "down")
    taps.attend_until(end == 0, end == 1)
    far = "ba"[end]
    assert taps.told() == [(far, False)]
    link = kernel_link(1 - end)
    assert link is not None
    assert (link.admin_up, link.carrier) == (True, False)
    set_link(end, "up")
    taps.attend_until(True, True)
    assert kernel_carriers() == [True, True]
    assert taps.told() == [(far, True)]


def test_a_cut_takes_both_carriers_and_leaves_the_interfaces_up(taps: Taps) -> None:
    taps.up()
    taps.engine.set_fault("ch1", FaultMode.CARRIER)
    assert kernel_carriers() == [False, False]
    assert all((link := kernel_link(end)) and link.admin_up for end in (0, 1))
    taps.engine.clear_fault("ch1")
    assert kernel_carriers() == [True, True]


def test_an_interface_that_changes_its_name_keeps_its_link(taps: Taps) -> None:
    taps.up()
    set_link(0, "down")
    taps.attend_until(True, False)
    ip("-n", NAMESPACES[0], "link", "set", "eth1", "name", "other")
    set_link(0, "up", "other")
    taps.attend_until(True, True)


def test_an_interface_that_is_deleted_takes_the_far_ends_carrier_for_good(taps: Taps) -> None:
    taps.up()
    ip("-n", NAMESPACES[0], "link", "delete", "eth1")
    attend_until(taps.engine, lambda: not taps.carriers()[1])
    taps.engine.set_fault("ch1", FaultMode.CARRIER)
    taps.engine.clear_fault("ch1")
    assert not taps.carriers()[1]
    taps.engine.remove_link("ch1")
    taps.add_link()
    taps.up()


def test_deleting_the_namespace_of_one_end_is_survived(taps: Taps) -> None:
    taps.up()
    ip("netns", "delete", NAMESPACES[0])
    taps.engine.attend()
    taps.engine.set_fault("ch1", FaultMode.CARRIER)
    taps.engine.clear_fault("ch1")
    assert taps.engine.links()[0].name == "ch1"
    with pytest.raises(LinkError, match=f"link ch2: no network namespace {NAMESPACES[0]}"):
        taps.add_link("ch2", "eth2")
    taps.engine.remove_link("ch1")
    assert kernel_link(1) is None
    assert taps.engine.links() == []


def test_tap_devices_that_are_left_outlive_the_engine_without_carrier(namespaces: None) -> None:
    taps = Taps(PortType.TAP)
    taps.up()
    taps.engine.leave_devices()
    taps.engine.close()
    for end in (0, 1):
        link = kernel_link(end)
        assert link is not None
        assert (link.admin_up, link.carrier) == (True, False)


TAKERS = [
    ["link", "add", "eth1", "type", "veth", "peer", "name", "eth9"],
    ["tuntap", "add", "eth1", "mode", "tap"],
]


@pytest.mark.parametrize("taker", TAKERS, ids=["veth", "persistent-tap"])
def test_a_name_that_is_taken_is_refused_and_nothing_is_left(namespaces: None, taker: list[str]) -> None:
    ip("-n", NAMESPACES[1], *taker)
    engine = Engine(workers=1)
    try:
        before = descriptors()
        with pytest.raises(LinkError, match=r"^link ch1: no TAP device eth1: that name is taken") as refused:
            engine.add_link(link_specification())
        assert NAMESPACES[1] in str(refused.value)
        assert kernel_link(0) is None
        assert engine.links() == []
        assert kernel_link(1) is not None
        assert descriptors() == before
        ip("-n", NAMESPACES[1], "link", "delete", "eth1")
        engine.add_link(link_specification())
    finally:
        engine.close()
    assert (kernel_link(0), kernel_link(1)) == (None, None)


def test_a_name_that_another_link_has_is_refused(taps: Taps) -> None:
    with pytest.raises(LinkError, match=r"link ch2: no .* eth1: that name is taken"):
        taps.add_link("ch2")
    taps.up()


@pytest.mark.parametrize("interface", ["", "a" * 16, "eth/1", "tap%d", "ä" * 8])
def test_a_name_that_no_interface_can_have_is_refused(namespaces: None, interface: str) -> None:
    engine = Engine(workers=1)
    try:
        before = descriptors()
        with pytest.raises(LinkError, match=r"^link ch1: "):
            engine.add_link(link_specification(interface=interface))
        assert descriptors() == before
        assert ip("-n", NAMESPACES[0], "-o", "link").count("\n") == 1  # the loopback
    finally:
        engine.close()


def test_frames_up_to_the_mtu_cross_and_longer_ones_are_counted(taps: Taps) -> None:
    for end in (0, 1):
        ip("-n", NAMESPACES[end], "link", "set", "eth1", "mtu", "3000")  # more than the link was made for
    taps.up()
    wire = taps.engine.counters("ch1").wires[0]
    too_long = WIRE_COUNTERS.index("drop_too_long")
    with raw_socket(0) as near, raw_socket(1) as far:
        for octets in (60, 1514, 1518):
            near.send(frame_of(octets))
            assert far.recv(4096) == frame_of(octets)
        for octets in (1519, 1520, 3014):
            near.send(frame_of(octets))
        near.send(frame_of(61))
        assert far.recv(4096) == frame_of(61)
        assert wire[too_long] == 3


def test_traffic_crosses_while_links_beside_it_come_and_go(taps: Taps) -> None:
    taps.up()
    with raw_socket(0) as near, raw_socket(1) as far:
        for number in range(10):
            taps.add_link("ch2", "eth2")
            near.send(frame_of(60 + number))
            assert far.recv(4096) == frame_of(60 + number)
            taps.engine.remove_link("ch2")
    assert taps.carriers() == [True, True]


def test_rounds_of_adding_and_removing_leak_no_descriptor(namespaces: None) -> None:
    engine = Engine(workers=2)
    try:
        before = descriptors()
        for _ in range(100):
            engine.add_link(link_specification())
            engine.remove_link("ch1")
        assert descriptors() == before
        assert kernel_link(0) is None
        engine.add_link(link_specification())  # while it is watched, too
        before = descriptors()
        for _ in range(10):
            with pytest.raises(LinkError):
                engine.add_link(link_specification("ch2"))
        assert descriptors() == before
    finally:
        engine.close()


def test_the_service_hears_interfaces_and_loses_no_descriptor(namespaces: None, tmp_path: Path) -> None:
    serving = Serving(tmp_path)
    try:
        client = EngineClient(serving.socket_path)
        client.remove_link("ch1")
        client.add_link(link_specification())
        for end in (0, 1):
            set_link(end, "up")
        eventually(lambda: all(end.carrier for end in client.links()[0].ends))
        client.remove_link("ch1")
        before = descriptors()
        for _ in range(20):
            client.add_link(link_specification())
            client.remove_link("ch1")
        assert descriptors() == before
        client.close()
    finally:
        serving.stop()
