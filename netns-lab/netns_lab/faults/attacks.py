"""An attacker on a wire: frames sent again, frames forged, bits inverted, at a rate, until the fault ends."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import TYPE_CHECKING

from dataplane.captures.memory import CapturePoint, CaptureWire
from dataplane.captures.reader import CapturedFrame, CaptureReader
from dataplane.client import EngineGone
from dataplane.interface import LinkError
from dataplane.lines import Document
from dataplane.links.link import LinkCounters
from dataplane.macsec.counters import PASSING, RECEIVE_COUNTERS, SLOTS, Verdict
from netns_lab.directory import LabError
from netns_lab.faults.forgery import forged, late
from netns_lab.faults.model import FLIPPED_BIT, FRAMES_PER_S, Fault

if TYPE_CHECKING:
    from netns_lab.controller import Controller

TICK_S = 0.02
SEEN_FRAMES = 64
"""So many of a sender's frames are kept to make others of."""
PATIENCE_S = 2.0
"""How long a wire without frames is waited for once others have some."""
SNAP_OCTETS = 1 << 14
RING_OCTETS = 1 << 20
REFUSED = [name for name in RECEIVE_COUNTERS if name in Verdict.__members__ and Verdict[name] not in PASSING]
"""What SecYs count of frames that they do not deliver."""
log = logging.getLogger("attacks")


@dataclass(slots=True)
class Attack:
    """A fault that is under way: the frames it has made, and what its links' SecYs had refused before."""

    fault: Fault
    refused_before: Counter[str]
    frames: int = 0
    task: asyncio.Task[None] = field(init=False)


class Attacks:
    """Attacks of all wires. Of one that an earlier controller began the counts begin anew."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._attacks: dict[str, Attack] = {}

    async def begin(self, fault: Fault, for_s: float | None) -> int:
        self._controller.running_engine()
        await self.resume(fault)
        return self._controller.now_ns()

    async def resume(self, fault: Fault) -> None:
        attack = Attack(fault, self._refused(fault))
        attack.task = asyncio.get_running_loop().create_task(self._run(attack))
        self._attacks[fault.id] = attack

    async def end(self, fault: Fault) -> int:
        if (attack := self._attacks.pop(fault.id, None)) is not None:
            attack.task.cancel()
        if fault.mode == "flip" and self._controller.engine is not None:
            for wire in self._wires(fault):
                self._controller.engine.flip_bit(wire.link, wire.from_node, 0, 0)
        return self._controller.now_ns()

    def document(self, fault: Fault) -> Document | None:
        """How many frames it made, and how many the SecYs of its links have refused since, by reason."""
        attack = self._attacks.get(fault.id)
        if attack is None:
            return None
        return {"frames": attack.frames, "refused": self._refused(fault) - attack.refused_before}

    async def _run(self, attack: Attack) -> None:
        try:
            await self._attack(attack)
        except (LinkError, EngineGone, LabError, OSError) as error:
            log.warning("%s does nothing any more: %s", attack.fault.id, error)

    async def _attack(self, attack: Attack) -> None:
        fault, chance = attack.fault, random.Random(attack.fault.id)
        wires = self._wires(fault)
        seen = {} if fault.mode == "flip" else await self._seen(fault, wires)
        again = {wire: cycle(frames) for wire, frames in seen.items() if frames}
        began_s, made = time.monotonic(), 0
        while True:
            await asyncio.sleep(TICK_S)
            due = int((time.monotonic() - began_s) * (fault.options.frames_per_s or FRAMES_PER_S)) - made
            engine = self._controller.running_engine()
            for wire in wires if fault.mode == "flip" else again:
                if fault.mode == "flip":
                    bit = FLIPPED_BIT if fault.options.bit is None else fault.options.bit
                    engine.flip_bit(wire.link, wire.from_node, bit, due)
                elif due:
                    frames = list(islice(again[wire], due))
                    if fault.mode == "inject":
                        frames = [forged(frame, made + at, chance) for at, frame in enumerate(frames)]
                    engine.inject(wire.link, wire.from_node, *frames)
                attack.frames += due
            made += due

    async def _seen(self, fault: Fault, wires: Sequence[CaptureWire]) -> Mapping[CaptureWire, list[bytes]]:
        """Frames of each wire that has some to be sent again, or to be imitated."""
        engine = self._controller.running_engine()
        memory = engine.start_capture(wires, CapturePoint.WIRE, SNAP_OCTETS, RING_OCTETS)
        try:
            reader = CaptureReader(memory)
            kept: dict[CaptureWire, list[CapturedFrame]] = {wire: [] for wire in wires}
            first_s: float | None = None
            while True:
                await asyncio.sleep(TICK_S)
                for frame in reader.read():
                    frames = kept[memory.wires[frame.wire]]
                    if len(frame.data) == frame.length:
                        frames[SEEN_FRAMES:] = [frame]  # the last place is for the newest
                usable = {wire: self._usable(fault, wire, frames) for wire, frames in kept.items()}
                if any(usable.values()) and first_s is None:
                    first_s = time.monotonic()
                waited = first_s is not None and time.monotonic() > first_s + PATIENCE_S
                if all(usable.values()) or waited:
                    return usable
        finally:
            engine.stop_capture(memory.id)

    def _usable(self, fault: Fault, wire: CaptureWire, frames: list[CapturedFrame]) -> list[bytes]:
        if fault.mode == "inject":
            return [frame.data for frame in frames[-1:]]
        macsec = self._controller.plan.link(wire.link).macsec
        if macsec is None or not macsec.settings.replay_protect:
            return late(frames, None)
        return late(frames, macsec.settings.replay_window)

    def _wires(self, fault: Fault) -> list[CaptureWire]:
        """The directions that are attacked."""
        links = [self._controller.plan.link(name) for name in fault.links]
        senders = [(link.name, end.node) for link in links for end in link.ends]
        return [CaptureWire(link, node) for link, node in senders if fault.options.from_node in (None, node)]

    def _refused(self, fault: Fault) -> Counter[str]:
        refused: Counter[str] = Counter()
        for state in self._controller.link_states():
            if state.name in fault.links:
                for secy in LinkCounters.at(self._controller.counters, state.slot).secys:
                    refused.update({name: int(secy[SLOTS[name]]) for name in REFUSED})
        return refused
