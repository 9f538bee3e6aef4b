"""The controller's part in faults: it begins and ends them, also those that an earlier controller began.

A fault is in the registry before anything is done, so that whoever comes later can undo it. The engine ends
what is done to links by itself, in time, and tells of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from dataplane.interface import FaultEvent, LinkState
from dataplane.lines import Document
from netns_lab.clock import wall_time
from netns_lab.directory import LabError
from netns_lab.event_log import EventKind
from netns_lab.faults.attacks import Attacks
from netns_lab.faults.controllers import ControllerFaults
from netns_lab.faults.maintenance import Maintenance
from netns_lab.faults.model import (
    ATTACKS,
    CUT,
    MAINTENANCE,
    MODES,
    RESTORING,
    TEXTS,
    WIRE_MODES,
    Fault,
    FaultKind,
    FaultOptions,
    dead_nodes,
    refusal,
)
from netns_lab.faults.registry import Registry
from netns_lab.faults.request import is_there, reach, read_fault
from netns_lab.faults.routers import RouterFaults, equip, wish
from netns_lab.faults.wires import WireFaults

if TYPE_CHECKING:
    from netns_lab.controller import Controller
    from netns_lab.speakers import LabRouter

NS_PER_S = 1e9


class Actor(Protocol):
    """Who does the faults of some modes. All is done again without harm."""

    async def begin(self, fault: Fault, for_s: float | None) -> int:
        """Does it; the monotonic time in ns just before. Raises LabError."""

    async def resume(self, fault: Fault) -> None:
        """Goes on with one that an earlier controller began."""

    async def end(self, fault: Fault) -> int:
        """Undoes it once it is in the registry no more; the time in ns."""


class Faults:
    """Begins, ends and shows the faults of a running lab."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._registry = Registry(controller.directory.faults)
        self._wires = WireFaults(controller, self._registry)
        routers = RouterFaults(controller, self._registry, self._ended)
        itself = ControllerFaults(controller, self._ended)
        self._attacks = Attacks(controller)
        self._maintenance = Maintenance(controller, self._registry, self._ended)
        self._actors: dict[str, Actor] = {
            **dict.fromkeys(WIRE_MODES, self._wires),
            **dict.fromkeys(MODES[FaultKind.BGP], routers),
            **dict.fromkeys(MODES[FaultKind.CONTROLLER], itself),
            **dict.fromkeys(ATTACKS, self._attacks),
            MAINTENANCE: self._maintenance,
        }
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def dead(self) -> set[str]:
        """The nodes on which nothing may be started."""
        return dead_nodes(self._registry)

    @property
    def dying(self) -> set[str]:
        """The dead nodes that are left alone until those that live have acted."""
        return self._wires.dying

    def equip(self, router: LabRouter) -> None:
        """Makes a router that is new what the faults want of it."""
        equip(router, wish(router.node.name, self._registry, self._controller.plan))

    async def resume(self) -> None:
        """Takes over what earlier controllers began; what ended meanwhile is undone and told."""
        await self.follow()
        for fault in self._registry:
            await self._actors[fault.mode].resume(fault)
            self._set_alarm(fault)

    async def follow(self) -> None:
        """Ends the faults of what the plan has no more, and those that the engine has ended."""
        plan = self._controller.plan
        on_links = {fault.id for state in self._controller.link_states() for fault in state.faults}
        for fault in self._registry:
            ended = fault.mode in WIRE_MODES and fault.links and fault.id not in on_links
            if ended or not is_there(plan, fault):
                await self._finish(fault.id, fault.until_ns)

    async def fail(
        self,
        kind: str,
        name: str,
        mode: str,
        for_s: float | None = None,
        options: dict[str, Any] | None = None,
    ) -> Document:
        """Begins a fault, for a time if one is given; `t_ns` is the moment just before it.

        Of maintenance it is that before the drain, which may lose nothing either.
        """
        controller = self._controller
        fault = read_fault(controller.plan, controller.now_ns(), kind, name, mode, for_s, options or {})
        if (why := refusal(fault, self._active())) is not None:
            raise LabError(why)
        for_s = None if fault.until_ns is None else (fault.until_ns - fault.since_ns) / NS_PER_S
        asked_ns = fault.since_ns
        self._registry.put(fault)
        try:
            t_ns = await self._actors[mode].begin(fault, for_s)
        except BaseException:
            self._registry.take(fault.id)
            with contextlib.suppress(LabError):
                await self._actors[mode].end(fault)
            raise
        if (known := self._registry.get(fault.id)) is not None:  # it was not healed at once
            until_ns = None if fault.until_ns is None else fault.until_ns + t_ns - fault.since_ns
            fault = replace(known, since_ns=t_ns, until_ns=until_ns)
            self._registry.put(fault)
            self._set_alarm(fault)
        reached = {"links": fault.links, "nodes": fault.nodes}
        text = f"{fault.subject} failed ({mode})"
        controller.log.add(EventKind.FAULT, name, text, t_ns, mode=mode, fault=kind, **reached)
        began_ns = asked_ns if mode == MAINTENANCE else t_ns
        return {"kind": kind, "name": name, "mode": mode, "t_ns": began_ns, "id": fault.id}

    async def heal(
        self, kind: str | None = None, name: str | None = None, mode: str | None = None
    ) -> Document:
        """Ends every fault, or those of one thing, or of these the one of a mode."""
        if kind is not None and name is not None:
            reach(self._controller.plan, kind, name)
        known, others = (
            [
                it
                for it in faults
                if kind in (None, it.kind) and name in (None, it.name) and mode in (None, it.mode)
            ]
            for faults in (self._registry, self._others())
        )
        for fault in others:
            self._controller.running_engine().heal(fault.name)
        for fault in known:
            if fault.mode != MAINTENANCE:
                await self._finish(fault.id)
        # It waits for sessions, which other faults may have kept away.
        await asyncio.gather(*(self._finish(fault.id) for fault in known if fault.mode == MAINTENANCE))
        return {"healed": list(dict.fromkeys(fault.subject for fault in (*known, *others)))}

    def hear(self, event: FaultEvent) -> None:
        """Takes in that the engine began or ended a fault."""
        if event.id in event.links:  # another client of the engine's: its id is the link's name
            self._tell_other(event)
            return
        fault = self._registry.get(event.id)
        if event.fault is None and fault is not None and fault.since_ns <= event.t_ns:
            self._ended(fault.id, event.t_ns)

    def documents(self) -> list[Document]:
        """Every fault that is active: what it did, until when, and what its end will do."""
        now_ns = self._controller.now_ns()
        return [self._document(fault, now_ns) for fault in self._active()]

    def close(self) -> None:
        """Leaves every fault to the next controller."""
        for task in self._tasks:
            task.cancel()

    def _set_alarm(self, fault: Fault) -> None:
        """Has a fault end in time that the engine does not end."""
        in_engine = fault.links and (fault.mode in WIRE_MODES or fault.mode == MAINTENANCE)
        if fault.until_ns is not None and not in_engine:
            left_s = max(0.0, (fault.until_ns - self._controller.now_ns()) / NS_PER_S)
            asyncio.get_running_loop().call_later(left_s, self._due, fault)

    def _due(self, fault: Fault) -> None:
        known = self._registry.get(fault.id)
        if known is not None and known.until_ns == fault.until_ns:  # else it is another one by now
            self._ended(fault.id, known.until_ns)

    def _ended(self, id: str, t_ns: int | None) -> None:
        self._do(self._finish(id, t_ns))

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish(self, id: str, t_ns: int | None = None) -> None:
        """Undoes a fault, or what is left of one that ended by itself at t_ns."""
        fault = self._registry.get(id)
        if fault is None:
            return
        if fault.phase in (CUT, RESTORING):  # of maintenance alone
            healed_ns = await self._maintenance.restore(fault)
            t_ns = healed_ns if t_ns is None else t_ns
        if self._registry.take(id) is not None:
            ended_ns = await self._actors[fault.mode].end(fault)
            self._tell_end(fault, ended_ns if t_ns is None else t_ns)

    def _tell_end(self, fault: Fault, t_ns: int) -> None:
        detail = {"mode": fault.mode, "fault": fault.kind}
        self._controller.log.add(EventKind.HEAL, fault.name, f"{fault.subject} healed", t_ns, **detail)

    def _tell_other(self, event: FaultEvent) -> None:
        if event.fault is None:
            self._controller.log.add(EventKind.HEAL, event.id, f"{event.id} healed", event.t_ns)
        else:
            text = f"{event.id} failed ({event.fault})"
            self._controller.log.add(EventKind.FAULT, event.id, text, event.t_ns, mode=event.fault)

    def _active(self) -> list[Fault]:
        return [*self._registry, *self._others()]

    def _others(self) -> list[Fault]:
        """What other clients of the engine began."""
        return [fault for state in self._controller.link_states() for fault in _others(state)]

    def _document(self, fault: Fault, now_ns: int) -> Document:
        until_ns = fault.until_ns
        did, will = TEXTS[fault.mode]
        return {
            "id": fault.id,
            "kind": fault.kind,
            "name": fault.name,
            "mode": fault.mode,
            "link": fault.name if fault.kind == FaultKind.LINK else None,
            "direction": self._direction(fault),
            "links": list(fault.links),
            "nodes": list(fault.nodes),
            "since": wall_time(fault.since_ns),
            "until": None if until_ns is None else wall_time(until_ns),
            "heals_in_s": None if until_ns is None else round((until_ns - now_ns) / NS_PER_S, 1),
            "did": did,
            "will": will,
            "phase": fault.phase if fault.mode == MAINTENANCE else None,
            "attack": self._attacks.document(fault),
        }

    def _direction(self, fault: Fault) -> str | None:
        """Whose frames a fault of one link concerns."""
        if fault.kind != FaultKind.LINK:
            return None
        one, other = (end.node for end in self._controller.plan.link(fault.name).ends)
        sender = fault.options.from_node or (one if fault.mode == "one-way" else None)
        return {None: f"{one}<->{other}", one: f"{one}->{other}", other: f"{other}->{one}"}[sender]


def _others(state: LinkState) -> list[Fault]:
    return [
        Fault(
            "link",
            state.name,
            fault.mode,
            FaultOptions(None if fault.sender is None else state.ends[fault.sender].node),
            fault.since_ns,
            fault.until_ns,
            (state.name,),
        )
        for fault in state.faults
        if fault.id == state.name
    ]
