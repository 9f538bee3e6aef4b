"""The controller's part in faults: it begins and ends them, also those that an earlier controller began.

A fault is in the registry before anything is done, so that whoever comes later can undo it. The engine ends
what is done to links by itself, in time, and tells of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dataplane.interface import FaultEvent, LinkState
from dataplane.lines import Document
from netns_lab.clock import wall_time
from netns_lab.directory import LabError
from netns_lab.event_log import EventKind
from netns_lab.faults.model import Fault, FaultOptions, reach, read_fault, refusal, wire_fault
from netns_lab.faults.registry import Registry

if TYPE_CHECKING:
    from netns_lab.controller import Controller

NS_PER_S = 1e9


class Faults:
    """Begins, ends and shows the faults of a running lab."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._registry = Registry(controller.directory.faults)

    def resume(self) -> None:
        """Takes over what earlier controllers began; what ended meanwhile is told and undone."""
        if self._controller.engine is None:
            return
        on_links = {fault.id for state in self._controller.engine.links() for fault in state.faults}
        for fault in self._registry:
            if fault.id not in on_links:
                self._ended(fault, fault.until_ns or self._controller.now_ns())

    def fail(
        self,
        kind: str,
        name: str,
        mode: str,
        for_s: float | None = None,
        options: dict[str, Any] | None = None,
    ) -> Document:
        """Begins a fault, for a time if one is given; `t_ns` is the moment just before."""
        plan = self._controller.plan
        fault = read_fault(plan, self._controller.now_ns(), kind, name, mode, for_s, options or {})
        if (why := refusal(fault, self._active())) is not None:
            raise LabError(why)
        engine = self._controller.running_engine()
        self._registry.put(fault)
        try:
            specification = wire_fault(fault, for_s)
            assert specification is not None
            t_ns = engine.fail(fault.id, fault.links, specification)
        except BaseException:
            self._registry.take(fault.id)
            raise
        until_ns = None if fault.until_ns is None else t_ns + fault.until_ns - fault.since_ns
        if fault.id in self._registry:
            self._registry.put(replace(fault, since_ns=t_ns, until_ns=until_ns))
        text = f"{fault.subject} failed ({mode})"
        reached = {"links": fault.links, "nodes": fault.nodes}
        self._controller.log.add(EventKind.FAULT, name, text, t_ns, mode=mode, fault=kind, **reached)
        return {"kind": kind, "name": name, "mode": mode, "t_ns": t_ns, "id": fault.id}

    def heal(self, kind: str | None = None, name: str | None = None) -> Document:
        """Ends every fault, or those of one thing."""
        if kind is not None and name is not None:
            reach(self._controller.plan, kind, name)
        engine = self._controller.running_engine()
        healed = []
        for fault in self._active():
            if kind not in (None, fault.kind) or name not in (None, fault.name):
                continue
            known = self._registry.take(fault.id)
            t_ns = engine.heal(fault.id if known else fault.name)
            if known:
                self._tell_end(fault, t_ns)
            healed.append(fault.subject)
        return {"healed": list(dict.fromkeys(healed))}

    def hear(self, event: FaultEvent) -> None:
        """Takes in that the engine began or ended a fault."""
        fault = next((it for it in self._registry if it.id == event.id), None)
        if event.fault is None and fault is not None:
            self._ended(fault, event.t_ns)
        elif event.id in event.links:  # another client of the engine's: its id is the link's name
            self._tell_other(event)

    def documents(self) -> list[Document]:
        """Every fault that is active: what it did, until when, and what ends it."""
        now_ns = self._controller.now_ns()
        return [self._document(fault, now_ns) for fault in self._active()]

    def _ended(self, fault: Fault, t_ns: int) -> None:
        self._registry.take(fault.id)
        self._tell_end(fault, t_ns)

    def _tell_end(self, fault: Fault, t_ns: int) -> None:
        text = f"{fault.subject} healed"
        self._controller.log.add(EventKind.HEAL, fault.name, text, t_ns, mode=fault.mode, fault=fault.kind)

    def _tell_other(self, event: FaultEvent) -> None:
        if event.fault is None:
            self._controller.log.add(EventKind.HEAL, event.id, f"{event.id} healed", event.t_ns)
        else:
            text = f"{event.id} failed ({event.fault})"
            self._controller.log.add(EventKind.FAULT, event.id, text, event.t_ns, mode=event.fault)

    def _active(self) -> list[Fault]:
        """The faults of the registry, and those that other clients of the engine began."""
        engine = self._controller.engine
        return [
            *self._registry,
            *(fault for state in (engine.links() if engine else []) for fault in _others(state)),
        ]

    def _document(self, fault: Fault, now_ns: int) -> Document:
        until_ns = fault.until_ns
        return {
            "id": fault.id,
            "kind": fault.kind,
            "name": fault.name,
            "mode": fault.mode,
            "link": fault.name if fault.kind == "link" else None,
            "direction": self._direction(fault),
            "links": list(fault.links),
            "nodes": list(fault.nodes),
            "since": wall_time(fault.since_ns),
            "until": None if until_ns is None else wall_time(until_ns),
            "heals_in_s": None if until_ns is None else round((until_ns - now_ns) / NS_PER_S, 1),
        }

    def _direction(self, fault: Fault) -> str | None:
        """Whose frames a fault of one link concerns."""
        if len(fault.links) != 1:
            return None
        one, other = (end.node for end in self._controller.plan.link(fault.links[0]).ends)
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
