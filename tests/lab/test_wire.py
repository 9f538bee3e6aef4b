"""The wire of a channel: what a stranger who taps it would see, and what happens when he touches it."""

# mypy: disable-error-code="no-untyped-call"

import socket
import threading
from collections.abc import Iterator
from functools import partial

import pytest
from scapy.contrib.macsec import MACsecSA
from scapy.layers.l2 import Ether

from dataplane.captures.memory import CapturePoint
from dataplane.captures.reader import CapturedFrame
from dataplane.client import EngineClient
from dataplane.namespace import run_in_namespace
from tests.capturing import capturing, dropped
from tests.lab.harness import Lab
from tests.waiting import eventually

pytestmark = pytest.mark.lab

CHANNEL = "ch1"
NEAR, FAR, PORT = "169.254.1.0", "169.254.1.1", 7000
MARK = b"quadlink says this in clear "
MACSEC, EAPOL = b"\x88\xe5", b"\x88\x8e"
ETHERTYPE = slice(12, 14)
PAYLOAD_OCTETS = 20 << 20


@pytest.fixture
def sockets(quad: Lab) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A TCP connection between the routers over CHANNEL: (in aws, in gcp)."""
    gcp, aws = f"{quad.name}-gcp", f"{quad.name}-aws"
    with run_in_namespace(gcp, lambda: socket.create_server((FAR, PORT))) as server:
        client = run_in_namespace(aws, lambda: socket.create_connection((FAR, PORT), timeout=10))
        accepted, _ = server.accept()
        accepted.settimeout(10)
        with client, accepted:
            yield client, accepted


def captured(
    engine: EngineClient, sockets: tuple[socket.socket, socket.socket], points: CapturePoint
) -> list[CapturedFrame]:
    """What CHANNEL shows of an exchange."""
    with capturing(engine, CHANNEL, points=points) as reader:
        exchange(sockets)
    frames = reader.read(last=True)
    assert dropped(reader) == 0, "the capture lost frames"
    return frames


def exchange(sockets: tuple[socket.socket, socket.socket]) -> None:
    """The mark crosses the channel both ways."""
    near, far = sockets
    for number in range(20):
        for sender, receiver in ((near, far), (far, near)):
            text = MARK + str(number).encode()
            sender.sendall(text)
            assert receiver.recv(len(text), socket.MSG_WAITALL) == text


def test_the_wire_carries_macsec_only_and_shows_no_plaintext(
    quad: Lab, engine: EngineClient, sockets: tuple[socket.socket, socket.socket]
) -> None:
    wire = captured(engine, sockets, CapturePoint.WIRE)
    assert len(wire) >= 40
    assert {frame.data[ETHERTYPE] for frame in wire} <= {MACSEC, EAPOL}
    assert not any(MARK in frame.data for frame in wire)
    assert not any(socket.inet_aton(FAR) in frame.data for frame in wire)


def test_the_clear_side_does_show_the_plaintext(
    quad: Lab, engine: EngineClient, sockets: tuple[socket.socket, socket.socket]
) -> None:
    for point in (CapturePoint.SENT, CapturePoint.RECEIVED):
        assert sum(MARK in frame.data for frame in captured(engine, sockets, point)) >= 40


def test_scapy_decrypts_every_frame_of_the_wire_back_to_what_was_sent(
    quad: Lab, engine: EngineClient, sockets: tuple[socket.socket, socket.socket]
) -> None:
    sak = engine.export_sak(CHANNEL).key
    frames = captured(engine, sockets, CapturePoint.SENT | CapturePoint.WIRE)
    clear = [frame.data for frame in frames if frame.point == CapturePoint.SENT]
    wire = [frame.data for frame in frames if frame.data[ETHERTYPE] == MACSEC]
    assert sum(MARK in frame for frame in clear) >= 40
    decrypted = []
    for frame in wire:
        sci = frame[20:28]
        association = MACsecSA(sci=sci, an=0, pn=1, key=sak, icvlen=16, encrypt=True, send_sci=True)
        decrypted.append(bytes(association.decap(association.decrypt(Ether(frame)))))
    # A frame may be caught between the two taps at either end of the capture.
    assert len(set(decrypted) ^ set(clear)) <= 2
    assert {frame for frame in clear if MARK in frame} <= set(decrypted)


def test_one_bit_flipped_on_the_wire_is_one_frame_not_valid_and_tcp_sends_it_again(
    quad: Lab, engine: EngineClient, sockets: tuple[socket.socket, socket.socket]
) -> None:
    near, far = sockets
    before = counter(quad, "gcp", "InPktsNotValid")
    resent = retransmitted(quad)
    payload = bytes(range(256)) * (PAYLOAD_OCTETS // 256)
    sender = threading.Thread(target=near.sendall, args=(payload,))
    engine.flip_bit(CHANNEL, "aws", bit=8 * 200)
    sender.start()
    received = bytearray()
    while len(received) < len(payload):
        received += far.recv(1 << 20)
    sender.join()
    assert received == payload
    assert counter(quad, "gcp", "InPktsNotValid") == before + 1
    assert retransmitted(quad) > resent


def test_malformed_and_foreign_frames_are_counted_and_dropped(quad: Lab, engine: EngineClient) -> None:
    ends = bytes.fromhex("022522000001022522000000")
    stranger = ends + bytes.fromhex("0800") + MARK * 3
    for frame, name in (
        (stranger, "InPktsNoTag"),
        (ends + bytes.fromhex("88e5ac0000000001") + bytes(100), "InPktsBadTag"),
        (ends + bytes.fromhex("88e52c0000000001") + bytes(100), "InPktsNoSAError"),
    ):
        before = counter(quad, "gcp", name)
        engine.inject(CHANNEL, "aws", frame)
        eventually(partial(reaches, quad, name, before + 1))
    assert quad.link(CHANNEL)["drops"]["validate"] >= 3


def reaches(quad: Lab, name: str, value: int) -> bool:
    return counter(quad, "gcp", name) == value


def counter(quad: Lab, node: str, name: str) -> int:
    secys = quad.json("inspect", "macsec")["secys"]
    found = next(secy for secy in secys if (secy["link"], secy["node"]) == (CHANNEL, node))
    return int(found["counters"][name])


def retransmitted(quad: Lab) -> int:
    """Segments that TCP in aws sent again."""
    answer = quad.run("exec", "aws", "--", "cat", "/proc/net/snmp")
    names, values = (line.split() for line in answer.stdout.splitlines() if line.startswith("Tcp:"))
    return int(dict(zip(names, values, strict=True))["RetransSegs"])
