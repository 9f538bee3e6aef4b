"""Faults of the controller itself. Somebody else must undo them: the guard, or a process kept for that."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from netns_lab.faults.model import Fault
from netns_lab.processes import start_daemon

if TYPE_CHECKING:
    from netns_lab.controller import Controller

DELAY_S = 0.05
"""In which whoever asked for it is still answered."""
NS_PER_S = 1e9


class ControllerFaults:
    """`ended` is told that the controller goes on."""

    def __init__(self, controller: Controller, ended: Callable[[str, int], None]) -> None:
        self._controller = controller
        self._ended = ended

    async def begin(self, fault: Fault, for_s: float | None) -> int:
        if for_s is not None:
            command = f"sleep {DELAY_S + for_s}; kill -CONT {os.getpid()}"
            start_daemon(["sh", "-c", command], self._controller.directory.mark, Path(os.devnull))
        asyncio.get_running_loop().call_later(DELAY_S, self._fail, fault)
        return self._controller.now_ns() + round(DELAY_S * NS_PER_S)

    async def resume(self, fault: Fault) -> None:
        """This is another controller, and it runs."""
        self._ended(fault.id, self._controller.now_ns())

    async def end(self, fault: Fault) -> int:
        return self._controller.now_ns()

    def _fail(self, fault: Fault) -> None:
        os.kill(os.getpid(), signal.SIGKILL if fault.mode == "killed" else signal.SIGSTOP)
        self._ended(fault.id, self._controller.now_ns())  # once somebody has sent SIGCONT
