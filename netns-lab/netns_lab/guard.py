"""The guard: a small process that moves traffic off an interface as soon as engine, kernel or BFD lose it.

It knows no routes and no BGP, so that nothing keeps it waiting, and tells the controller second. It starts
the controller again when that ends, as the controller does for it.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from control.bfd.service import SessionKey
from control.bfd.state import BfdState
from control.guard.channel import (
    InterfaceChange,
    InterfaceState,
    change_document,
    session_document,
    states_document,
)
from control.guard.guard import Guard, Usability, Witness
from control.guard.reaction import LOOK_UP_AGAIN, without_interface
from control.routes.kernel import NetlinkKernel
from control.routes.model import FAMILIES
from dataplane.client import EngineClient, EngineEvents, EngineGone
from dataplane.interface import CarrierEvent, EndState
from dataplane.lines import Document, from_line, peer_pid, to_line
from dataplane.link_state import LinkMonitor
from dataplane.namespace import NAMESPACE_DIRECTORY
from dataplane.subscribers import Subscribers
from netns_lab.bfd_sessions import BfdSessions
from netns_lab.daemons import launch_controller, run_daemon
from netns_lab.directory import LabDirectory
from netns_lab.plan import LabPlan
from netns_lab.state import load_plan
from netns_lab.supervisor import Supervisor

FIFO_PRIORITY = 1
log = logging.getLogger("guard")


@dataclass(frozen=True, slots=True)
class Watched:
    """A router's namespace, reached from outside: what its interfaces do and what its groups hold."""

    identity: int
    monitor: LinkMonitor
    kernel: NetlinkKernel

    def close(self) -> None:
        self.monitor.close()
        self.kernel.close()


class GuardProcess:
    """Witnesses in, nexthop groups and news out."""

    def __init__(self, directory: LabDirectory) -> None:
        self._directory = directory
        self._guard = Guard(self._changed)
        self._routers: dict[str, Watched] = {}
        self._ifindexes: dict[tuple[str, str], int] = {}
        self._bfd = BfdSessions(directory, self._path_changed, self._session_changed)
        self._subscribers = Subscribers()
        self._silent = True
        self._controller = Supervisor(lambda: launch_controller(directory), lambda: not directory.is_ending())
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        """Runs until a signal comes."""
        self._listen_to_engine()
        self._look()
        asyncio.get_running_loop().add_reader(self._bfd.fileno(), self._bfd.read)
        server = await asyncio.start_unix_server(self._serve, self._directory.guard_socket)
        log.info("guarding lab %s", self._directory.name)
        await self.stopping.wait()
        self._controller.close()
        server.close()
        self._bfd.close()

    def _listen_to_engine(self) -> None:
        try:
            events = EngineEvents(self._directory.engine_socket)
        except EngineGone:
            log.error("the engine does not run")
            return
        asyncio.get_running_loop().add_reader(events.fileno(), self._read_engine, events)

    def _look(self) -> None:
        """Takes in which routers and interfaces there are now, and how they are."""
        ends, plan = self._engine_ends(), load_plan(self._directory)
        self._silent = True  # what is told to everybody is the whole truth, once all of it is known
        try:
            self._follow(plan, ends)
        finally:  # also where a part of it could not be looked at
            self._silent = False
            self._subscribers.publish(self._whole_truth())

    def _follow(self, plan: LabPlan, engine_ends: Iterable[EndState]) -> None:
        self._watch_routers(plan)
        ends = {(end.node, end.interface): end for end in engine_ends if end.node in self._routers}
        for key, ifindex in self._ifindexes.items():
            if key not in ends or ends[key].ifindex != ifindex:
                self._guard.forget(*key)
        self._ifindexes = {key: end.ifindex for key, end in ends.items()}
        for (node, interface), end in ends.items():
            self._guard.hear(node, interface, Witness.ENGINE, end.carrier, time.monotonic_ns())
            state = self._routers[node].monitor.links.get(end.ifindex)
            usable = state is not None and state.usable
            self._guard.hear(node, interface, Witness.KERNEL, usable, time.monotonic_ns())
        inodes = {node: watched.identity for node, watched in self._routers.items()}
        self._bfd.follow(plan, self._ifindexes, inodes)

    def _watch_routers(self, plan: LabPlan) -> None:
        wanted = {node.name: node.namespace for node in plan.nodes if node.runs_exabgp}
        loop = asyncio.get_running_loop()
        for node, watched in list(self._routers.items()):
            # A node that was made anew has another namespace of the same name.
            if _identity(wanted.get(node)) != watched.identity:
                loop.remove_reader(watched.monitor.fileno())
                self._routers.pop(node).close()
        for node in wanted.keys() - self._routers.keys():
            namespace = wanted[node]
            identity = _identity(namespace)
            if identity is None:
                continue  # `inspect` tells of a namespace that was deleted
            with contextlib.suppress(FileNotFoundError):
                watched = Watched(identity, LinkMonitor(namespace), NetlinkKernel(namespace))
                self._routers[node] = watched
                loop.add_reader(watched.monitor.fileno(), self._read_kernel, node)

    def _engine_ends(self) -> list[EndState]:
        try:
            engine = EngineClient(self._directory.engine_socket)
        except EngineGone:
            return []
        try:
            return [end for link in engine.links() for end in link.ends]
        finally:
            engine.close()

    def _whole_truth(self) -> Document:
        states = []
        for (node, interface), ifindex in self._ifindexes.items():
            usable = self._guard.usable(node, interface)
            families = {family: family in usable for family in FAMILIES}
            states.append(InterfaceState(node, interface, ifindex, families))
        return states_document(states, self._bfd.states())

    def _read_engine(self, events: EngineEvents) -> None:
        try:
            news = events.read()
        except EngineGone:
            log.error("the engine ended")
            asyncio.get_running_loop().remove_reader(events.fileno())
            events.close()
            for key in self._ifindexes:
                self._guard.hear(*key, Witness.ENGINE, False, time.monotonic_ns())
            return
        for event in news:
            if isinstance(event, CarrierEvent) and (event.node, event.interface) in self._ifindexes:
                self._guard.hear(event.node, event.interface, Witness.ENGINE, event.carrier, event.t_ns)

    def _read_kernel(self, node: str) -> None:
        for state in self._routers[node].monitor.read():
            for (at, interface), ifindex in self._ifindexes.items():
                if at == node and ifindex == state.ifindex:
                    self._guard.hear(node, interface, Witness.KERNEL, state.usable, time.monotonic_ns())

    def _path_changed(self, key: SessionKey, lost: bool, t_ns: int) -> None:
        if (key.node, key.interface) in self._ifindexes:
            self._guard.hear_bfd(key.node, key.interface, key.family, lost, t_ns)

    def _session_changed(self, state: BfdState) -> None:
        self._subscribers.publish(session_document(state))

    def _changed(self, usability: Usability) -> None:
        """Moves traffic first and tells of it second."""
        node, interface, families = usability.node, usability.interface, usability.families
        ifindex = self._ifindexes[node, interface]
        moved_ns = None if usability.usable else self._move_off(node, ifindex, families)
        if not self._silent:
            what = usability.usable, usability.witness.value, usability.t_ns
            change = InterfaceChange(node, interface, ifindex, families, *what, moved_ns)
            self._subscribers.publish(change_document(change))

    def _move_off(self, node: str, ifindex: int, families: Collection[str]) -> int | None:
        kernel = self._routers[node].kernel
        try:
            deletions = without_interface(kernel.nexthops(), ifindex, families)
            refused = kernel.execute([*deletions, *LOOK_UP_AGAIN])
        except OSError:
            # The interfaces that changed with this one must still be heard of.
            log.exception("%s: traffic could not be moved off interface %d", node, ifindex)
            return None
        for refusal in refused:
            log.warning("%s: the kernel refused %s", node, refusal)
        return time.monotonic_ns() if deletions else None

    def _reload(self) -> None:
        try:
            self._look()
        except OSError as error:  # EngineGone is one
            log.error("not all of the lab could be looked at again: %s", error)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A client: who subscribes is the controller, and looked after from then on."""
        writer.write(to_line(self._whole_truth()))
        self._subscribers.add(writer)
        try:
            while line := await reader.readline():
                document = from_line(line)
                if document.get("controller"):
                    self._controller.watch(peer_pid(writer.get_extra_info("socket")))
                if document.get("reload"):
                    self._reload()
        except ConnectionError:
            pass  # it only wanted to know whether there is a guard
        except ValueError as error:
            log.warning("a client was dropped: %s", error)
        finally:
            self._subscribers.discard(writer)
            writer.close()


def _identity(namespace: str | None) -> int | None:
    """The inode of a namespace, by its name; None where there is none of that name."""
    if namespace is not None:
        with contextlib.suppress(OSError):
            return (NAMESPACE_DIRECTORY / namespace).stat().st_ino
    return None


def become_punctual() -> None:
    """Runs before ordinary processes where that is allowed; what this process starts does not."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(FIFO_PRIORITY))


async def serve(directory: LabDirectory) -> None:
    """Runs a lab's guard until it is told to stop."""
    guard = GuardProcess(directory)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, guard.stopping.set)
    await guard.run()


def main() -> None:
    """The guard process: python -m netns_lab.guard LAB."""
    become_punctual()
    run_daemon("guard", sys.argv[1], serve)


if __name__ == "__main__":
    main()
