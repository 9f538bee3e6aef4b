"""An engine that is killed in the middle of traffic, and one that follows with the same given SAK."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from dataplane.captures.memory import CapturePoint
from dataplane.captures.reader import CaptureReader
from dataplane.counters import map_counters
from dataplane.links.link import LINK_SLOTS, LinkCounters
from dataplane.links.secys import sci_of
from dataplane.macsec.counters import SLOTS
from dataplane.macsec.ledger import BLOCK
from dataplane.macsec.sak import Sak
from tests.capturing import RING_OCTETS
from tests.engine.bench import A_MAC
from tests.engine.process import engine_process
from tests.engine.test_tap import frame_of, link_specification, namespaces, raw_socket, set_link
from tests.waiting import eventually

pytestmark = pytest.mark.lab
__all__ = ["namespaces"]

LIVES = 3
FRAMES = 2000
SNAP_OCTETS = 64
ETHERTYPE, PN, SCI = slice(12, 14), slice(16, 20), slice(20, 28)
MACSEC = b"\x88\xe5"
SAK = Sak(bytes(range(32)))


@contextmanager
def traffic() -> Iterator[None]:
    """Frames from one node to the other as fast as they go, for as long as there is an interface."""
    over = threading.Event()
    packets, frame = raw_socket(0), frame_of(100)

    def send() -> None:
        while not over.is_set():
            try:
                packets.send(frame)
            except OSError:  # no buffer, or no interface any more
                over.wait(0.001)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        packets.close()


def sent(counters: Path) -> int:
    """How many frames the killed engine has protected at the sending end: its counters outlive it."""
    slots: np.ndarray[tuple[int], np.dtype[np.uint64]] = map_counters(counters)[:LINK_SLOTS]
    return int(LinkCounters.of(slots).secys[0][SLOTS["OutPktsEncrypted"]])


def one_life(folder: Path) -> tuple[list[bytes], int, int]:
    """Starts an engine and kills it in the middle of traffic: the frames of its wire, the first PN, the first
    unused."""
    counters = folder / "counters"
    with engine_process(folder) as (engine, process):
        first_pn = engine.add_link(link_specification(), SAK).secys[0].next_pn
        for end in (0, 1):
            set_link(end, "up")
        memory = engine.start_capture(engine.links()[0].wires, CapturePoint.WIRE, SNAP_OCTETS, RING_OCTETS)
        reader = CaptureReader(memory)
        with traffic():
            eventually(lambda: sent(counters) >= FRAMES)
            process.send_signal(signal.SIGKILL)
            process.wait()
    frames = [frame.data for frame in reader.read(last=True)]
    return frames, first_pn, first_pn + sent(counters)


def test_no_packet_number_is_on_the_wire_twice_whenever_the_engine_is_killed(
    namespaces: None, tmp_path: Path
) -> None:
    wire: list[bytes] = []
    free_pn = 1
    for _ in range(LIVES):
        captured, first_pn, next_pn = one_life(tmp_path)
        assert free_pn <= first_pn < next_pn <= first_pn + BLOCK
        frames = [frame for frame in captured if frame[ETHERTYPE] == MACSEC]
        assert all(first_pn <= int.from_bytes(frame[PN]) < next_pn for frame in frames)
        wire += frames
        free_pn = next_pn
    assert {frame[SCI] for frame in wire} == {sci_of(A_MAC)}
    assert len(wire) > LIVES * FRAMES // 2
    assert len({frame[PN] for frame in wire}) == len(wire)
