"""An active attacker on the wire of a MACsec link under TCP: he is counted, and that is all."""

import hashlib
import os
import random
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from dataplane.captures.memory import CapturePoint
from dataplane.client import EngineClient
from dataplane.counters import map_counters
from dataplane.frames import FrameBatch
from dataplane.links.link import LINK_SLOTS, Counters, LinkCounters
from dataplane.macsec.counters import SLOTS, Verdict, counters_by_name
from dataplane.macsec.reference import ReferenceSecY
from dataplane.macsec.sak import Sak
from dataplane.macsec.secy import SecYConfig
from dataplane.namespace import run_in_namespace
from tests.capturing import capturing
from tests.lab.harness import Lab
from tests.lab.two_hosts import two_hosts
from tests.waiting import eventually

pytestmark = pytest.mark.lab

LINK, WINDOW = "ch1", 64
KINDS = 4
FRAMES_A_KIND = 25_000
MADE_A_KIND = 4000
BATCH = 2000
CAPTURED, SNAP_OCTETS = 400, 2048
CHUNK = random.Random(1).randbytes(1 << 16)
SEGMENT_OCTETS = 300
"""Short, because every frame of the attack goes to the engine in hex."""
ETHERTYPE, PN, SECURE_DATA = 12, 16, 28
FAR_AHEAD_PN = 1 << 31
"""A packet number of the attacker's that no traffic of the test comes to."""
FLIPPED_BIT = 8 * 60


class Transfer:
    """Octets from one host to the other over TCP, until `finish`."""

    def __init__(self, lab: Lab) -> None:
        near, far = lab.plan.link(LINK).ends
        address = far.addresses[0].partition("/")[0], 7000
        listener = run_in_namespace(lab.plan.node(far.node).namespace, partial(socket.create_server, address))
        with listener:
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_OCTETS)
            connect = partial(socket.create_connection, address, 10)
            self._sender = run_in_namespace(lab.plan.node(near.node).namespace, connect)
            self._receiver, _ = listener.accept()
        self._sender.settimeout(30)
        self._receiver.settimeout(30)
        self._over = threading.Event()
        self.sent, self.received = hashlib.sha256(), hashlib.sha256()
        self.octets = 0
        self._threads = [threading.Thread(target=self._send), threading.Thread(target=self._receive)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        while not self._over.is_set():
            self._sender.sendall(CHUNK)
            self.sent.update(CHUNK)
        self._sender.shutdown(socket.SHUT_WR)

    def _receive(self) -> None:
        while data := self._receiver.recv(1 << 18):
            self.received.update(data)
            self.octets += len(data)

    def finish(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._sender.close()
        self._receiver.close()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Two hosts and a link that refuses a frame that came before."""
    macsec = f"{{replay_window: {WINDOW}, detect_duplicates: true}}"
    with two_hosts(tmp_path / f"a{os.getpid()}.yaml", {LINK: macsec}) as lab:
        yield lab


def captured(engine: EngineClient, sci: bytes) -> list[bytes]:
    """Frames of the transmitter `sci` as they were on the wire."""
    frames: list[bytes] = []
    with capturing(engine, LINK, points=CapturePoint.WIRE) as reader:

        def enough() -> bool:
            frames.extend(frame.data for frame in reader.read() if frame.sci == sci)
            return len(frames) >= CAPTURED

        eventually(enough)
    return frames[:CAPTURED]


def stranger(chance: random.Random, frames: list[bytes]) -> bytes:
    """Not made of a captured frame, or of its head alone."""
    head = chance.choice(frames)
    ahead = chance.randrange(FAR_AHEAD_PN, 1 << 32).to_bytes(4)
    return chance.choice(
        (
            chance.randbytes(chance.randrange(1, 200)),
            head[:ETHERTYPE] + chance.choice((b"\x08\x00", b"\x88\x8e", b"\x81\x00")) + chance.randbytes(60),
            head[:PN] + ahead + head[20:SECURE_DATA] + chance.randbytes(len(head) - SECURE_DATA),
            head[:PN] + ahead + chance.randbytes(8) + head[SECURE_DATA:],
        )
    )


def replayed(chance: random.Random, frames: list[bytes]) -> bytes:
    return chance.choice(frames)


def flipped(chance: random.Random, frames: list[bytes]) -> bytes:
    """One bit, but none that would make the packet number another one that is near."""
    frame = bytearray(chance.choice(frames))
    while PN * 8 < (bit := chance.randrange(8 * len(frame))) < (PN + 4) * 8:
        pass
    frame[bit // 8] ^= 0x80 >> bit % 8
    return bytes(frame)


def truncated(chance: random.Random, frames: list[bytes]) -> bytes:
    """Cut anywhere, under its old packet number or one that is yet to come."""
    frame = chance.choice(frames)
    if chance.random() < 0.5:
        frame = frame[:PN] + chance.randrange(FAR_AHEAD_PN, 1 << 32).to_bytes(4) + frame[20:]
    return frame[: chance.randrange(1, len(frame))]


def verdicts(config: SecYConfig, sci: bytes, frames: list[bytes], lowest_pn: int) -> Counter[str]:
    """What the reference makes of frames that nobody with a key has sent after `lowest_pn`."""
    secy = ReferenceSecY(config)
    secy.install_receive_sa(sci, 0, Sak(bytes(32)), lowest_pn)
    counts = Counter(frames)
    batch = FrameBatch.from_frames(counts)
    secy.validate(batch)
    found: Counter[str] = Counter()
    for verdict, count in zip(batch.verdict, counts.values(), strict=True):
        found[Verdict(int(verdict)).name] += count
    return found


def flip_one(engine: EngineClient, far: Counters, transfer: Transfer) -> None:
    """A bit of one frame of the transfer itself, once it has made good for the one before."""
    slot, before, octets = SLOTS["InPktsNotValid"], int(far[SLOTS["InPktsNotValid"]]), transfer.octets
    eventually(lambda: transfer.octets > octets + len(CHUNK))
    engine.flip_bit(LINK, "a", FLIPPED_BIT)
    eventually(lambda: far[slot] == before + 1)


def test_nothing_of_an_active_attacker_is_accepted_and_all_of_it_is_counted(lab: Lab, tmp_path: Path) -> None:
    engine = EngineClient(lab.directory.engine_socket)
    state = engine.links()[0]
    near_sci, far_sci = (bytes.fromhex(secy.sci) for secy in state.secys)
    slots = map_counters(lab.directory.counters)[state.slot * LINK_SLOTS :][:LINK_SLOTS]
    near, far = LinkCounters.of(slots).secys
    chance = random.Random(802)
    transfer = Transfer(lab)
    try:
        frames = captured(engine, near_sci)
        newest_pn = max(int.from_bytes(frame[PN : PN + 4]) for frame in frames)
        eventually(lambda: engine.links()[0].secys[1].channels[0].lowest_pn > newest_pn)
        attack = []
        for make in (stranger, replayed, flipped, truncated):
            made = [make(chance, frames) for _ in range(MADE_A_KIND)]
            attack += chance.choices(made, k=FRAMES_A_KIND)
        chance.shuffle(attack)
        config = SecYConfig(far_sci, replay_window=WINDOW, detect_duplicates=True)
        expected = verdicts(config, near_sci, attack, newest_pn + 1)
        for start in range(0, len(attack), BATCH):
            flip_one(engine, far, transfer)
            engine.inject(LINK, "a", *attack[start : start + BATCH])
        expected["InPktsNotValid"] += len(attack) // BATCH
    finally:
        transfer.finish()
        engine.close()
    assert transfer.received.digest() == transfer.sent.digest()
    assert len(attack) == KINDS * FRAMES_A_KIND
    refused = {name: count for name, count in counters_by_name(far).items() if name in expected}
    assert refused == expected
    flips = len(attack) // BATCH
    eventually(
        lambda: counters_by_name(near)["OutPktsEncrypted"] == counters_by_name(far)["InPktsOK"] + flips
    )
    passing = [verdict.name for verdict in Verdict if verdict.passes and verdict.name.startswith("In")]
    assert [name for name in passing if counters_by_name(far).get(name)] == ["InPktsOK"]
