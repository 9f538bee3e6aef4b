"""Who of a lab should hear from whom, and who does: a matrix of nodes for each address family.

Asked is what BGP promises, from an address inside an announced prefix to another; what the interior routes of
an AS promise, to and from its loopbacks; and what a link promises, between ends in one subnet.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_interface, ip_network
from typing import Any

from netns_lab.addressing import Reach
from netns_lab.output import Output, shortened, table_text
from netns_lab.plan import FAMILIES, Family, LabPlan

# None: not asked. False: asked, no answer. True: answered.
Answers = list[list[bool | None]]
MAX_COLUMNS = 24
MAX_HOLES = 10


@dataclass(frozen=True, slots=True)
class Reachability:
    """`answers[family][i][j]` tells of requests from node i to node j; `addresses[family][i]` is node i's."""

    lab: str
    nodes: tuple[str, ...]
    addresses: dict[Family, list[str | None]]
    answers: dict[Family, Answers]

    def unanswered(self) -> Iterator[tuple[Family, int, int]]:
        """(family, from, to) of everything that was asked and not answered."""
        for family, rows in self.answers.items():
            for source, row in enumerate(rows):
                for destination, answer in enumerate(row):
                    if answer is False:
                        yield family, source, destination

    def count(self, answer: bool) -> int:
        """How many answers are that."""
        return sum(entry is answer for rows in self.answers.values() for row in rows for entry in row)

    def left_out(self) -> list[str]:
        """The nodes that nobody is asked to reach."""
        return [
            name
            for at, name in enumerate(self.nodes)
            if all(row[at] is None for rows in self.answers.values() for row in rows)
        ]

    def document(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "lab": self.lab,
            "nodes": list(self.nodes),
            "asked": self.count(True) + self.count(False),
            "answered": self.count(True),
            "answers": self.answers,
            "holes": [
                {
                    "from": self.nodes[source],
                    "to": self.nodes[destination],
                    "family": family,
                    "address": self.addresses[family][destination],
                }
                for family, source, destination in self.unanswered()
            ],
        }

    def matrix(self) -> str:
        """A table, a row for each node that asks."""
        rows = (
            (name, *(self._cell(source, destination) for destination in range(len(self.nodes))))
            for source, name in enumerate(self.nodes)
        )
        return table_text(("from / to", *self.nodes), rows)

    def _cell(self, source: int, destination: int) -> str:
        asked = {
            family: rows[source][destination]
            for family, rows in self.answers.items()
            if rows[source][destination] is not None
        }
        if not asked:
            return ""
        if all(asked.values()):
            return "ok"
        return "+".join(family for family, answer in asked.items() if answer) or "no"


def report(reachability: Reachability, output: Output) -> bool:
    """Prints matrix and holes; False where there is a hole."""
    names, holes = reachability.nodes, list(reachability.unanswered())
    lines = [] if len(names) > MAX_COLUMNS else [reachability.matrix(), ""]
    lines.append(f"{reachability.count(True)} of {reachability.count(True) + len(holes)} pings were answered")
    without = [
        f"  {names[source]} has no answer from {names[destination]} "
        f"({family} {reachability.addresses[family][destination]})"
        for family, source, destination in holes
    ]
    lines.append(shortened("\n".join(without), MAX_HOLES, "--format json has all"))
    output.document(reachability.document(), "\n".join(lines).rstrip())
    for name in reachability.left_out():
        output.warn(f"{name} has no address that others can reach; nobody asked it")
    return not holes


def promised(plan: LabPlan) -> Reachability:
    """Everything that is to be asked, nothing answered yet."""
    names = [node.name for node in plan.nodes]
    announced = Reach(ip_network(prefix) for node in plan.nodes for prefix in node.originate)
    addresses: dict[Family, list[str | None]] = {}
    answers: dict[Family, Answers] = {}
    for family, version in FAMILIES.items():
        own = [plan.host_address(name, version) for name in names]
        everywhere = [address is not None and ip_interface(address) in announced for address in own]
        inside = [{route.prefix.partition("/")[0] for route in node.interior} for node in plan.nodes]
        at = range(len(names))
        rows: Answers = [
            [
                False
                if (everywhere[to] or own[to] in inside[source])
                and (everywhere[source] or own[source] in inside[to])
                else None
                for to in at
            ]
            for source in at
        ]
        for source, destination in _neighbors(plan, dict(zip(names, own, strict=True))):
            rows[names.index(source)][names.index(destination)] = False
        for node in at:
            rows[node][node] = None
        addresses[family], answers[family] = own, rows
    return Reachability(plan.name, tuple(names), addresses, answers)


def _neighbors(plan: LabPlan, own: dict[str, str | None]) -> Iterator[tuple[str, str]]:
    """(from, to) wherever a link joins the two addresses directly."""
    for link in plan.links:
        for end, peer in (link.ends, link.ends[::-1]):
            subnets = [
                {ip.network for ip in map(ip_interface, one.addresses) if str(ip.ip) == own[one.node]}
                for one in (end, peer)
            ]
            if subnets[0] & subnets[1]:
                yield end.node, peer.node
