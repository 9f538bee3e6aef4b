"""Goes through a scenario's acts without a lab: what would be refused, and when faults end. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from netns_lab.announcements import expanded
from netns_lab.directory import LabError
from netns_lab.faults.model import Fault, refusal
from netns_lab.faults.request import read_fault
from netns_lab.names import unknown
from netns_lab.plan import LabPlan
from netns_lab.scenarios.schedule import Act

NS_PER_S = 1e9


class Refused(Exception):
    """An act that cannot be, and why."""

    def __init__(self, act: Act, why: str) -> None:
        super().__init__(why)
        self.act = act


def rehearse(acts: Iterable[Act], plan: LabPlan) -> list[Act]:
    """The acts, each fault with its end where it has one. Raises Refused for the first that cannot be."""
    active: list[Fault] = []
    announced: dict[str, frozenset[str]] = {}
    rehearsed = []
    for act in acts:
        now_ns = round(act.at_s * NS_PER_S)
        active = [fault for fault in active if fault.until_ns is None or fault.until_ns > now_ns]
        try:
            match act.request:
                case "fail":
                    fault = _begin(act, plan, now_ns, active)
                    active.append(fault)
                    ends_s = None if fault.until_ns is None else fault.until_ns / NS_PER_S
                    act = replace(act, ends_s=ends_s)
                case "heal":
                    active = _heal(act, active)
                case _:
                    _check_announcement(act, plan, announced)
        except LabError as error:
            raise Refused(act, str(error)) from None
        announced |= act.announced(announced)
        rehearsed.append(act)
    return rehearsed


def _begin(act: Act, plan: LabPlan, now_ns: int, active: list[Fault]) -> Fault:
    fault = read_fault(plan, now_ns, **act.arguments)
    if why := refusal(fault, active):
        raise LabError(why)
    return fault


def _heal(act: Act, active: list[Fault]) -> list[Fault]:
    thing = (act.arguments["kind"], act.arguments["name"])
    left = [fault for fault in active if (fault.kind, fault.name) != thing]
    if left == active:
        raise LabError(f"{thing[0]} {thing[1]} has no fault then")
    return left


def _check_announcement(act: Act, plan: LabPlan, announced: dict[str, frozenset[str]]) -> None:
    node = act.arguments["node"]
    routers = [each.name for each in plan.nodes if each.asn is not None]
    if node not in routers:
        raise LabError(unknown("router", node, routers))
    said = expanded(act.arguments["prefixes"], act.arguments["split"])
    if act.request == "announce" and (own := said.intersection(plan.node(node).originate)):
        raise LabError(f"{node} announces {min(own)} already, by its topology")
    if act.request == "withdraw" and (unheard := said - announced.get(node, frozenset())):
        raise LabError(f"{node} does not announce {min(unheard)} then")
