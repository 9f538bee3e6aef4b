"""Frames that an engine has no time to read are counted, and no others."""

import signal
from contextlib import suppress
from pathlib import Path

import pytest

from dataplane.client import EngineClient
from dataplane.counters import map_counters
from dataplane.links.link import LINK_SLOTS, WIRE_COUNTERS, LinkCounters
from dataplane.links.specification import FaultMode, PortType
from tests.engine.process import engine_process
from tests.engine.test_tap import (
    frame_of,
    kernel_carriers,
    link_specification,
    namespaces,
    raw_socket,
    set_link,
)
from tests.waiting import eventually

pytestmark = pytest.mark.lab
__all__ = ["namespaces"]
FRAMES = 5000
"""More than any port holds."""


def send(frames: int) -> None:
    """As a node does; what its kernel drops it tells the sender of, or not."""
    packets = raw_socket(0)
    for _ in range(frames):
        with suppress(OSError):
            packets.send(frame_of(100))
    packets.close()


def counted(engine: EngineClient, folder: Path) -> tuple[int, int]:
    """Frames that were read, and frames that were not."""
    engine.count_unread()
    wire = LinkCounters.of(map_counters(folder / "counters")[:LINK_SLOTS]).wires[0]
    return int(wire[WIRE_COUNTERS.index("tx_frames")]), int(wire[WIRE_COUNTERS.index("drop_unread")])


@pytest.mark.parametrize("port", [PortType.TAP, PortType.XDP])
def test_what_a_stopped_engine_does_not_read_is_counted_and_what_a_cut_loses_is_not(
    namespaces: None, tmp_path: Path, port: PortType
) -> None:
    with engine_process(tmp_path) as (engine, process):
        engine.add_link(link_specification(port=port))
        for end in (0, 1):
            set_link(end, "up")
        eventually(lambda: kernel_carriers() == [True, True])
        assert counted(engine, tmp_path) == (0, 0)
        process.send_signal(signal.SIGSTOP)
        send(FRAMES)
        process.send_signal(signal.SIGCONT)
        eventually(lambda: sum(counted(engine, tmp_path)) == FRAMES)
        read, unread = counted(engine, tmp_path)
        assert unread > 0
        engine.set_fault("ch1", FaultMode.CARRIER)
        send(FRAMES)
        assert counted(engine, tmp_path) == (read, unread)
        engine.clear_fault("ch1")
        send(10)
        eventually(lambda: counted(engine, tmp_path) == (read + 10, unread))
