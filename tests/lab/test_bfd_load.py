"""BFD on a machine that has no time to spare: it costs little, and calls nothing silent that is not."""

import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from control.bfd.service import BfdService
from control.bfd.session import Settings
from tests.bfd.many_links import all_up, joined, open_both
from tests.lab.harness import lab_of, write_quad
from tests.waiting import eventually

pytestmark = [pytest.mark.lab, pytest.mark.long]
LINKS, ENDS = 64, 256
SETTINGS = Settings(50_000, 3)
MEASURED_S = 20.0
LOADED_S = 600.0
CPU_LIMIT = 0.15


@contextmanager
def every_core_busy() -> Iterator[None]:
    """Two processes for each core that do nothing but compute."""
    command = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(command) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_256_ends_at_50_ms_take_less_than_15_percent_of_a_core() -> None:
    fell: list[object] = []
    with joined(LINKS):
        service = BfdService(lambda key, session, t_ns: fell.append((key, session.state)), priority=2)
        try:
            for link in range(LINKS):
                for family in ("ipv4", "ipv6"):
                    open_both(service, link, family, SETTINGS)
            assert len(service.sessions) == ENDS
            eventually(lambda: all_up(service), 30)
            eventually(lambda: all_up(service) and not polling(service), 30)
            fell.clear()
            cpu_s, end_s = time.process_time(), time.monotonic() + MEASURED_S
            while (left_s := end_s - time.monotonic()) > 0:
                select.select([service], [], [], left_s)
                service.read()
            used = (time.process_time() - cpu_s) / MEASURED_S
        finally:
            service.close()
    assert fell == []
    assert used < CPU_LIMIT, f"{used:.1%} of a core"


def polling(service: BfdService) -> bool:
    return any(session.periodic_packet.poll for session in service.sessions.values())


@pytest.mark.timeout(900)
def test_no_path_is_called_lost_in_ten_minutes_of_full_load(tmp_path: Path) -> None:
    with lab_of(write_quad(tmp_path, f"f{os.getpid()}")) as lab:
        with every_core_busy():
            threading.Event().wait(LOADED_S)
        kinds = [event["kind"] for event in lab.json("events")["events"]]
    assert kinds.count("bfd-down") == kinds.count("interface-down") == 0
    assert kinds.count("session-up") == 16
