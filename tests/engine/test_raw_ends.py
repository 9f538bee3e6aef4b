"""Links whose second end is a device of the machine: a veth pair stands for the NIC and its cable."""

import json
import os
import signal
import socket
import subprocess
from array import array
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dataplane.engine import Engine
from dataplane.interface import LinkError
from dataplane.links.secys import sci_of
from dataplane.links.specification import EndSpecification, LinkSpecification, MacsecSpecification, PortType
from dataplane.macsec.ledger import Ledger
from dataplane.macsec.reference import ReferenceSecY
from dataplane.macsec.sak import Sak
from dataplane.macsec.secy import SecYConfig
from dataplane.namespace import OWN_NAMESPACE
from dataplane.ports.ethtool import ask
from tests.engine.bench import A_MAC, ARRIVAL_TIMEOUT_S, B_MAC, attend_until
from tests.engine.process import engine_process
from tests.engine.test_tap import (
    NAMESPACES,
    frame_of,
    ip,
    kernel_carriers,
    namespaces,
    raw_socket,
    set_link,
)
from tests.macsec.traffic import sent, validated
from tests.waiting import eventually

pytestmark = pytest.mark.lab
__all__ = ["namespaces"]

NIC, BEYOND = f"qn{os.getpid()}", f"qb{os.getpid()}"
NIC_MTU = 1600
SAK = Sak(bytes(range(32)))
OUR_SCI, PEER_SCI = sci_of(A_MAC), sci_of(B_MAC)
MACSEC = MacsecSpecification(peer_sci=PEER_SCI.hex())
MACSEC_ETHERTYPE = 0x88E5
ETH_P_ALL = 3
ETHTOOL_SGRO = 0x2C


@pytest.fixture
def nic() -> Iterator[None]:
    """Both devices up and silent."""
    try:
        ip("link", "add", NIC, "type", "veth", "peer", "name", BEYOND)
        for device in (NIC, BEYOND):
            Path(f"/proc/sys/net/ipv6/conf/{device}/disable_ipv6").write_text("1")
            ip("link", "set", device, "mtu", str(NIC_MTU), "up")
        # Asking also starts the queues of a device that has carrier, which else may take the kernel 1 s.
        eventually(lambda: all("state UP" in ip("link", "show", device) for device in (NIC, BEYOND)))
        yield
    finally:
        subprocess.run(["ip", "link", "delete", NIC], check=False, capture_output=True)


@pytest.fixture
def engine(namespaces: None, nic: None, tmp_path: Path) -> Iterator[Engine]:
    with closing(Engine(workers=2, ledger=Ledger(tmp_path))) as engine:
        yield engine


def specification(
    port: PortType = PortType.TAP, macsec: MacsecSpecification | None = MACSEC, mtu: int = 1500
) -> LinkSpecification:
    node = EndSpecification("a", NAMESPACES[0], "eth1", A_MAC, port)
    raw = EndSpecification("ethernet", OWN_NAMESPACE, NIC, b"", port, raw=True)
    return LinkSpecification("out", (node, raw), mtu, macsec)


def far_station() -> socket.socket:
    """What is at the other end of the cable."""
    station = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    station.bind((BEYOND, ETH_P_ALL))
    station.settimeout(ARRIVAL_TIMEOUT_S)
    return station


def has_ipv6_loopback_route() -> bool:
    """On this machine: other tests may change its other routes meanwhile."""
    routes = [line.split() for line in Path("/proc/net/ipv6_route").read_text().splitlines()]
    return any((route[0], route[-1]) == ("1".zfill(32), "lo") for route in routes)


def up(engine: Engine) -> None:
    set_link(0, "up")
    attend_until(engine, lambda: kernel_carriers()[0])


def device() -> dict[str, Any]:
    """The NIC as ip(8) shows it: what it is set to, and nothing that merely happens to it."""
    found: dict[str, Any] = json.loads(ip("-j", "-d", "link", "show", NIC))[0]
    return {key: found.get(key) for key in ("flags", "promiscuity", "mtu", "address", "xdp", "operstate")}


@pytest.mark.parametrize("port", PortType)
def test_what_is_beyond_the_device_is_macsec_and_its_station_another_secy(
    engine: Engine, port: PortType
) -> None:
    engine.add_link(specification(port), SAK)
    up(engine)
    peer = ReferenceSecY(SecYConfig(PEER_SCI))
    peer.install_receive_sa(OUR_SCI, 0, SAK)
    peer.install_transmit_sa(0, SAK, 7)
    with raw_socket(0) as node, far_station() as station:
        for octets in (60, 1514):
            node.send(frame_of(octets))
            protected = station.recv(4096)
            assert int.from_bytes(protected[12:14]) == MACSEC_ETHERTYPE
            assert validated(peer, protected) == [frame_of(octets)]
            (answer,) = sent(peer, frame_of(octets))
            assert isinstance(answer, bytes)
            station.send(answer)
            assert node.recv(4096) == frame_of(octets)


def test_a_plain_link_leads_out_as_it_is_and_the_device_is_put_back(engine: Engine) -> None:
    before = device()
    engine.add_link(specification(macsec=None))
    assert device()["xdp"] is not None
    assert device()["promiscuity"] == before["promiscuity"] + 1
    up(engine)
    with raw_socket(0) as node, far_station() as station:
        node.send(frame_of(1514))
        assert station.recv(4096) == frame_of(1514)
        station.send(frame_of(333))
        assert node.recv(4096) == frame_of(333)
    engine.remove_link("out")
    assert device() == before
    engine.add_link(specification(macsec=None))  # the place at the queue is free again


def test_a_packet_socket_gets_plain_frames_only_as_they_were_sent(engine: Engine) -> None:
    link = specification(PortType.PACKET, macsec=None)
    before = device()
    for on in (1, 0):
        ask(NIC, array("I", [ETHTOOL_SGRO, on]))
        if on:
            with pytest.raises(LinkError, match=f"{NIC} puts frames together .*`ethtool -K {NIC} gro off"):
                engine.add_link(link)
            assert device() == before
    engine.add_link(link)


def test_a_killed_engine_leaves_the_device_as_it_was(namespaces: None, nic: None, tmp_path: Path) -> None:
    before = device()
    with engine_process(tmp_path) as (engine, process):
        engine.add_link(specification(), SAK)
        assert device() != before
        process.send_signal(signal.SIGKILL)
        process.wait()
        eventually(lambda: device() == before)


def test_the_nodes_carrier_follows_the_device(engine: Engine) -> None:
    engine.add_link(specification(macsec=None))
    up(engine)
    ip("link", "set", BEYOND, "down")
    attend_until(engine, lambda: not kernel_carriers()[0])
    ip("link", "set", BEYOND, "up")
    attend_until(engine, lambda: kernel_carriers()[0])


def test_the_machines_own_ipv6_routes_stay_when_devices_are_left(engine: Engine) -> None:
    engine.add_link(specification(macsec=None))
    assert has_ipv6_loopback_route()
    engine.leave_devices()
    assert has_ipv6_loopback_route()


def test_what_a_device_cannot_be_is_said(engine: Engine) -> None:
    link = specification()
    elsewhere = replace(link, ends=(link.ends[0], replace(link.ends[1], interface="qnone")))
    limit = NIC_MTU - 32
    for wrong, sak, sentence in (
        (specification(mtu=limit + 1), SAK, f"found mtu {limit + 1}, expected at most {limit}: {NIC} "),
        (link, None, "expected a given SAK and a peer_sci"),
        (replace(link, macsec=replace(MACSEC, peer_sci=None)), SAK, "expected a given SAK and a peer_sci"),
        (elsewhere, SAK, "no network device qnone"),
    ):
        with pytest.raises(LinkError, match=sentence):
            engine.add_link(wrong, sak)
    before = device()
    ip("address", "add", "192.0.2.1/24", "dev", NIC)
    with pytest.raises(LinkError, match=f"{NIC} has an address, expected a device that the machine"):
        engine.add_link(link, SAK)
    assert device() == before
    ip("address", "flush", "dev", NIC)
    engine.add_link(specification(mtu=limit), SAK)
