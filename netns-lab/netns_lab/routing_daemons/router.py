"""One router that leaves BGP and its routes to BIRD or FRR: what the controller starts, asks and stops."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import partial

from control.pidfd import ProcessHandle
from dataplane.lines import Document
from netns_lab.directory import LabDirectory
from netns_lab.event_log import EventKind, EventLog
from netns_lab.expected_prefixes import expected_prefixes
from netns_lab.plan import LabPlan, NodePlan
from netns_lab.routing_daemons.daemon import DAEMONS
from netns_lab.routing_daemons.session import DaemonSession
from netns_lab.services import Service
from netns_lab.session_views import daemon_session_document

READING_INTERVAL_S = 0.2


class DaemonProcess(Service):
    """A process of a routing daemon: kept running as services are, told of as speakers are."""

    started, ended, failed = EventKind.SPEAKER_STARTED, EventKind.SPEAKER_DIED, EventKind.SPEAKER_DIED

    followers: Sequence[DaemonProcess] = ()
    """What has to start anew with it: what it was told is lost when it ends."""

    @property
    def title(self) -> str:
        return f"{self.plan.name} of {self.place.name}"

    async def _launch(self) -> ProcessHandle:
        process = await super()._launch()
        if self.restarts:
            for follower in self.followers:
                follower.end()
        return process


class DaemonRouter:
    """A router's daemon and what it said last of its sessions.

    The daemon outlives the controller; the next one takes over its processes.
    """

    def __init__(
        self,
        plan: LabPlan,
        node: NodePlan,
        directory: LabDirectory,
        log: EventLog,
        now_ns: Callable[[], int],
    ) -> None:
        self.plan = plan
        self.node = node
        self.daemon = DAEMONS[node.daemon](directory, plan, node)
        self.processes = [DaemonProcess(directory, node, process, log) for process in self.daemon.processes()]
        self.processes[0].followers = self.processes[1:]
        self.sessions = self._none_yet()
        self._directory = directory
        self._log = log
        self._now_ns = now_ns
        self._attending_since_ns = now_ns()
        self._reading: asyncio.Task[None] | None = None

    def _none_yet(self) -> dict[str, DaemonSession]:
        name = self.node.name
        return {s.seen_from(name)[1].address: DaemonSession() for s in self.plan.sessions_of(name)}

    @property
    def pid(self) -> int | None:
        """Of the process that speaks BGP; None while it waits to be started."""
        return self.processes[-1].pid

    @property
    def restarts(self) -> int:
        """Of all processes."""
        return sum(process.restarts for process in self.processes)

    def start(self) -> None:
        """Takes over the daemon that an earlier controller started, or starts it."""
        self.daemon.write_files()
        for process in self.processes:
            process.start()
        self._reading = asyncio.get_running_loop().create_task(self._read())

    async def detach(self) -> None:
        """Attends to the daemon no more and leaves it running."""
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
        await asyncio.gather(*(process.detach() for process in self.processes))

    async def stop(self, first: signal.Signals = signal.SIGTERM) -> None:
        """Ends the daemon, by this signal if that does; unless killed it takes its routes along."""
        await self.detach()
        for process in reversed(self.processes):
            await process.stop(first)
        self.daemon.remove_files()

    async def change(self, plan: LabPlan, node: NodePlan) -> bool:
        """Goes by another plan of the same node where the daemon can while it runs; whether it could."""
        daemon = DAEMONS[node.daemon](self._directory, plan, node)
        if [process.plan for process in self.processes] != daemon.processes():
            return False
        if daemon.files != self.daemon.files:
            daemon.write_files()
            try:
                if not await asyncio.to_thread(daemon.reconfigure):
                    return False
            except OSError:
                return False
        self.plan, self.node, self.daemon = plan, node, daemon
        known = self.sessions
        self.sessions = {name: known.get(name, session) for name, session in self._none_yet().items()}
        return True

    def problems(self) -> list[str]:
        """A sentence for each process that does not run."""
        return [process.problem() for process in self.processes if process.pid is None]

    def missing(self) -> list[str]:
        """A sentence for each session that is not up or has no BFD yet, or has brought too few prefixes."""
        found = []
        for session in self.plan.sessions_of(self.node.name):
            _, peer = session.seen_from(self.node.name)
            state = self.sessions[peer.address]
            over = f"{peer.node} over {' and '.join(session.links)} ({peer.address})"
            if not state.up:
                found.append(f"{self.node.name}: no session with {over}")
            elif state.prefixes < (expected := len(expected_prefixes(self.plan, session, self.node.name))):
                found.append(f"{self.node.name}: {state.prefixes} of {expected} prefixes heard from {over}")
            elif state.bfd not in (None, "up") and self.plan.node(peer.node).daemon != "external":
                found.append(f"{self.node.name}: BFD with {over} is {state.bfd}")
        return found

    def session_documents(self) -> list[Document]:
        """What `inspect bgp` tells."""
        name, now_ns = self.node.name, self._now_ns()
        return [
            daemon_session_document(session, name, self.sessions[session.seen_from(name)[1].address], now_ns)
            for session in self.plan.sessions_of(name)
        ]

    async def _read(self) -> None:
        while True:
            found: Mapping[str, DaemonSession] = {}
            with contextlib.suppress(OSError, ValueError, KeyError):  # it is about to start, or it ended
                found = await asyncio.to_thread(self.daemon.sessions)
            for neighbor, known in self.sessions.items():
                self._take(neighbor, known, found.get(neighbor))
            await asyncio.sleep(READING_INTERVAL_S)

    def _take(self, neighbor: str, known: DaemonSession, state: DaemonSession | None) -> None:
        if state is None:
            silent = DaemonSession(False, self._now_ns(), 0, f"{self.daemon.title} does not answer")
            state = silent if known.up else known
        self.sessions[neighbor] = state
        # What happened before this controller attended to it, an earlier one has told.
        if state.up != known.up and state.since_ns >= self._attending_since_ns:
            self._tell(neighbor, state)

    def _tell(self, neighbor: str, state: DaemonSession) -> None:
        name = self.node.name
        session = self.plan.session_with(name, neighbor)
        peer, link = session.seen_from(name)[1].node, " ".join(session.links)
        reason = f": {state.reason}" if state.reason else ""
        self._log.add(
            EventKind.SESSION_UP if state.up else EventKind.SESSION_DOWN,
            name,
            f"{name}'s session with {peer} over {link} ({neighbor}) is "
            f"{'established' if state.up else 'down'}{reason}",
            state.since_ns,
            link=link,
        )


class DaemonRouters:
    """The routers of a lab that leave BGP to a routing daemon."""

    def __init__(self, directory: LabDirectory, log: EventLog, now_ns: Callable[[], int]) -> None:
        self._make = partial(DaemonRouter, directory=directory, log=log, now_ns=now_ns)
        self._routers: dict[str, DaemonRouter] = {}

    def __iter__(self) -> Iterator[DaemonRouter]:
        return iter(self._routers.values())

    def get(self, node: str) -> DaemonRouter | None:
        """The router of that node, where it is one of these."""
        return self._routers.get(node)

    async def follow(self, plan: LabPlan, living: Iterable[NodePlan]) -> list[str]:
        """Goes by a plan: ends what is not in it or on no living node, starts or changes the rest.

        The names of those that it did not leave as they were.
        """
        nodes = {node.name: node for node in living if node.asn is not None and node.daemon in DAEMONS}
        changed = [name for name in self._routers if name not in nodes]
        for name, node in nodes.items():
            router = self._routers.get(name)
            if router is None or not await router.change(plan, node):
                changed.append(name)
        await asyncio.gather(*(self._routers.pop(name).stop() for name in changed if name in self._routers))
        for name in changed:
            if name in nodes:
                self._routers[name] = self._make(plan, nodes[name])
                self._routers[name].start()
        return changed

    async def kill(self, nodes: Set[str]) -> None:
        """Ends the daemons of these nodes by SIGKILL; they start again once `follow` names them."""
        killed = [self._routers.pop(name) for name in nodes & self._routers.keys()]
        await asyncio.gather(*(router.stop(signal.SIGKILL) for router in killed))

    async def detach(self) -> None:
        """Leaves all of them running."""
        await asyncio.gather(*(router.detach() for router in self._routers.values()))
