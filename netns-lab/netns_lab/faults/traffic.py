"""Whether traffic has left links: every frame that enters is looked at, and what waits in them counted."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from dataplane.captures.memory import CapturePoint
from dataplane.captures.reader import CaptureReader
from dataplane.frame_summary import summary
from dataplane.links.link import WIRE_COUNTERS, LinkCounters

if TYPE_CHECKING:
    from dataplane.client import EngineClient
    from dataplane.links.link import Counters

POLL_INTERVAL_S = 0.02
QUIET_POLLS = 15
"""So often in succession no traffic may have entered before it counts as gone. Time does not tell: where a
machine stood still, frames wait in the routers' devices until everybody goes on."""
SNAP_OCTETS = 96
RING_OCTETS = 1 << 20
QUEUED = WIRE_COUNTERS.index("queue_frames")
BGP_PORT = 179
BFD_PORTS = (3784, 3785, 4784)
"""RFC 5881, 5883."""
IGMP, TCP, UDP, ICMPV6, HOP_BY_HOP = 2, 6, 17, 58, 0
ICMPV6_OF_LINKS = range(130, 138)
"""Multicast listener and neighbor discovery (RFC 2710, 4861)."""


def is_control(frame: bytes) -> bool:
    """Whether a frame is of the routers themselves: BGP, BFD, who is on the link; all but IP is."""
    match int.from_bytes(frame[12:14]):
        case 0x0800:
            protocol, at = frame[23], 14 + 4 * (frame[14] & 0xF)
        case 0x86DD:
            protocol, at = frame[20], 54
        case _:
            return True
    if protocol in (TCP, UDP) and len(frame) >= at + 4:
        source, destination = struct.unpack_from(">HH", frame, at)
        return BGP_PORT in (source, destination) if protocol == TCP else destination in BFD_PORTS
    if protocol == ICMPV6:
        return frame[at] in ICMPV6_OF_LINKS
    return protocol in (IGMP, HOP_BY_HOP)


async def left_over(
    engine: EngineClient, counters: Counters, links: Collection[str], deadline_s: float
) -> str | None:
    """Waits until nothing but control traffic enters links and none waits in them.

    None then; at the deadline, in monotonic time, what still goes there.
    """
    states = [state for state in engine.links() if state.name in links]
    places = [LinkCounters.at(counters, state.slot) for state in states]
    memory = engine.start_capture(
        [wire for state in states for wire in state.wires], CapturePoint.SENT, SNAP_OCTETS, RING_OCTETS
    )
    try:
        reader = CaptureReader(memory)
        quiet_polls = 0
        seen = "frames that wait"
        while quiet_polls < QUIET_POLLS:
            await asyncio.sleep(POLL_INTERVAL_S)
            quiet_polls += 1
            for frame in reader.read():
                if not is_control(frame.data):
                    quiet_polls = 0
                    seen = f"{summary(frame.data[12:])} on {memory.wires[frame.wire].link}"
            if any(wire[QUEUED] for place in places for wire in place.wires):
                quiet_polls = 0
            if time.monotonic() > deadline_s:
                return seen
        return None
    finally:
        engine.stop_capture(memory.id)
