"""The engine's service in a thread of the test, for clients of the test."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from dataplane.engine import Engine
from dataplane.macsec.ledger import Ledger
from dataplane.service import Service
from tests.engine.bench import memory_ports, specification

ANSWER_TIMEOUT_S = 10.0
Result = TypeVar("Result")


class Serving:
    """A service on a socket in `folder` with the link ch1 over memory ports, until stop()."""

    def __init__(self, folder: Path) -> None:
        self.socket_path = folder / "engine.sock"
        self.counters_path = folder / "counters"
        self.ports = memory_ports()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(folder)))
        self._thread.start()
        assert self._ready.wait(ANSWER_TIMEOUT_S)

    async def _run(self, folder: Path) -> None:
        self.loop = asyncio.get_running_loop()
        ledger = Ledger(folder / "packet-numbers")
        self.service = Service(
            lambda on_event: Engine(counters_path=self.counters_path, ledger=ledger, on_event=on_event)
        )
        self.service.engine.add_link(specification(), ports=self.ports)
        serving = asyncio.create_task(self.service.run(self.socket_path))
        while not self.socket_path.exists():
            await asyncio.sleep(0)
        self._ready.set()
        await serving

    def ask(self, function: Callable[[Service], Result]) -> Result:
        """What the function returns in the service's own thread."""

        async def call() -> Result:
            return function(self.service)

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(ANSWER_TIMEOUT_S)

    def stop(self) -> None:
        """Ends the service; harmless where it ended already."""
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self.service.stopping.set)
        self._thread.join(ANSWER_TIMEOUT_S)
        assert not self._thread.is_alive()

    def connect(self) -> socket.socket:
        """A client of its own making."""
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stream.settimeout(ANSWER_TIMEOUT_S)
        stream.connect(str(self.socket_path))
        return stream


def exchange(stream: socket.socket, line: bytes) -> Any:  # noqa: ANN401 - what the service answers
    """The service's answer to a line, None where it closes the connection instead."""
    stream.sendall(line + b"\n")
    answer = b""
    while not answer.endswith(b"\n"):
        data = stream.recv(1 << 16)
        if not data:
            return None
        answer += data
    return json.loads(answer)
