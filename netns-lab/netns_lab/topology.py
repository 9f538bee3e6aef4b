"""From a topology file to a checked `Topology`; everything wrong with the file is reported at once.

A thing's own settings win over those of its `groups`, of which the first wins, and these over `defaults`:
mappings merge, lists replace. Two wait for the thing they belong to: `defaults.node.bgp` reaches only nodes
with `bgp`, `macsec` of a group or of `defaults.link` only MACsec links.
In a loaded `Topology` the defaults are merged in, every link has a name and every endpoint an interface.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from netns_lab.addressing import AddressError, plan_addresses
from netns_lab.checks import check_topology
from netns_lab.checks_bgp import idle_costs
from netns_lab.models import Endpoint, Link, Node, Topology, TopologyFile
from netns_lab.output import nearest
from netns_lab.reading import Report
from netns_lab.source import Problem, TopologyError, Value, find_topology_file, parse_source, read_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from netns_lab.plan import LabPlan

__all__ = ["Problem", "Topology", "TopologyError", "find_topology_file", "load_topology", "parse_topology"]

KnownLabs: TypeAlias = "Callable[[str], LabPlan | None]"


def _no_lab(name: str) -> None:
    """No lab is to be changed."""


def load_topology(place: str | Path, known: KnownLabs = _no_lab) -> Topology:
    """The topology of a file or of a directory's only *.yaml; `TopologyError` lists all that is wrong.

    `known` is asked by name for the plan of the lab that the topology is to change: interfaces without a name
    keep theirs.
    """
    path = find_topology_file(place)
    return _build(read_source(path), str(path), known)


def parse_topology(text: str, file: str = "topology.yaml", known: KnownLabs = _no_lab) -> Topology:
    """The topology in `text`; `file` is the name that problems carry."""
    return _build(parse_source(text, file), file, known)


def _build(source: Value, file: str, known: KnownLabs) -> Topology:
    root = _with_defaults(source)
    report = Report(root, file)
    shape = report.read(TopologyFile, ())
    names = [name for name, _ in _mapping(root.get("nodes"))]
    count = len(_items(root.get("links")))
    nodes = {name: node for name in names if (node := report.read(Node, ("nodes", name)))}
    context = {"nodes": frozenset(names)}
    links = {index: link for index in range(count) if (link := report.read(Link, ("links", index), context))}
    for path, message in check_topology(nodes, links):
        report.add(path, message)
    for path, message in idle_costs(nodes, links):
        if not report.is_inherited(path):  # which is said for every link at once
            report.add(path, message)
    named = {name for link in _items(root.get("links")) for name in _group_names(link)}
    for group, _ in _mapping(root.get("groups")):
        if group not in named:
            report.add(("groups", group), f"no link is in this group{nearest(group, named)}", key=True)
    report.finish()

    assert shape is not None, "a shape that cannot be read is a problem"
    running = known(shape.name)
    topology = Topology(
        name=shape.name,
        nodes=nodes,
        links=_with_names(tuple(links.values()), running),
        engine=shape.engine,
    )
    try:
        plan_addresses(topology, running)
    except AddressError as error:
        report.add(error.path, error.message)
    report.finish()
    return topology


def _mapping(value: Value | None) -> list[tuple[str, Value]]:
    return list(value.data.items()) if value and isinstance(value.data, dict) else []


def _items(value: Value | None) -> list[Value]:
    return value.data if value and isinstance(value.data, list) else []


def _with_defaults(root: Value) -> Value:
    """The file with its defaults merged in; every value keeps the line it was written on."""
    node_defaults, link_defaults = root.get("defaults", "node"), root.get("defaults", "link")
    data = dict(_mapping(root))
    if nodes := _mapping(root.get("nodes")):
        data["nodes"] = data["nodes"].replaced({name: _node(node, node_defaults) for name, node in nodes})
    if links := _items(root.get("links")):
        groups = dict(_mapping(root.get("groups")))
        data["links"] = data["links"].replaced([_link(link, groups, link_defaults) for link in links])
    return root.replaced(data) if data else root


def _node(node: Value, defaults: Value | None) -> Value:
    if node.data is None:  # `h1:` says as much as `h1: {}`
        node = node.replaced({})
    return node.over(defaults if node.get("bgp") else _without(defaults, "bgp"))


def _link(link: Value, groups: Mapping[str, Value], defaults: Value | None) -> Value:
    base = defaults
    for name in reversed(_group_names(link)):
        if name in groups:
            base = groups[name].over(base)
    merged = link.over(base)
    kind = merged.get("type")
    return link.over(_without(base, "macsec")) if kind and kind.data == "plain" else merged


def _group_names(link: Value) -> list[str]:
    return [item.data for item in _items(link.get("groups")) if isinstance(item.data, str)]


def _without(value: Value | None, key: str) -> Value | None:
    return value.replaced({k: v for k, v in _mapping(value) if k != key}) if value else None


def _with_names(links: tuple[Link, ...], running: LabPlan | None) -> tuple[Link, ...]:
    """A link without a name gets that of its ends (`a-b`, `a-b-2`); a waiting endpoint the interface that it
    has in the running lab, or the next `ethN`."""
    link_names = {link.name for link in links}
    named = []
    for link in links:
        name, number = link.name or "-".join(link.ends), 1
        while not link.name and name in link_names:
            number += 1
            name = f"{'-'.join(link.ends)}-{number}"
        link_names.add(name)
        named.append(link.model_copy(update={"name": name}))

    used = {end for link in links for end in link.endpoints}
    known = {(end.link, end.node): end.name for link in running.links for end in link.ends} if running else {}
    kept: dict[tuple[str, str], Endpoint] = {}
    for link in named:
        for end in link.endpoints:
            again = Endpoint(node=end.node, interface=known.get((link.name, end.node), ""))
            if not end.interface and again.interface and again not in used:
                used.add(again)
                kept[link.name, end.node] = again
    numbers: Counter[str] = Counter()

    def interface(link: Link, end: Endpoint) -> Endpoint:
        if end.interface:
            return end
        if again := kept.get((link.name, end.node)):
            return again
        while not end.interface or end in used:
            numbers[end.node] += 1
            end = Endpoint(node=end.node, interface=f"eth{numbers[end.node]}")
        return end

    return tuple(
        link.model_copy(update={"endpoints": tuple(interface(link, end) for end in link.endpoints)})
        for link in named
    )
