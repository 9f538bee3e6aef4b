"""Maintenance: traffic is asked to leave links, they are cut once it has, and it returns to what is whole.

It loses nothing because no router changes its way before those that send to it have changed theirs. First
whoever is at an end of the links asks all others to use last what it has over them (GRACEFUL_SHUTDOWN, RFC
8326), and goes on forwarding; once they have heard, the ends themselves leave the links; once no frame of
traffic enters, carrier goes. On the way back sessions come up as the last to be used, and count again when
all routes are there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from dataplane.links.faults import FaultSpecification
from dataplane.links.specification import FaultMode
from netns_lab.directory import LabError
from netns_lab.faults.model import CUT, DRAINING, RESTORING, Fault
from netns_lab.faults.routers import grant
from netns_lab.faults.traffic import left_over
from netns_lab.plan import ETHERNET

if TYPE_CHECKING:
    from netns_lab.controller import Controller
    from netns_lab.faults.registry import Registry

DRAIN_LIMIT_S = 27.0
"""A whole table has to go from router to router, and whoever asked waits for 30 s."""
RETURN_LIMIT_S = 20.0
DECISION_LIMIT_S = 2.0
"""What a router that has heard everything may take to decide; what it keeps to then, it has no choice in."""
POLL_INTERVAL_S = 0.05


class Maintenance:
    """Drains, cuts and restores; each phase is in the registry before it begins."""

    def __init__(self, controller: Controller, registry: Registry, ended: Callable[[str, int], None]) -> None:
        self._controller = controller
        self._registry = registry
        self._ended = ended

    async def begin(self, fault: Fault, for_s: float | None) -> int:
        self._check(fault)
        self._grant(fault)
        deadline_s = time.monotonic() + DRAIN_LIMIT_S
        await self._until(fault, self._lacking, deadline_s)
        self._registry.put(replace(fault, phase=DRAINING))
        self._grant(fault)
        await self._until(fault, self._lacking, deadline_s)
        await self._until(fault, lambda: self._bound_to(fault), time.monotonic() + DECISION_LIMIT_S)
        engine = self._controller.running_engine()
        left = await left_over(engine, self._controller.counters, fault.links, deadline_s)
        if left is not None:
            raise LabError(f"{fault.subject}: traffic does not leave: {left}")
        self._still(fault)
        self._registry.put(replace(fault, phase=CUT))
        return engine.fail(fault.id, fault.links, FaultSpecification(FaultMode.CARRIER, for_s=for_s))

    async def resume(self, fault: Fault) -> None:
        """One that is cut stays so; one that nobody waits for any more is given up."""
        if not any(it.id == fault.id for state in self._controller.link_states() for it in state.faults):
            self._ended(fault.id, self._controller.now_ns())

    async def restore(self, fault: Fault) -> int:
        """Gives the links back and waits until every route is there; for those that come back at all."""
        engine = self._controller.running_engine()
        t_ns = engine.heal(fault.id)
        self._registry.put(replace(fault, phase=RESTORING))
        deadline_s = time.monotonic() + RETURN_LIMIT_S
        while not self._is_back(fault) and time.monotonic() < deadline_s:
            await asyncio.sleep(POLL_INTERVAL_S)
        return t_ns

    async def end(self, fault: Fault) -> int:
        self._grant(fault)
        return self._controller.now_ns()

    def _grant(self, fault: Fault) -> None:
        grant(self._controller, self._registry, self._ends(fault))

    def _ends(self, fault: Fault) -> list[str]:
        """The nodes that the links lead to."""
        links = [link for link in self._controller.plan.links if link.name in fault.links]
        return list(dict.fromkeys(end.node for link in links for end in link.ends if end.node != ETHERNET))

    def _check(self, fault: Fault) -> None:
        """One end of each link must be ours: it asks the other, and leaves the link itself."""
        plan = self._controller.plan
        for link in (plan.link(name) for name in fault.links):
            ends = [plan.node(end.node) for end in link.ends if end.node != ETHERNET]
            speakers = [node for node in ends if node.asn is not None]
            if speakers and not any(node.runs_exabgp for node in speakers):
                raise LabError(f"{fault.subject}: no end of {link.name} runs ExaBGP, which drains it")

    def _still(self, fault: Fault) -> None:
        if self._registry.get(fault.id) is None:
            raise LabError(f"{fault.subject}: healed before traffic had left")

    async def _until(self, fault: Fault, lacking: Callable[[], str | None], deadline_s: float) -> None:
        while (why := lacking()) is not None:
            if time.monotonic() > deadline_s:
                raise LabError(f"{fault.subject}: traffic does not leave: {why}")
            await asyncio.sleep(POLL_INTERVAL_S)
            self._still(fault)

    def _lacking(self, names: Iterable[str] | None = None) -> str | None:
        """A session that has not brought yet what its other end is to announce; None where all have."""
        routers = self._controller.routers
        for name in routers if names is None else names:
            for session in routers[name].router.sessions.values():
                peer = routers.get(session.peer_node)
                if session.up and peer:
                    unheard = routers[name].router.unheard(session.neighbor, peer.router)
                    if unheard:
                        return f"{name} has not heard of {unheard[0]} from {session.peer_node}"
        return None

    def _bound_to(self, fault: Fault) -> str | None:
        """A route over the links; None where there is none."""
        for name in self._ends(fault):
            if (router := self._controller.routers.get(name)) is None:
                continue
            interfaces = {it.name for it in router.node.interfaces if it.link in fault.links}
            if len(interfaces) == len(router.node.interfaces):
                continue  # it goes itself: what comes to it shows as frames
            ifindexes = {state.ifindex for key, state in router.interfaces.items() if key in interfaces}
            if (prefix := router.router.prefix_over(ifindexes)) is not None:
                return f"{name} has no other way to {prefix}"
        return None

    def _is_back(self, fault: Fault) -> bool:
        """Whether the links have brought all back, as far as no other fault keeps it away."""
        engine = self._controller.running_engine()
        up = {state.name for state in engine.links() if state.state == "up"}
        for session in self._controller.plan.sessions:
            if not {*session.links} & {*fault.links} & up:
                continue
            for end in session.ends:
                other = session.seen_from(end.node)[1]
                router = self._controller.routers.get(end.node)
                if router and not router.speaker.held and not router.router.sessions[other.address].up:
                    return False
        return self._lacking(name for name in self._ends(fault) if name in self._controller.routers) is None
