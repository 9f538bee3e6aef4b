"""The controller: one process, one loop, that runs a lab's control plane and answers the command line."""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from control.guard.guard import Guard, InterfaceChange, Witness
from dataplane.client import EngineClient, EngineEvents, EngineGone, map_counters
from dataplane.interface import LinkError
from dataplane.links.specification import FaultMode
from netns_lab.api import MAXIMUM_LINE_OCTETS, Document
from netns_lab.directory import LabDirectory, LabError
from netns_lab.event_log import EventKind, EventLog
from netns_lab.services import Services
from netns_lab.speakers import LabRouter
from netns_lab.state import load_plan
from netns_lab.views import Views

log = logging.getLogger("controller")


class Controller:
    """Everything between the engine's events, the routers and the requests of the command line."""

    def __init__(self, directory: LabDirectory, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        """Raises EngineGone where the engine does not run."""
        self.plan = load_plan(directory)
        self.now_ns = now_ns
        self.log = EventLog(directory.events, now_ns)
        self.engine = EngineClient(directory.engine_socket)
        self.engine_pid = self.engine.pid
        self.engine_alive = True
        self._engine_events = EngineEvents(directory.engine_socket)
        self.routers = {
            node.name: LabRouter(self.plan, node, directory, self.log, now_ns)
            for node in self.plan.nodes
            if node.asn is not None
        }
        self.services = Services(directory, self.log)
        self.guard = Guard(self._interface_changed)
        self.views = Views(self, map_counters(directory.counters))
        self._directory = directory
        self._healing: dict[str, asyncio.TimerHandle] = {}
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        """Runs until a signal comes."""
        loop = asyncio.get_running_loop()
        self._listen(loop)
        for router in self.routers.values():
            router.start()
        await self.services.follow(self.plan.nodes)
        server = await asyncio.start_unix_server(
            self._serve, self._directory.controller_socket, limit=MAXIMUM_LINE_OCTETS
        )
        log.info("serving lab %s", self.plan.name)
        await self.stopping.wait()
        server.close()
        for router in self.routers.values():
            loop.remove_reader(router.monitor.fileno())
        await self.services.detach()
        await asyncio.gather(*(router.stop() for router in self.routers.values()))

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hears engine and kernel from now on, and takes in what is so already."""
        loop.add_reader(self._engine_events.fileno(), self._read_engine_events)
        for link in self.engine.links():
            for end in link.ends:
                self._witness(end.node, end.interface, Witness.ENGINE, end.carrier, self.now_ns())
        for router in self.routers.values():
            loop.add_reader(router.monitor.fileno(), self._read_kernel_events, router)
            for state in router.monitor.links.values():
                self._witness(router.node.name, state.name, Witness.KERNEL, state.usable, self.now_ns())

    def _witness(self, node: str, interface: str, witness: Witness, up: bool, t_ns: int) -> None:
        if node in self.routers and interface in self.routers[node].ifindexes:
            self.guard.hear(node, interface, witness, up, t_ns)

    def _read_engine_events(self) -> None:
        try:
            events = self._engine_events.read()
        except EngineGone:
            asyncio.get_running_loop().remove_reader(self._engine_events.fileno())
            self.engine_alive = False
            self.log.add(EventKind.ENGINE_GONE, "engine", "the engine ended; every link is down")
            return
        for event in events:
            self._witness(event.node, event.interface, Witness.ENGINE, event.carrier, event.t_ns)

    def _read_kernel_events(self, router: LabRouter) -> None:
        for state in router.monitor.read():
            self._witness(router.node.name, state.name, Witness.KERNEL, state.usable, self.now_ns())

    def _interface_changed(self, change: InterfaceChange) -> None:
        try:
            self.routers[change.node].interface_changed(
                change.interface, change.usable, change.witness, change.t_ns
            )
        except (OSError, ValueError):
            # The interfaces that changed with this one must still be heard of.
            log.exception("%s:%s changed, and its routes could not follow", change.node, change.interface)

    def fail(self, link: str, mode: str, from_node: str | None, for_s: float | None) -> Document:
        """Fails a link, for a time if one is given."""
        try:
            fault = FaultMode(mode)
        except ValueError:
            raise LabError(f"found mode {mode!r}, expected {', '.join(FaultMode)}") from None
        if from_node is not None and fault is not FaultMode.ONE_WAY:
            raise LabError(f"--from goes with --mode one-way, not with {mode}")
        t_ns = self.engine.set_fault(link, fault, from_node)
        self.log.add(EventKind.FAULT, link, f"{link} failed ({mode})", t_ns=t_ns, mode=mode)
        if for_s is not None:
            self._healing[link] = asyncio.get_running_loop().call_later(for_s, self._heal_in_time, link)
        return {"link": link, "mode": mode, "t_ns": t_ns}

    def _heal_in_time(self, link: str) -> None:
        try:
            self.heal(link)
        except (LabError, LinkError, EngineGone) as error:
            self.log.add(EventKind.HEAL_FAILED, link, f"{link} could not be healed: {error}")

    def heal(self, link: str | None) -> Document:
        """Heals one link, or every link that was failed."""
        states = self.engine.links()
        if link is not None and link not in [state.name for state in states]:
            raise LabError(f"no link {link}; links are {', '.join(state.name for state in states)}")
        healed = [state.name for state in states if state.fault is not None and link in (None, state.name)]
        for name in healed:
            timer = self._healing.pop(name, None)
            if timer is not None:
                timer.cancel()
            t_ns = self.engine.clear_fault(name)
            self.log.add(EventKind.HEAL, name, f"{name} healed", t_ns=t_ns)
        return {"healed": healed}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(self._answer(line)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError) as error:
            log.warning("a client was dropped: %s", error)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def _answer(self, line: bytes) -> Document:
        try:
            document = json.loads(line)
            return {"result": REQUESTS[document["request"]](self, document["arguments"])}
        except (LabError, LinkError, EngineGone) as error:
            return {"error": str(error)}
        except (KeyError, TypeError, ValueError, OSError) as error:
            log.exception("a request failed")
            return {"error": f"the controller cannot do that: {type(error).__name__} {error}"}


REQUESTS: dict[str, Callable[[Controller, Document], Any]] = {
    "nodes": lambda controller, arguments: controller.views.nodes(),
    "missing": lambda controller, arguments: controller.views.missing(),
    "inspect": lambda controller, arguments: controller.views.inspect(arguments["topic"]),
    "events": lambda controller, arguments: controller.log.since(arguments["since_ns"]),
    "fail": lambda controller, arguments: controller.fail(**arguments),
    "heal": lambda controller, arguments: controller.heal(**arguments),
}


async def serve(directory: LabDirectory) -> None:
    """Runs a lab's controller until it is told to stop. Raises BlockingIOError where the lab has one."""
    lock = (directory.path / "controller.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    controller = Controller(directory)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, controller.stopping.set)
    await controller.run()


def main() -> None:
    """The controller process: python -m netns_lab.controller LAB."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )
    # Ctrl-C in the terminal that brought the lab up is not meant for the controller; a signal that it ignored
    # would be ignored by every process that it starts.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    os.umask(0o077)
    asyncio.run(serve(LabDirectory(sys.argv[1])))


if __name__ == "__main__":
    main()
