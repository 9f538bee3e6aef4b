"""The failures that a proof goes through: every link, router and group of a lab, alone or in pairs."""

from collections.abc import Iterator
from itertools import combinations
from typing import Literal, NamedTuple

from netns_lab.plan import LabPlan
from netns_lab.prediction import Failed

Kind = Literal["link", "node", "group"]
MODES: dict[Kind, str] = {"link": "carrier", "node": "dead", "group": "carrier"}
"""How the controller is asked to make each fail."""


class Element(NamedTuple):
    """What fails at once: its kind and name as `fail` takes them, and everything that it takes along."""

    kind: Kind
    name: str
    failed: Failed

    def __str__(self) -> str:
        return f"{'router' if self.kind == 'node' else self.kind} {self.name}"


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
    routers = [node.name for node in plan.nodes if node.kind == "router"]
    return [
        *(Element("link", link.name, Failed(frozenset({link.name}))) for link in plan.links),
        *(Element("node", name, _with_links(plan, (), (name,))) for name in routers),
        *(
            Element("group", name, _with_links(plan, group.links, group.nodes))
            for name, group in plan.groups.items()
        ),
    ]


def failures_of(plan: LabPlan, at_once: int) -> list[Failure]:
    """Every failure of `at_once` elements; what one of them takes along is no second failure."""
    return [
        Failure(elements)
        for elements in combinations(elements_of(plan), at_once)
        if not any(_contains(one, other) for one in elements for other in elements if one is not other)
    ]


def _with_links(plan: LabPlan, links: tuple[str, ...], nodes: tuple[str, ...]) -> Failed:
    return Failed(frozenset([*links, *_links_at(plan, nodes)]), frozenset(nodes))


def _links_at(plan: LabPlan, nodes: tuple[str, ...]) -> Iterator[str]:
    return (link.name for link in plan.links if any(end.node in nodes for end in link.ends))


def _contains(one: Element, other: Element) -> bool:
    return one.failed.links >= other.failed.links and one.failed.nodes >= other.failed.nodes
