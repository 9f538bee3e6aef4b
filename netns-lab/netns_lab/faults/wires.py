"""Faults that the engine does to links, and what else is dead with a node that dies."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from netns_lab.faults.model import Fault, dead_nodes, wire_fault
from netns_lab.faults.routers import grant
from netns_lab.namespaces import set_sysctls

if TYPE_CHECKING:
    from netns_lab.controller import Controller
    from netns_lab.faults.registry import Registry

HEAD_START_S = 0.1
"""How long those that live react to the loss of links before what died with these is cleared away."""


class WireFaults:
    """Links lose their signal first, so that nobody hears what is killed next say goodbye.

    A dead router has no processor that it could take from others, and this machine is every router's: what is
    left to do about the dead waits until the living have acted.
    """

    def __init__(self, controller: Controller, registry: Registry) -> None:
        self._controller = controller
        self._registry = registry
        self._settling = asyncio.Lock()
        self._dying: dict[str, Fault] = {}

    @property
    def dying(self) -> set[str]:
        """The nodes whose links are cut, and whose end is not to hold up the others yet."""
        return dead_nodes(self._dying.values())

    async def begin(self, fault: Fault, for_s: float | None) -> int:
        specification = wire_fault(fault, for_s)
        assert specification is not None
        engine = self._controller.running_engine()
        self._dying[fault.id] = fault
        try:
            t_ns = engine.fail(fault.id, fault.links, specification)
            if dead_nodes([fault]):
                await asyncio.sleep(HEAD_START_S)
        finally:
            self._bury(fault)
        await self._settle(fault)
        return t_ns

    async def end(self, fault: Fault) -> int:
        self._bury(fault)
        t_ns = self._controller.now_ns()
        if self._controller.engine is not None:
            t_ns = self._controller.engine.heal(fault.id)
        await self._settle(fault)
        return t_ns

    async def resume(self, fault: Fault) -> None:
        await self._settle(fault)

    def _bury(self, fault: Fault) -> None:
        """Ends the head start: what the guard told of the dead is acted on, too."""
        if self._dying.pop(fault.id, None) is not None:
            self._controller.read_guard()

    async def _settle(self, fault: Fault) -> None:
        """Makes the nodes that a fault kills what all faults that are active leave of them."""
        if dead_nodes([fault]):
            async with self._settling:
                await self._settle_nodes(fault)

    async def _settle_nodes(self, fault: Fault) -> None:
        controller, dead = self._controller, dead_nodes(self._registry)
        for name in fault.nodes:
            node = next((it for it in controller.plan.nodes if it.name == name), None)
            if node is None:  # it went with a change of the topology
                continue
            forwarding = {key: value for key, value in node.sysctls.items() if "forward" in key}
            set_sysctls(node.namespace, dict.fromkeys(forwarding, "0") if name in dead else forwarding)
        grant(controller, self._registry, fault.nodes)
        killed = dead & {*fault.nodes}
        await asyncio.gather(controller.services.kill(killed), controller.daemons.kill(killed))
        await controller.daemons.follow(controller.plan, controller.living_nodes())
        await controller.services.follow(controller.living_nodes())
