"""Ping between our SecY and the MACsec driver of Debian's kernel: every suite, encrypted and integrity-only.

Our end is an interface of a namespace whose frames the engine's worker threads protect and validate.
"""

import fcntl
import json
import os
import secrets
import select
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from dataplane._core import ffi, lib
from dataplane.engine import Engine
from dataplane.links.link import WIRE_SLOTS, check_core
from dataplane.links.specification import EndSpecification, LinkSpecification, MacsecSpecification
from dataplane.macsec.counters import counters_by_name, linux_counters
from dataplane.macsec.ledger import Ledger
from dataplane.macsec.native import NativeSecY
from dataplane.macsec.sak import Sak
from dataplane.macsec.secy import SecYConfig
from dataplane.macsec.suites import CIPHER_SUITES, GCM_AES_256, GCM_AES_XPN_256, SALT_OCTETS, CipherSuite
from dataplane.namespace import OWN_NAMESPACE, run_in_namespace
from dataplane.netlink import NetlinkSocket
from dataplane.ports.packet import packet_handle
from dataplane.ports.tap import IFF_NO_PI, IFF_TAP, TUN_DEVICE, TUNSETIFF, TapPort
from dataplane.probes.echo import EchoSocket
from tests.engine.bench import attend_until
from tests.peers.guest import Guest
from tests.waiting import eventually

# The first run fetches what the guest is made of.
pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

NAMESPACE = f"peertests-{os.getpid()}"
INTERFACE = "macsec0"
OUR_ADDRESS, GUEST_ADDRESS = "192.0.2.1", "192.0.2.2"
OUR_MAC, GUEST_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
# MAC address and port 1: what an end station may leave out.
OUR_SCI, GUEST_SCI = bytes.fromhex("0200000000010001"), bytes.fromhex("0200000000020001")
OUR_SSCI, GUEST_SSCI = 1, 2
REPLAY_WINDOW = 64  # with 0, lowestPN would be at the new high half before a packet number is
MTU = 1500
OVERHEAD_OCTETS = 32  # SecTAG with SCI, and ICV
CLEAR_OCTETS, WIRE_OCTETS = 14 + MTU, 14 + MTU + OVERHEAD_OCTETS
SHORT_LENGTH_AT = 15
PADDING = bytes(20)
# With 30 octets of EtherType, IPv4 and ICMP: the least, the last and the first without Short Length, the MTU.
PING_OCTETS = (0, 1, 47 - 30, 48 - 30, MTU - 28)
TINY_FRAMES = [bytes.fromhex("ffffffffffff 020000000001 88b5") + bytes(octets) for octets in range(64)]
STALL_S = 30
"""How long an emulated machine on a busy one may take for an answer."""


@pytest.fixture(scope="module")
def padded_wire(guest: Guest) -> Iterator[socket.socket]:
    """What the guest sends, with padding behind the ICV as a switch may leave it."""
    switch, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def pad() -> None:
        while select.select([guest.wire], [], []) and (frame := guest.wire.recv(WIRE_OCTETS)):
            switch.send(frame + PADDING if frame[SHORT_LENGTH_AT] else frame)

    thread = threading.Thread(target=pad)
    with switch, ours:
        ours.setblocking(False)
        thread.start()
        try:
            yield ours
        finally:
            guest.wire.shutdown(socket.SHUT_RD)
            thread.join()


@pytest.fixture(scope="module")
def namespace() -> Iterator[None]:
    try:
        subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
        no_ipv6 = ["sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"]
        subprocess.run(["ip", "netns", "exec", NAMESPACE, *no_ipv6], check=True)  # no frames but the tests'
        yield
    finally:
        subprocess.run(["ip", "netns", "delete", NAMESPACE], check=False, capture_output=True)


@contextmanager
def our_end(secy: NativeSecY, to_guest: socket.socket, from_guest: socket.socket) -> Iterator[None]:
    """An interface whose frames worker threads take through the SecY to the guest and back."""
    with NetlinkSocket(NAMESPACE) as netlink, closing(TapPort(NAMESPACE, INTERFACE, netlink)) as port:
        engine = lib.ql_engine_new(2, 0)
        assert engine != ffi.NULL
        try:
            counters = np.zeros((2, WIRE_SLOTS), np.uint64)
            out, back = ffi.new("ql_wire_config *"), ffi.new("ql_wire_config *")
            outward, inward = packet_handle(to_guest.fileno()), packet_handle(from_guest.fileno())
            out.sending, out.receiving, out.frame_octets = port.handle, outward, CLEAR_OCTETS
            back.sending, back.receiving, back.frame_octets = inward, port.handle, WIRE_OCTETS
            out.transmit, back.receive = secy.handle, secy.handle
            for wire, slots in zip((out, back), counters, strict=True):
                wire.counters = ffi.from_buffer("uint64_t *", slots)
                check_core(lib.ql_engine_add_wire(engine, wire))
            port.set_carrier(True)
            for words in (f"address add {OUR_ADDRESS}/24 dev", f"link set address {OUR_MAC} up dev"):
                subprocess.run(["ip", "-n", NAMESPACE, *words.split(), INTERFACE], check=True)
            yield
        finally:
            lib.ql_engine_free(engine)


@contextmanager
def guest_end(guest: Guest, suite: CipherSuite, sak: Sak, first_pn: int, tag: str) -> Iterator[None]:
    """A MACsec interface in the guest."""
    start, ours, theirs = f"pn {first_pn}", "", ""
    if suite.xpn:
        start = f"xpn {first_pn} salt {sak.salt.hex()}"
        ours, theirs = f"ssci {OUR_SSCI}", f"ssci {GUEST_SSCI}"
    key = f"on key 01 {sak.key.hex()}"
    guest.run(
        f"ip link set eth0 address {GUEST_MAC} mtu {MTU + OVERHEAD_OCTETS} up &&"
        f" ip link add link eth0 {INTERFACE} type macsec port 1 cipher {suite.name.lower()}"
        f" encrypt {'on' if sak.encrypt else 'off'} {tag} replay on window {REPLAY_WINDOW}"
    )
    try:
        for command in (
            f"macsec add {INTERFACE} tx sa 0 {start} {theirs} {key}",
            f"macsec add {INTERFACE} rx sci {OUR_SCI.hex()}",
            f"macsec add {INTERFACE} rx sci {OUR_SCI.hex()} sa 0 {start} {ours} {key}",
            f"address add {GUEST_ADDRESS}/24 dev {INTERFACE}",
            f"link set {INTERFACE} up",
        ):
            guest.run(f"ip {command}")
        yield
    finally:
        guest.run(f"ip link delete {INTERFACE}")


@contextmanager
def device_to(guest: Guest, from_guest: socket.socket) -> Iterator[str]:
    """A device of this machine whose cable leads to the guest."""
    device = f"guest{os.getpid()}"
    tap = os.open(TUN_DEVICE, os.O_RDWR | os.O_NONBLOCK)
    over = threading.Event()

    def forward() -> None:
        while not over.is_set():
            ready, _, _ = select.select([tap, from_guest.fileno()], [], [], 0.1)
            if from_guest.fileno() in ready:
                os.write(tap, from_guest.recv(WIRE_OCTETS + len(PADDING)))
            if tap in ready:
                guest.wire.send(os.read(tap, WIRE_OCTETS))

    try:
        fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TAP | IFF_NO_PI))
        Path(f"/proc/sys/net/ipv6/conf/{device}/disable_ipv6").write_text("1")
        subprocess.run(["ip", "link", "set", device, "mtu", str(MTU + OVERHEAD_OCTETS), "up"], check=True)
        thread = threading.Thread(target=forward)
        thread.start()
        try:
            yield device
        finally:
            over.set()
            thread.join()
    finally:
        os.close(tap)


def send_tiny_frames() -> None:
    """From our interface; protected, the first are shorter than Ethernet's least."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as packets:
        packets.bind((INTERFACE, 0))
        for frame in TINY_FRAMES:
            packets.send(frame)


def guest_counters(guest: Guest) -> dict[str, int]:
    """Of the guest's SecY and its receive SC."""
    (secy,) = json.loads(guest.run(f"ip -json -statistics macsec show {INTERFACE}"))
    (channel,) = secy["rx_sc"]
    return {name: value for name, value in (secy | channel).items() if name.startswith(("In", "Out"))}


def traffic(counters: dict[str, int], encrypt: bool) -> dict[str, tuple[int, int]]:
    """Frames and octets, out and in. Nothing else may have been counted."""
    sent, received = ("Encrypted", "Decrypted") if encrypt else ("Protected", "Validated")
    names = (f"OutPkts{sent}", f"OutOctets{sent}", "InPktsOK", f"InOctets{received}")
    assert {name for name, value in counters.items() if value} <= set(names), counters
    out_frames, out_octets, in_frames, in_octets = (counters[name] for name in names)
    return {"out": (out_frames, out_octets), "in": (in_frames, in_octets)}


def converse(guest: Guest, from_guest: socket.socket, config: SecYConfig, encrypt: bool, tag: str) -> None:
    """Both sides ping each other; then each has received all that the other sent, and refused nothing."""
    suite = config.suite
    our_ssci, guest_ssci = (OUR_SSCI, GUEST_SSCI) if suite.xpn else (None, None)
    salt = secrets.token_bytes(SALT_OCTETS if suite.xpn else 0)
    sak = Sak(secrets.token_bytes(suite.sak_octets), salt, encrypt)
    first_pn = (1 << 32) - 3 if suite.xpn else 1  # the high half changes on the way
    secy = NativeSecY(config)
    secy.install_transmit_sa(0, sak, first_pn, our_ssci)
    secy.install_receive_sa(GUEST_SCI, 0, sak, first_pn, guest_ssci)

    def both_counted_the_same() -> bool:
        ours = traffic(linux_counters(counters_by_name(secy.counters)), encrypt)
        theirs = traffic(guest_counters(guest), encrypt)
        return (ours["out"], ours["in"]) == (theirs["in"], theirs["out"])

    with (
        closing(secy),
        our_end(secy, guest.wire, from_guest),
        guest_end(guest, suite, sak, first_pn, tag),
        closing(EchoSocket(NAMESPACE, OUR_ADDRESS)) as echo,
    ):
        for octets in PING_OCTETS:
            guest.run(f"ping -c 1 -W {STALL_S} -s {octets} {OUR_ADDRESS}")
        echo.ask(GUEST_ADDRESS, 1)
        eventually(lambda: list(echo.answers()) == [(GUEST_ADDRESS, 1)], STALL_S)
        run_in_namespace(NAMESPACE, send_tiny_frames)
        eventually(both_counted_the_same, STALL_S)


@pytest.mark.usefixtures("namespace")
@pytest.mark.parametrize("encrypt", [True, False], ids=["encrypted", "integrity-only"])
@pytest.mark.parametrize("suite", CIPHER_SUITES)
def test_every_suite_crosses_both_ways_and_both_sides_count_the_same(
    guest: Guest, padded_wire: socket.socket, suite: str, encrypt: bool
) -> None:
    converse(
        guest,
        padded_wire,
        SecYConfig(OUR_SCI, suite, replay_window=REPLAY_WINDOW),
        encrypt,
        tag="send_sci on",
    )


@pytest.mark.usefixtures("namespace")
def test_an_end_station_leaves_the_sci_out_of_the_tag(guest: Guest, padded_wire: socket.socket) -> None:
    config = SecYConfig(
        OUR_SCI,
        GCM_AES_XPN_256.name,
        replay_window=REPLAY_WINDOW,
        always_include_sci=False,
        use_es=True,
    )
    converse(guest, padded_wire, config, encrypt=True, tag="send_sci off end_station on")


@pytest.mark.usefixtures("namespace")
def test_a_link_leads_out_over_a_device_to_the_drivers_secy(
    guest: Guest, padded_wire: socket.socket, tmp_path: Path
) -> None:
    suite = GCM_AES_256
    sak = Sak(secrets.token_bytes(suite.sak_octets))
    macsec = MacsecSpecification(suite.name, replay_window=REPLAY_WINDOW, peer_sci=GUEST_SCI.hex())
    with (
        device_to(guest, padded_wire) as device,
        closing(Engine(workers=2, ledger=Ledger(tmp_path))) as engine,
        guest_end(guest, suite, sak, 1, "send_sci on"),
        closing(EchoSocket(NAMESPACE, "0.0.0.0")) as echo,
    ):
        near = EndSpecification("a", NAMESPACE, INTERFACE, bytes.fromhex(OUR_MAC.replace(":", "")))
        far = EndSpecification("ethernet", OWN_NAMESPACE, device, b"", raw=True)
        engine.add_link(LinkSpecification("out", (near, far), MTU, macsec), sak)
        for words in (f"address add {OUR_ADDRESS}/24 dev", f"link set address {OUR_MAC} up dev"):
            subprocess.run(["ip", "-n", NAMESPACE, *words.split(), INTERFACE], check=True)
        attend_until(engine, lambda: engine.links()[0].state == "up")
        guest.run(f"ping -c 1 -W {STALL_S} -s {PING_OCTETS[-1]} {OUR_ADDRESS}")
        echo.ask(GUEST_ADDRESS, 1)
        eventually(lambda: list(echo.answers()) == [(GUEST_ADDRESS, 1)], STALL_S)
        sent = linux_counters(counters_by_name(engine.counters("out").secys[0]))
        assert traffic(guest_counters(guest), encrypt=True)["in"] == traffic(sent, encrypt=True)["out"]
