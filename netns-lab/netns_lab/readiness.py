"""Waits until a lab does what its topology says: sessions established, prefixes installed."""

import time

from netns_lab.api import ControllerClient
from netns_lab.directory import LabDirectory

POLL_INTERVAL_S = 0.05


def wait_until_ready(directory: LabDirectory, timeout_s: float) -> list[str]:
    """What is still missing after the time, one sentence each; empty as soon as nothing is."""
    deadline = time.monotonic() + timeout_s
    with ControllerClient(directory) as controller:
        while True:
            missing: list[str] = controller.call("missing")
            if not missing or time.monotonic() > deadline:
                return missing
            time.sleep(POLL_INTERVAL_S)
