"""The engine as a process: requests and events as JSON lines on a unix socket, counters in a shared file.

A client that sends {"subscribe": true} hears events from then on; any other line is a request
{"call": NAME, "arguments": {...}}, answered in order by {"result": ...} or {"error": SENTENCE}.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dataplane import descriptors, lines, priority, wireformat
from dataplane.captures.memory import CapturePoint, CaptureWire
from dataplane.engine import NS_PER_S, Engine
from dataplane.interface import EngineEvent, LinkError
from dataplane.lines import Document
from dataplane.links.specification import FaultMode, Impairment
from dataplane.macsec.ledger import LEDGER_DIRECTORY, Ledger
from dataplane.subscribers import Subscribers

log = logging.getLogger("engine")


class Service:
    """Serves one engine to any number of clients."""

    def __init__(self, engine: Callable[[Callable[[EngineEvent], None]], Engine]) -> None:
        """`engine` makes it, given who hears its events."""
        self.engine = engine(self._publish)
        self.subscribers = Subscribers()
        self._alarm: asyncio.TimerHandle | None = None
        self.stopping = asyncio.Event()

    async def run(self, socket_path: Path) -> None:
        """Serves until a client says shutdown or a signal comes."""
        server = await asyncio.start_unix_server(
            self._serve, socket_path, limit=wireformat.MAXIMUM_LINE_OCTETS
        )
        loop = asyncio.get_running_loop()
        for descriptor in self.engine.watched():
            loop.add_reader(descriptor, self._attend)
        log.info("serving")
        await self.stopping.wait()
        server.close()
        for descriptor in self.engine.watched():
            loop.remove_reader(descriptor)
        self.engine.close()
        log.info("stopped")

    def _set_alarm(self) -> None:
        """Has the engine attend to its next deadline, too."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        deadline_ns = self.engine.next_deadline_ns()
        if deadline_ns is not None:
            delay_s = max(0.0, (deadline_ns - time.monotonic_ns()) / NS_PER_S)
            self._alarm = asyncio.get_running_loop().call_later(delay_s, self._attend)

    def _attend(self) -> None:
        self.engine.attend()
        self._set_alarm()

    def _publish(self, event: EngineEvent) -> None:
        self.subscribers.publish({"event": wireformat.event_to_document(event)})

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        captures: set[int] = set()  # that this client started: nobody else will end them
        try:
            while await self._serve_one(reader, writer, captures):
                pass
        except (ConnectionError, ValueError) as error:
            log.warning("a client was dropped: %s", error)
        except asyncio.CancelledError:
            pass  # the engine ends
        finally:
            self.subscribers.discard(writer)
            for id in captures:
                with contextlib.suppress(LinkError):
                    self.engine.stop_capture(id)
            writer.close()  # and no wait for a client that does not read

    async def _serve_one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, captures: set[int]
    ) -> bool:
        """Serves a client's next line, which may hold a SAK and is forgotten then; False at its end."""
        if not (line := await reader.readline()):
            return False
        document = lines.from_line(line)
        if document.get("subscribe"):
            self.subscribers.add(writer)
            return True
        answer = self._answer(document)
        match answer, document:
            case {"result": {"id": id}}, {"call": "start_capture"}:
                captures.add(id)
            case {"result": _}, {"call": "stop_capture", "arguments": {"id": id}}:
                captures.discard(id)
        writer.write(lines.to_line(answer))
        await writer.drain()
        return True

    def _answer(self, document: Document) -> Document:
        name = document.get("call")
        call = REQUESTS.get(name) if isinstance(name, str) else None
        if call is None:
            return {"error": f"found call {name!r}, expected one of {', '.join(REQUESTS)}"}
        try:
            result = call(self, document.get("arguments", {}))
            self._set_alarm()
            return {"result": result}
        except LinkError as error:
            return {"error": str(error)}
        except Exception as error:  # a client's nonsense must end no other client's links
            log.exception("%s failed", name)
            return {"error": f"{name}: {type(error).__name__} {error}"}

    def _add_link(self, arguments: Document) -> Document:
        sak = arguments.get("sak")
        state = self.engine.add_link(
            wireformat.specification_from_document(arguments["specification"]),
            wireformat.sak_from_document(sak) if sak is not None else None,
        )
        return wireformat.state_to_document(state)

    def _remove_link(self, arguments: Document) -> None:
        self.engine.remove_link(arguments["name"])

    def _links(self, arguments: Document) -> list[Document]:
        return [wireformat.state_to_document(state) for state in self.engine.links()]

    def _count_unread(self, arguments: Document) -> None:
        self.engine.count_unread()

    def _fail(self, arguments: Document) -> int:
        fault = wireformat.fault_from_document(arguments["fault"])
        return self.engine.fail(arguments["id"], arguments["links"], fault)

    def _heal(self, arguments: Document) -> int:
        return self.engine.heal(arguments["id"])

    def _set_fault(self, arguments: Document) -> int:
        return self.engine.set_fault(
            arguments["name"],
            FaultMode(arguments["mode"]),
            arguments.get("from_node"),
            arguments.get("for_s"),
        )

    def _clear_fault(self, arguments: Document) -> int:
        return self.engine.clear_fault(arguments["name"])

    def _impair(self, arguments: Document) -> None:
        first, second = (Impairment(**document) for document in arguments["impairments"])
        self.engine.impair(arguments["name"], (first, second))

    def _change_impairments(self, arguments: Document) -> list[Document]:
        first, second = arguments["changes"]
        return [asdict(it) for it in self.engine.change_impairments(arguments["name"], (first, second))]

    def _export_sak(self, arguments: Document) -> Document:
        return wireformat.sak_to_document(self.engine.export_sak(arguments["name"]))

    def _flip_bit(self, arguments: Document) -> None:
        self.engine.flip_bit(**arguments)

    def _inject(self, arguments: Document) -> None:
        self.engine.inject(
            arguments["name"], arguments["from_node"], *map(bytes.fromhex, arguments["frames"])
        )

    def _start_capture(self, arguments: Document) -> Document:
        wires = [CaptureWire(**wire) for wire in arguments["wires"]]
        memory = self.engine.start_capture(
            wires,
            CapturePoint(arguments["points"]),
            arguments["snap_octets"],
            arguments["ring_octets"],
        )
        return asdict(memory)

    def _stop_capture(self, arguments: Document) -> None:
        self.engine.stop_capture(arguments["id"])

    def _leave_devices(self, arguments: Document) -> None:
        self.engine.leave_devices()

    def _shutdown(self, arguments: Document) -> None:
        self.stopping.set()


REQUESTS: dict[str, Callable[[Service, Document], Any]] = {
    "add_link": Service._add_link,
    "remove_link": Service._remove_link,
    "links": Service._links,
    "count_unread": Service._count_unread,
    "fail": Service._fail,
    "heal": Service._heal,
    "set_fault": Service._set_fault,
    "clear_fault": Service._clear_fault,
    "impair": Service._impair,
    "change_impairments": Service._change_impairments,
    "export_sak": Service._export_sak,
    "flip_bit": Service._flip_bit,
    "inject": Service._inject,
    "start_capture": Service._start_capture,
    "stop_capture": Service._stop_capture,
    "leave_devices": Service._leave_devices,
    "shutdown": Service._shutdown,
}


async def serve(arguments: argparse.Namespace) -> None:
    """Runs the engine process until it is told to stop."""
    service = Service(
        lambda on_event: Engine(
            workers=arguments.workers,
            busy_poll=arguments.busy_poll,
            counters_path=arguments.counters,
            ledger=Ledger(arguments.ledger),
            on_event=on_event,
        )
    )
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, service.stopping.set)
    # Ctrl-C in the terminal that brought the lab up is not meant for the engine.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    await service.run(arguments.socket)


def main() -> None:
    """The engine process: python -m dataplane.service --socket PATH --counters PATH ..."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--counters", type=Path, required=True)
    parser.add_argument("--ledger", type=Path, default=LEDGER_DIRECTORY)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--busy-poll", action="store_true")
    arguments = parser.parse_args()
    os.umask(0o077)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )
    descriptors.allow_all()
    if not arguments.busy_poll:  # a worker that never sleeps would keep others off its CPU
        try:
            priority.come_first()
        except OSError as error:
            log.warning("frames may be lost before any wire on a busy machine: no higher priority: %s", error)
    asyncio.run(serve(arguments))


if __name__ == "__main__":
    main()
