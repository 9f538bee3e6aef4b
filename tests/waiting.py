"""Waits for what becomes true soon, without sleeping longer than it takes."""

import threading
import time
from collections.abc import Callable

POLL_INTERVAL_S = 0.01


def eventually(holds: Callable[[], object], timeout_s: float = 10) -> None:
    """Passes as soon as it holds; fails when it does not within the time."""
    deadline_s = time.monotonic() + timeout_s
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < deadline_s, f"not so within {timeout_s} s"
        pause.wait(POLL_INTERVAL_S)
