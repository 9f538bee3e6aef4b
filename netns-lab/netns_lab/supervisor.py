"""Keeps another process of the lab running: guard and controller each do so for the other."""

import asyncio
import contextlib
import logging
import subprocess
from collections.abc import Callable

from control.backoff import Backoff
from control.pidfd import ProcessHandle

log = logging.getLogger("supervisor")


class Supervisor:
    """Starts a process again, with back-off, whenever it ends, for as long as `wanted()` says so.

    The process need not be a child: whoever knows its pid says so by `watch`.
    """

    def __init__(self, start: Callable[[], subprocess.Popen[bytes]], wanted: Callable[[], bool]) -> None:
        self._start = start
        self._wanted = wanted
        self._backoff = Backoff(first_s=0.05, limit_s=10.0)
        self._watched: int | None = None
        self._task: asyncio.Task[None] | None = None

    def watch(self, pid: int) -> None:
        """Looks after the process of that pid from now on, and no more after the one before."""
        if pid == self._watched:
            return
        self.close()
        self._watched = pid
        self._task = asyncio.get_running_loop().create_task(self._follow(pid))

    def close(self) -> None:
        """Looks after nothing any more; the process runs on."""
        if self._task is not None:
            self._task.cancel()
        self._watched = self._task = None

    async def _follow(self, pid: int | None) -> None:
        loop = asyncio.get_running_loop()
        child: subprocess.Popen[bytes] | None = None
        while True:
            started_s = loop.time()
            with contextlib.suppress(ProcessLookupError):
                if pid is not None:
                    await _ended(pid)
            if child is not None:
                child.wait()
            await asyncio.sleep(self._backoff.delay_s(loop.time() - started_s))
            if not self._wanted():
                return
            try:
                child = self._start()
                self._watched = pid = child.pid
            except OSError as error:
                log.error("cannot be started: %s", error)
                child = pid = None


async def _ended(pid: int) -> None:
    process = ProcessHandle(pid)
    try:
        await process.ended()
    finally:
        process.close()
