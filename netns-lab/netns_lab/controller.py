"""The controller: one process, one loop, that runs a lab's control plane and answers the command line."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from control.bfd.state import BfdState
from control.guard.channel import GuardEvents, GuardGone, InterfaceChange, InterfaceState, News
from dataplane import priority
from dataplane.client import EngineClient, EngineEvents, EngineGone
from dataplane.counters import map_counters
from dataplane.interface import FaultEvent, LinkError, LinkState, PendingEvent
from dataplane.lines import Document
from netns_lab.announcements import Announcements
from netns_lab.api import MAXIMUM_LINE_OCTETS
from netns_lab.daemons import POLL_INTERVAL_S, launch_guard, run_daemon, start_guard
from netns_lab.directory import LabDirectory, LabError
from netns_lab.event_log import WRITING_DELAY_S, EventKind, EventLog
from netns_lab.faults.faults import Faults
from netns_lab.impairing import Impairing
from netns_lab.plan import NodePlan
from netns_lab.processes import marked_commands
from netns_lab.rates import READING_INTERVAL_S
from netns_lab.reload import reload
from netns_lab.routing_daemons.router import DaemonRouters
from netns_lab.services import Services
from netns_lab.speakers import LabRouter, changed
from netns_lab.state import load_plan
from netns_lab.supervisor import Supervisor
from netns_lab.views import Views

SPEAKER_STARTS_PER_CPU = 2
log = logging.getLogger("controller")


class Controller:
    """Everything between the guard's news, the routers and the requests of the command line.

    It may end at any time: what it did stays, and the next one takes over what it finds.
    """

    def __init__(self, directory: LabDirectory, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        """Starts the guard where none runs; LabError where that fails."""
        self.plan = load_plan(directory)
        self.now_ns = now_ns
        self.log = EventLog(directory.events, now_ns, _later)
        self.directory = directory
        self.engine: EngineClient | None = None
        self.guard = self._find_guard()
        self._guarding = Supervisor(lambda: launch_guard(directory), lambda: not directory.is_ending())
        self._interfaces = {(state.node, state.interface): state for state in self.guard.wait()}
        self._news: list[News] = []
        self._speaker_turns = asyncio.Semaphore(SPEAKER_STARTS_PER_CPU * len(os.sched_getaffinity(0)))
        self.routers: dict[str, LabRouter] = {}
        self.announcements = Announcements(self)
        self.faults = Faults(self)
        self.routers = {node.name: self.make_router(node) for node in self.plan.nodes if node.runs_exabgp}
        self.daemons = DaemonRouters(directory, self.log, now_ns)
        self.services = Services(directory, self.log)
        self.impairing = Impairing(self)
        self.counters = map_counters(directory.counters)
        self.views = Views(self, self.counters)
        self._awaiting: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        """Runs until a signal comes; speakers, routes and guard outlive it."""
        self._follow_engine()
        self._follow_guard()
        running = marked_commands(self.directory.mark)
        for router in self.routers.values():
            conf = str(router.speaker.configuration_path)
            router.start(next((pid for pid, words in running.items() if conf in words), None))
        await self.daemons.follow(self.plan, self.living_nodes())
        await self.services.follow(self.living_nodes())
        self.impairing.resume()
        await self.faults.resume()
        server = await asyncio.start_unix_server(
            self._serve, self.directory.controller_socket, limit=MAXIMUM_LINE_OCTETS
        )
        self.log.add(EventKind.PROCESS_STARTED, "controller", f"controller {os.getpid()} runs the lab")
        self._reading = asyncio.create_task(self._read_counters())
        await self.stopping.wait()
        self._reading.cancel()
        server.close()
        self._guarding.close()
        self.impairing.detach()
        self.faults.close()
        await self.daemons.detach()
        await self.services.detach()
        await asyncio.gather(*(router.detach() for router in self.routers.values()))
        self.log.write()

    async def _read_counters(self) -> None:
        while True:
            self.views.readings.take()
            await asyncio.sleep(READING_INTERVAL_S)

    def _find_guard(self) -> GuardEvents:
        try:
            return GuardEvents(self.directory.guard_socket)
        except GuardGone:
            start_guard(self.directory)
            return GuardEvents(self.directory.guard_socket)

    def _follow_engine(self) -> None:
        try:
            events = EngineEvents(self.directory.engine_socket)
            self.engine = EngineClient(self.directory.engine_socket)
        except EngineGone:
            return
        asyncio.get_running_loop().add_reader(events.fileno(), self._read_engine, events)
        states = self.engine.links()
        self.views.readings.cover(states)
        for state in states:  # what nobody listened to
            for end, secy in zip(state.ends, state.secys, strict=False):
                if secy.pending_since_ns is not None:
                    self._pending(PendingEvent(state.name, end.node, secy.pending_since_ns))

    def _read_engine(self, events: EngineEvents) -> None:
        try:
            news = events.read()
        except EngineGone:
            asyncio.get_running_loop().remove_reader(events.fileno())
            events.close()
            self.engine = None
            self.log.add(EventKind.PROCESS_GONE, "engine", "the engine ended; every link is down")
            return
        for event in news:
            if isinstance(event, FaultEvent):
                self.faults.hear(event)
            elif isinstance(event, PendingEvent):
                self._pending(event)

    def _pending(self, event: PendingEvent) -> None:
        """Writes down once that a SAK should be replaced."""
        if not self.log.knows(EventKind.PN_PENDING, event.t_ns):
            text = f"{event.node} has used three quarters of the packet numbers of its SAK on {event.link}"
            self.log.add(EventKind.PN_PENDING, event.link, text, event.t_ns, node=event.node)

    def _follow_guard(self) -> None:
        self.guard.introduce()
        self._guarding.watch(self.guard.pid)
        loop = asyncio.get_running_loop()
        loop.add_reader(self.guard.fileno(), self.read_guard)
        loop.call_soon(self.read_guard)  # what came with the first answer makes the socket readable no more

    def read_guard(self) -> None:
        """Acts on what the guard has told; on what it told of nodes that are dying, later."""
        self._hear_guard()
        while (it := self._next_news()) is not None:
            if isinstance(it, InterfaceChange):
                self._interface_changed(it)
            elif isinstance(it, BfdState):
                self._bfd_changed(it)
            else:
                self._take(it)

    def _next_news(self) -> News | None:
        """The oldest of a node that lives; before a whole truth, which may undo it, the oldest of all."""
        dying = self.faults.dying
        if not dying or any(isinstance(it, list) for it in self._news):
            return self._news.pop(0) if self._news else None
        for index, it in enumerate(self._news):
            if not isinstance(it, list) and it.node not in dying:
                return self._news.pop(index)
        return None

    def _hear_early(self) -> None:
        """For a router that is about to write groups: else it would put back what the guard took out."""
        self._hear_guard()
        if self._news:
            asyncio.get_running_loop().call_soon(self.read_guard)

    def _hear_guard(self) -> None:
        """Reads the guard's news, to be acted on in their order; routers use a lost interface no more."""
        if self.guard.closed:
            return
        try:
            news = self.guard.read()
        except GuardGone:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self.guard.fileno())
            self.guard.close()
            self.log.add(EventKind.PROCESS_GONE, "guard", "the guard ended; it is started again")
            self._awaiting = loop.create_task(self._await_guard())
            return
        self._news += news
        self._expect([it for it in news if isinstance(it, InterfaceChange)])

    def _expect(self, changes: Iterable[InterfaceChange]) -> None:
        for change in changes:
            router = self.routers.get(change.node)
            if not change.usable and router is not None and change.interface in router.interfaces:
                router.interface_to_be_lost(change)

    async def _await_guard(self) -> None:
        """Until the next guard answers the kernel alone moves traffic; then this one hears what it missed."""
        while not self.directory.is_ending():
            with contextlib.suppress(GuardGone):
                self.guard = GuardEvents(self.directory.guard_socket)
                self._follow_guard()
                self.log.add(EventKind.PROCESS_STARTED, "guard", f"guard {self.guard.pid} watches the lab")
                return
            await asyncio.sleep(POLL_INTERVAL_S)

    def make_router(self, node: NodePlan) -> LabRouter:
        """A router of the plan, not started yet."""
        interfaces = self.interfaces_of(node.name)
        originate = self.announcements.all_of(node.name)
        router = LabRouter(
            self.plan,
            node,
            self.directory,
            self.log,
            self.now_ns,
            interfaces,
            originate,
            self._hear_early,
            self._speaker_turns,
        )
        self.faults.equip(router)
        return router

    def living_nodes(self) -> list[NodePlan]:
        """The nodes in which something may be started."""
        return [node for node in self.plan.nodes if node.name not in self.faults.dead]

    def interfaces_of(self, node: str) -> dict[str, InterfaceState]:
        """The interfaces of a router as the guard told of them last, by name."""
        return {name: state for (at, name), state in self._interfaces.items() if at == node}

    def look_again(self) -> None:
        """Has the guard look which interfaces there are now; raises GuardGone."""
        self.read_guard()
        self.guard.reload()
        self._news.append(self.guard.wait())
        self.read_guard()  # changes that came with the answer make the socket readable no more

    def _take(self, states: list[InterfaceState]) -> None:
        """Takes in the whole truth, and makes up for changes that were not heard of.

        One that went and came back shows in none: the kernel, or a guard that died, may have acted on it.
        """
        changes = []
        for state in states:
            router = self.routers.get(state.node)
            known = router.interfaces.get(state.interface) if router else None
            if known is None or known.ifindex != state.ifindex:
                continue
            for usable in (False, True):
                families = tuple(
                    family
                    for family, is_usable in state.families.items()
                    if is_usable is usable and known.families[family] is not usable
                )
                if families:
                    where = state.node, state.interface, state.ifindex, families
                    changes.append(InterfaceChange(*where, usable, "guard", self.now_ns(), None))
        self._expect(changes)
        for change in changes:
            self._interface_changed(change)
        self._interfaces = {(state.node, state.interface): state for state in states}
        for name, router in self.routers.items():
            try:
                router.check_routes()
            except OSError:
                log.exception("the routes of %s could not be compared with its kernel", name)

    def _interface_changed(self, change: InterfaceChange) -> None:
        key = change.node, change.interface
        if key in self._interfaces:
            self._interfaces[key] = changed(self._interfaces[key], change)
        router = self.routers.get(change.node)
        if router is None or change.interface not in router.interfaces:
            return
        try:
            router.interface_changed(change)
        except Exception:
            # The interfaces that changed with this one must still be heard of.
            log.exception("%s:%s changed, and its routes could not follow", change.node, change.interface)

    def _bfd_changed(self, session: BfdState) -> None:
        """Writes down what became of a BFD session; what it means for traffic was told before."""
        kind = {"up": EventKind.BFD_UP, "down": EventKind.BFD_DOWN}.get(session.state)
        if kind is None or (session.state == "down" and session.diagnostic == "none"):
            return
        where = f"{session.node}:{session.interface}"
        reason = f": {session.diagnostic}" if kind is EventKind.BFD_DOWN else ""
        text = f"BFD at {where} with {session.peer} is {session.state}{reason}"
        if not self.log.knows(kind, session.since_ns, text):
            self.log.add(kind, where, text, session.since_ns, family=session.family)

    def running_engine(self) -> EngineClient:
        """Raises LabError where there is none."""
        if self.engine is None:
            raise LabError("the engine ended: no link carries traffic; `quadlink up` builds the lab anew")
        return self.engine

    def link_states(self) -> list[LinkState]:
        """Every link as the engine has it now; none where the engine ended."""
        return [] if self.engine is None else self.engine.links()

    def expected_routes(self, node: str, first: int, count: int) -> Document:
        """What the kernel of a router should have, as of `LabRouter`; nothing where there is none of ours."""
        router = self.routers.get(node)
        return router.expected_routes(first, count) if router else {"groups": [], "more": False}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError) as error:
            log.warning("a client was dropped: %s", error)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, line: bytes) -> Document:
        try:
            document = json.loads(line)
            result = REQUESTS[document["request"]](self, document["arguments"])
            answer = {"result": await result if asyncio.iscoroutine(result) else result}
            self.log.write()  # who is answered may read the file
            return answer
        except (LabError, LinkError, EngineGone, GuardGone) as error:
            return {"error": str(error)}
        except (KeyError, TypeError, ValueError, OSError) as error:
            log.exception("a request failed")
            return {"error": f"the controller cannot do that: {type(error).__name__} {error}"}


REQUESTS: dict[str, Callable[[Controller, Document], Any]] = {
    "missing": lambda controller, arguments: controller.views.missing(),
    "summary": lambda controller, arguments: controller.views.summary(),
    "inspect": lambda controller, arguments: controller.views.inspect(arguments["topic"]),
    "expected-routes": lambda controller, arguments: controller.expected_routes(**arguments),
    "events": lambda controller, arguments: controller.log.since(arguments["since_ns"]),
    "fail": lambda controller, arguments: controller.faults.fail(**arguments),
    "heal": lambda controller, arguments: controller.faults.heal(**arguments),
    "announce": lambda controller, arguments: controller.announcements.announce(**arguments),
    "withdraw": lambda controller, arguments: controller.announcements.withdraw(**arguments),
    "impair-set": lambda controller, arguments: controller.impairing.set(**arguments),
    "impair-show": lambda controller, arguments: controller.impairing.show(**arguments),
    "impair-clear": lambda controller, arguments: controller.impairing.clear(**arguments),
    "impair-play": lambda controller, arguments: controller.impairing.play(**arguments),
    "impair-stop": lambda controller, arguments: controller.impairing.stop(**arguments),
    "reload": lambda controller, arguments: reload(controller),
}


def _later(write: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(WRITING_DELAY_S, write)


async def serve(directory: LabDirectory) -> None:
    """Runs a lab's controller until it is told to stop."""
    controller = Controller(directory)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, controller.stopping.set)
    await controller.run()


def main() -> None:
    """The controller process: python -m netns_lab.controller LAB."""
    with contextlib.suppress(OSError):  # as the engine, which it follows
        priority.come_first(alone=True)
    run_daemon("controller", sys.argv[1], serve)


if __name__ == "__main__":
    main()
