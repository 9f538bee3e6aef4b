"""The failures that a proof goes through: every link, router and group of a lab, alone or in pairs."""

from itertools import combinations
from typing import NamedTuple

from netns_lab.faults.model import FaultKind
from netns_lab.faults.request import reach
from netns_lab.plan import LabPlan
from netns_lab.prediction import Failed


class Element(NamedTuple):
    """What fails at once: its kind and name as `fail` takes them, and everything that it takes along."""

    kind: FaultKind
    name: str
    failed: Failed

    def __str__(self) -> str:
        return f"{'router' if self.kind == FaultKind.NODE else self.kind} {self.name}"


class Failure(NamedTuple):
    """One case of a proof."""

    elements: tuple[Element, ...]

    def __str__(self) -> str:
        return " and ".join(map(str, self.elements)) or "none"

    @property
    def failed(self) -> Failed:
        """All that does not work in it."""
        parts = [element.failed for element in self.elements]
        return Failed(
            frozenset().union(*(part.links for part in parts)),
            frozenset().union(*(part.nodes for part in parts)),
        )


def elements_of(plan: LabPlan) -> list[Element]:
    """Every link, router and group, in the order of the file."""
    names = {
        FaultKind.LINK: [link.name for link in plan.links],
        FaultKind.NODE: [node.name for node in plan.nodes if node.kind == "router"],
        FaultKind.GROUP: list(plan.groups),
    }
    return [
        Element(kind, name, Failed(*map(frozenset, reach(plan, kind, name))))
        for kind in names
        for name in names[kind]
    ]


def failures_of(plan: LabPlan, at_once: int) -> list[Failure]:
    """Every failure of `at_once` elements; what one of them takes along is no second failure."""
    return [
        Failure(elements)
        for elements in combinations(elements_of(plan), at_once)
        if not any(_contains(one, other) for one in elements for other in elements if one is not other)
    ]


def _contains(one: Element, other: Element) -> bool:
    return one.failed.links >= other.failed.links and one.failed.nodes >= other.failed.nodes
