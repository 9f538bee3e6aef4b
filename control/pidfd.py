"""A process held by its pidfd: waited for and signalled, never mistaken for a later one of the same pid."""

import asyncio
import contextlib
import os
import signal


class ProcessHandle:
    """Any process of this machine, child or not. Raises ProcessLookupError when there is none of that pid."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)

    async def ended(self) -> None:
        """Return once the process has ended; a child of ours is then still to be reaped."""
        loop = asyncio.get_running_loop()
        gone: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._descriptor, _resolve, gone)
        try:
            await gone
        finally:
            loop.remove_reader(self._descriptor)

    async def end(self, first: signal.Signals | None, patience_s: float) -> None:
        """Send `first` if given, and SIGKILL if that does not end the process within `patience_s`."""
        if first is not None:
            self.send(first)
        try:
            await asyncio.wait_for(self.ended(), patience_s)
        except TimeoutError:
            self.send(signal.SIGKILL)
            await self.ended()

    def send(self, number: signal.Signals) -> None:
        """Signal the process unless it has ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, number)

    def close(self) -> None:
        """Let go of the process; it may run on."""
        os.close(self._descriptor)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
