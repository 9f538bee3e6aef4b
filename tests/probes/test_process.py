"""The probe process: it ends with its owner, and an owner hears of its end."""

import os
import signal
import subprocess
import sys

import pytest

from dataplane.probes.flows import Flow
from dataplane.probes.load import Load
from dataplane.probes.session import ProbeSession
from tests.waiting import eventually

LOOPBACK = Flow(0, "a-b", 4, None, "127.0.0.1", None, "127.0.0.1", 22300, 23300)
OWNER = """
import sys
from dataplane.probes.flows import Flow
from dataplane.probes.load import Load
from dataplane.probes.session import ProbeSession
flow = Flow(0, "a-b", 4, None, "127.0.0.1", None, "127.0.0.1", 22301, 23301)
with ProbeSession([flow], Load(packets_per_s=100, size_octets=64, duration_s=3600)) as session:
    print(session._process.pid, flush=True)
    sys.stdin.read()
"""


def test_it_ends_with_an_owner_that_is_killed() -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        process = os.pidfd_open(int(owner.stdout.readline()))
        owner.kill()
    try:
        eventually(lambda: has_ended(process))
    finally:
        os.close(process)


def has_ended(process: int) -> bool:
    """Whether the process of a pidfd, which is nobody's child here, is gone."""
    try:
        signal.pidfd_send_signal(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_its_owner_hears_of_its_end() -> None:
    with ProbeSession([LOOPBACK], Load(packets_per_s=100, size_octets=64, duration_s=3600)) as session:
        assert session._process is not None
        os.kill(session._process.pid, signal.SIGKILL)
        with pytest.raises(OSError, match="the probe process ended with status -9"):
            session.wait(20)
        with pytest.raises(OSError, match="the probe process ended with status -9"):
            session.stop()
        assert len(session.records().sent) >= len(session.records().received)
