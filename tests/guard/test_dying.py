"""A router dies: what lives hears of it, and acts, before the lab clears away what is dead."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from netns_lab.controller import Controller
from netns_lab.faults import wires
from netns_lab.faults.model import Fault, FaultOptions
from netns_lab.faults.wires import WireFaults
from netns_lab.speakers import changed

from control.guard.channel import InterfaceChange, InterfaceState, News

DEAD, LIVING = "dead", "living"
NODES = (DEAD, LIVING)
FAMILIES = ("ipv4", "ipv6")
FAULT = Fault("node", DEAD, "dead", FaultOptions(), 1, links=("ch1",), nodes=(DEAD,))


def change(node: str, usable: bool, t_ns: int = 1) -> InterfaceChange:
    return InterfaceChange(node, "eth0", 7, FAMILIES, usable, "loss of signal", t_ns, None)


def state(node: str, usable: bool) -> InterfaceState:
    return InterfaceState(node, "eth0", 7, dict.fromkeys(FAMILIES, usable))


class Router:
    """What the controller tells a router, in the story that all share."""

    def __init__(self, name: str, story: list[Any]) -> None:
        self.interfaces = {"eth0": state(name, True)}
        self._story = story

    def interface_to_be_lost(self, change: InterfaceChange) -> None:
        pass

    def check_routes(self) -> None:
        pass

    def interface_changed(self, change: InterfaceChange) -> None:
        self.interfaces["eth0"] = changed(self.interfaces["eth0"], change)
        self._story.append((change.node, change.usable))


class Setting:
    """A controller of two routers with a guard that says what it is told to, and the fault that kills one."""

    def __init__(self) -> None:
        self.story: list[Any] = []
        self.told: list[News] = []
        self.truth: list[InterfaceState] = []
        self.engine = SimpleNamespace(fail=self._fail, heal=self._heal)
        controller: Any = object.__new__(Controller)
        controller._news = []
        controller._interfaces = {(node, "eth0"): state(node, True) for node in NODES}
        controller.routers = {node: Router(node, self.story) for node in NODES}
        controller.guard = SimpleNamespace(
            closed=False, read=self._read, reload=list, wait=lambda: self.truth
        )
        controller.now_ns = lambda: 4
        controller.engine = self.engine
        controller.log = SimpleNamespace(knows=lambda *_: False, add=lambda kind, *_, **__: None)
        self.controller = controller
        self.wires = WireFaults(controller, [FAULT])  # type: ignore[arg-type]
        self.wires._settle = self._settle  # type: ignore[method-assign]
        controller.faults = self.wires

    def _fail(self, *_: object) -> int:
        self.story.append("cut")
        return 3

    def _heal(self, id: str) -> int:
        self.story.append("healed")
        return 5

    def _read(self) -> list[News]:
        told, self.told = self.told, []
        return told

    async def _settle(self, fault: Fault) -> None:
        self.story.append("settled")

    def hear(self, *news: News) -> None:
        self.told += news
        self.controller.read_guard()


def test_the_living_act_before_the_dead_are_told_of_and_cleared_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wires, "HEAD_START_S", 0)
    setting = Setting()

    async def play() -> None:
        dying = asyncio.create_task(setting.wires.begin(FAULT, None))
        await asyncio.sleep(0)
        setting.hear(change(DEAD, False), change(LIVING, False))
        setting.hear(change(DEAD, True), change(LIVING, True))
        assert await dying == 3

    asyncio.run(play())
    assert setting.story == ["cut", (LIVING, False), (LIVING, True), (DEAD, False), (DEAD, True), "settled"]


def test_a_node_that_is_healed_while_it_dies_is_told_of_in_order() -> None:
    setting = Setting()

    async def play() -> None:
        dying = asyncio.create_task(setting.wires.begin(FAULT, None))
        await asyncio.sleep(0)
        setting.hear(change(DEAD, False))
        await setting.wires.end(FAULT)
        setting.hear(change(DEAD, True))
        dying.cancel()

    asyncio.run(play())
    assert setting.story == ["cut", (DEAD, False), "healed", "settled", (DEAD, True)]


def test_a_whole_truth_comes_after_all_that_was_told_before_it() -> None:
    setting = Setting()
    setting.wires._dying[FAULT.id] = FAULT
    setting.hear(change(DEAD, False))
    assert setting.story == []
    setting.truth = [state(DEAD, True), state(LIVING, False)]
    setting.controller.look_again()
    assert setting.story == [(DEAD, False), (DEAD, True), (LIVING, False)]
    assert setting.controller.interfaces_of(DEAD) == {"eth0": state(DEAD, True)}
