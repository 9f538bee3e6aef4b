"""Faults of routers' control planes: sessions reset, speakers killed, routes leaked, neighbors flooded.

These are acts of an operator, or of a router gone wrong; a fault of a wire never comes here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_network
from itertools import islice
from typing import TYPE_CHECKING

from netns_lab.faults.model import MAINTENANCE, WARNING, Fault, FaultKind, dead_nodes

if TYPE_CHECKING:
    from control.session import Session
    from netns_lab.controller import Controller
    from netns_lab.faults.registry import Registry
    from netns_lab.plan import LabPlan
    from netns_lab.speakers import LabRouter

FLOOD = ip_network("198.18.0.0/15")
"""Where the host routes of a flood are from: kept for benchmarks (RFC 2544)."""
FLOOD_COUNT = 1000
POLL_INTERVAL_S = 0.05


@dataclass(frozen=True, slots=True)
class RouterWish:
    """What all faults that are active want of one router: no speaker, traffic moved away from sessions with
    neighbors, others asked to use the paths of some last, policy left out, so many prefixes more than
    agreed."""

    held: bool = False
    drained: frozenset[str] = frozenset()
    leaving: frozenset[str] = frozenset()
    leaks: bool = False
    flood: int = 0


def wish(name: str, faults: Iterable[Fault], plan: LabPlan) -> RouterWish:
    """What is wanted of a router. A session is drained once every link it may use is to be taken away."""
    active = list(faults)
    own = {fault.mode: fault for fault in active if fault.kind == FaultKind.BGP and fault.nodes[0] == name}
    killed, flooding = own.get("speaker-killed"), own.get("flood")
    upkeep = [fault for fault in active if fault.mode == MAINTENANCE]
    leaving, drained = (
        _peers_over({link for fault in some for link in fault.links}, name, plan)
        for some in (upkeep, [fault for fault in upkeep if fault.phase != WARNING])
    )
    return RouterWish(
        held=name in dead_nodes(active) or (killed is not None and killed.until_ns is not None),
        drained=drained,
        leaving=leaving,
        leaks="leak" in own,
        flood=(flooding.options.count or FLOOD_COUNT) if flooding is not None else 0,
    )


def _peers_over(links: set[str], name: str, plan: LabPlan) -> frozenset[str]:
    """The addresses of the peers to which a router has no other links than these."""
    sessions = [session for session in plan.sessions_of(name) if links.issuperset(session.links)]
    return frozenset(session.seen_from(name)[1].address for session in sessions)


def equip(router: LabRouter, wanted: RouterWish) -> None:
    """Makes a router what is wanted of it, a flood aside; again, it changes nothing."""
    router.hold() if wanted.held else router.release()
    router.router.drain(wanted.drained, wanted.leaving)
    router.router.leak(wanted.leaks)


def grant(controller: Controller, registry: Registry, names: Iterable[str]) -> None:
    """Makes routers what all faults of the registry want of them."""
    for name in names:
        if (router := controller.routers.get(name)) is not None:
            wanted = wish(name, registry, controller.plan)
            equip(router, wanted)
            prefixes = frozenset(f"{address}/32" for address in islice(FLOOD, wanted.flood))
            controller.announcements.flood(name, prefixes)


class RouterFaults:
    """`ended` is told of faults that end by themselves, once what they broke is back."""

    def __init__(self, controller: Controller, registry: Registry, ended: Callable[[str, int], None]) -> None:
        self._controller = controller
        self._registry = registry
        self._ended = ended
        self._watching: dict[str, asyncio.Task[None]] = {}

    async def begin(self, fault: Fault, for_s: float | None) -> int:
        t_ns = self._controller.now_ns()
        if fault.mode == "reset" and for_s is None:
            self._reset(fault)
        elif fault.mode == "speaker-killed":
            self._controller.routers[fault.nodes[0]].hold()
        await self.resume(fault)
        return t_ns

    async def resume(self, fault: Fault) -> None:
        grant(self._controller, self._registry, fault.nodes[:1])
        if fault.mode == "reset" and fault.until_ns is not None:
            for session in self._sessions(fault):
                router = self._controller.routers[fault.nodes[0]].router
                router.shut_down(session.neighbor, "shut down", self._controller.now_ns())
        elif fault.mode in ("reset", "speaker-killed") and fault.until_ns is None:
            self._watching[fault.id] = asyncio.get_running_loop().create_task(self._watch(fault))

    async def end(self, fault: Fault) -> int:
        t_ns = self._controller.now_ns()
        if (watch := self._watching.pop(fault.id, None)) is not None:
            watch.cancel()
        elif fault.mode == "reset":
            self._reset(fault)
        grant(self._controller, self._registry, fault.nodes[:1])
        return t_ns

    async def _watch(self, fault: Fault) -> None:
        """Waits until the sessions that ended are back."""
        while True:
            await asyncio.sleep(POLL_INTERVAL_S)
            if all(session.up and session.since_ns > fault.since_ns for session in self._sessions(fault)):
                self._ended(fault.id, self._controller.now_ns())
                return

    def _sessions(self, fault: Fault) -> list[Session]:
        router = self._controller.routers.get(fault.nodes[0])
        sessions = router.router.sessions.values() if router is not None else ()
        return [session for session in sessions if session.peer_node in fault.nodes[1:]]

    def _reset(self, fault: Fault) -> None:
        for session in self._sessions(fault):
            self._controller.routers[fault.nodes[0]].router.reset(session.neighbor)
