"""An engine under test: a link over memory ports, what to send over it, and how to wait for its workers."""

import gc
import os
from collections.abc import Callable

from dataplane.client import EngineClient
from dataplane.engine import Engine
from dataplane.interface import CarrierEvent, EngineEvent, EngineInterface
from dataplane.links.link import WIRE_COUNTERS
from dataplane.links.specification import EndSpecification, LinkSpecification, MacsecSpecification
from dataplane.macsec.counters import SLOTS
from dataplane.ports.memory import MemoryPort
from tests.waiting import eventually

A_MAC, B_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
FRAME = B_MAC + A_MAC + bytes.fromhex("0800") + bytes(range(100))
ARRIVAL_TIMEOUT_S = 2.0
IMPLEMENTATIONS: tuple[type[EngineInterface], ...] = (Engine, EngineClient)
"""Held to the interface by the type checker."""


def specification(macsec: bool = True, name: str = "ch1") -> LinkSpecification:
    return LinkSpecification(
        name,
        (EndSpecification("a", "", "eth0", A_MAC), EndSpecification("b", "", "eth0", B_MAC)),
        macsec=MacsecSpecification() if macsec else None,
    )


def memory_ports() -> tuple[MemoryPort, MemoryPort]:
    """Both ends of a link, whose nodes wait only so long for a frame."""
    ports = (MemoryPort(), MemoryPort())
    for port in ports:
        port.node.settimeout(ARRIVAL_TIMEOUT_S)
    return ports


def descriptors() -> int:
    """Open descriptors of this process, garbage aside."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def carriers_into(events: list[CarrierEvent]) -> Callable[[EngineEvent], None]:
    """What keeps, of an engine's events, those of carriers."""
    return lambda event: events.append(event) if isinstance(event, CarrierEvent) else None


def attend_until(engine: Engine, holds: Callable[[], object]) -> None:
    """Serves the engine as its owner does, until it holds."""

    def attended() -> object:
        engine.attend()
        return holds()

    eventually(attended)


class Bench:
    """An engine with one link over memory ports."""

    def __init__(self, macsec: bool = True, workers: int = 2) -> None:
        self.events: list[CarrierEvent] = []
        self.engine = Engine(workers=workers, on_event=carriers_into(self.events))
        self.ports = memory_ports()
        self.engine.add_link(specification(macsec), ports=self.ports)

    def send(self, end: int, frame: bytes) -> None:
        self.ports[end].node.send(frame)

    def receive(self, end: int) -> bytes:
        return self.ports[end].node.recv(4096)

    def cross(self, end: int, frame: bytes = FRAME) -> bool:
        """Whether a frame sent at one end is what comes out at the other before a later one does."""
        self.send(end, frame)
        return self.receive(1 - end) == frame

    def attend_until(self, holds: Callable[[], object]) -> None:
        attend_until(self.engine, holds)

    def wire(self, sender: int, counter: str) -> int:
        return int(self.engine.counters("ch1").wires[sender][WIRE_COUNTERS.index(counter)])

    def reaches(self, sender: int, counter: str, value: int) -> bool:
        """Waits, bounded, for a worker to count."""
        return any(self.wire(sender, counter) == value for _ in range(1_000_000))

    def secy(self, end: int, counter: str) -> int:
        return int(self.engine.counters("ch1").secys[end][SLOTS[counter]])
