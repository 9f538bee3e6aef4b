"""A running controller goes by another plan: routers that are the same in both notice nothing.

A router that differs is replaced by one that takes over its ExaBGP child and its routes, as the next
controller would; ExaBGP keeps the sessions that are the same to it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dataplane.lines import Document
from netns_lab.directory import LabError
from netns_lab.event_log import EventKind
from netns_lab.plan import LabPlan
from netns_lab.speakers import LabRouter
from netns_lab.state import load_plan

if TYPE_CHECKING:
    from netns_lab.controller import Controller

REPLAY_LIMIT_S = 10.0
POLL_INTERVAL_S = 0.01


async def reload(controller: Controller) -> Document:
    """Takes in the lab's plan as it is saved now; the names of the routers that differ from those before.

    When it returns, the routes of these are what the plan and their speakers say. Again, it changes nothing.
    Raises GuardGone, and LabError where a speaker does not answer.
    """
    plan = load_plan(controller.directory)
    controller.look_again()
    speakers = {node.name: node for node in plan.nodes if node.runs_exabgp}
    gone = [controller.routers.pop(name) for name in controller.routers.keys() - speakers.keys()]
    await asyncio.gather(*(router.stop() for router in gone))
    controller.plan = plan
    controller.impairing.follow()
    await controller.faults.follow()
    replaced = []
    for name, node in speakers.items():
        router = controller.routers.get(name)
        if router is not None and not router.differs(plan, node, controller.interfaces_of(name)):
            router.follow(node, controller.interfaces_of(name))
        else:
            replaced.append(await _replace(controller, plan, name))
    controller.announcements.follow()
    changed = await controller.daemons.follow(plan, controller.living_nodes())
    await controller.services.follow(controller.living_nodes())
    await _replayed([router for router in replaced if not router.speaker.held])
    names = sorted([*changed, *(router.node.name for router in (*gone, *replaced))])
    if names:
        text = f"the topology changed, and with it the routers {', '.join(names)}"
        controller.log.add(EventKind.LAB_CHANGED, controller.plan.name, text)
    return {"routers": names}


async def _replace(controller: Controller, plan: LabPlan, name: str) -> LabRouter:
    old = controller.routers.get(name)
    if old is not None:
        await old.detach()
    router = controller.routers[name] = controller.make_router(plan.node(name))
    if old is None:
        router.start(None)
    else:
        router.succeed(old)
    return router


async def _replayed(routers: list[LabRouter]) -> None:
    """Waits until the speakers have told what they know: then no route of the plan before is left."""
    try:
        async with asyncio.timeout(REPLAY_LIMIT_S):
            while not all(router.replayed for router in routers):
                await asyncio.sleep(POLL_INTERVAL_S)
    except TimeoutError:
        silent = ", ".join(router.node.name for router in routers if not router.replayed)
        raise LabError(f"ExaBGP of {silent} does not answer after {REPLAY_LIMIT_S:.0f} s") from None
