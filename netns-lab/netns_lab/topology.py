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
from typing import TYPE_CHECKING, TypeAlias, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from netns_lab.addressing import AddressError, plan_addresses
from netns_lab.checks import check_topology
from netns_lab.models import Endpoint, Link, Node, Topology, TopologyFile
from netns_lab.output import nearest
from netns_lab.source import (
    Problem,
    TopologyError,
    Value,
    field_path,
    find_topology_file,
    parse_source,
    read_source,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from netns_lab.plan import LabPlan

__all__ = ["Problem", "Topology", "TopologyError", "find_topology_file", "load_topology", "parse_topology"]

M = TypeVar("M", bound=BaseModel)
KnownLabs: TypeAlias = "Callable[[str], LabPlan | None]"
Place = tuple[str | int, ...]

_SECRETS = {"sak", "salt", "password", "cak", "ckn"}
_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "list_type": "a list",
    "model_type": "a mapping",
    "too_short": "at least one entry",
}


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
    report = _Report(root, file)
    shape = report.read(TopologyFile, ())
    names = [name for name, _ in _mapping(root.get("nodes"))]
    count = len(_items(root.get("links")))
    nodes = {name: node for name in names if (node := report.read(Node, ("nodes", name)))}
    context = {"nodes": frozenset(names)}
    links = {index: link for index in range(count) if (link := report.read(Link, ("links", index), context))}
    for path, message in check_topology(nodes, links):
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


class _Report:
    """Reads models out of the file and turns every refusal into a `Problem` with its place."""

    def __init__(self, root: Value, file: str) -> None:
        self.root = root
        self.file = file
        self.problems: list[Problem] = []

    def read(self, model: type[M], place: Place, context: Mapping[str, object] | None = None) -> M | None:
        value = self.root.get(*place)
        assert value is not None
        try:
            return model.model_validate(value.plain(), context=dict(context or {}))
        except ValidationError as error:
            details = error.errors(include_url=False)
        for detail in details:
            self._refuse(model, place, detail)
        return None

    def add(self, place: Place, message: str, *, key: bool = False) -> None:
        """Report at the value that `place` leads to, or at the last of its parents that the file has."""
        value = self._at(place)
        line = value.key_line if key else value.line
        self.problems.append(Problem(self.file, line, value.field, message))

    def _at(self, place: Place) -> Value:
        steps = len(place)
        while (value := self.root.get(*place[:steps])) is None:
            steps -= 1
        return value

    def finish(self) -> None:
        if self.problems:
            raise TopologyError(self.problems)

    def _refuse(self, model: type[BaseModel], place: Place, detail: ErrorDetails) -> None:
        steps = tuple(step for step in detail["loc"] if step != "[key]")
        kind, is_key = detail["type"], len(steps) != len(detail["loc"])
        inherited = place != () and self._at((*place, *steps)).field.startswith(("defaults.", "groups."))
        if inherited and kind != "missing":
            return  # refused already, once, where `defaults` or `groups` was read
        place = (*place, *steps)
        if kind == "missing":
            value = self._at(place)
            field = field_path(value.field, steps[-1])
            self.problems.append(Problem(self.file, value.key_line, field, "found nothing, expected a value"))
        elif kind == "extra_forbidden":
            known = _known_keys(model, steps[:-1])
            hint = nearest(str(steps[-1]), known) or f", expected one of {', '.join(known)}"
            self.add(place, f"unknown key{hint}", key=True)
        elif kind == "not_supported_yet":
            self.add(place, "not supported yet", key=True)
        else:
            found = (
                "a value that is not shown" if _is_secret(steps, detail["input"]) else shown(detail["input"])
            )
            self.add(place, f"found {found}, {_expected(detail)}", key=is_key)


def _is_secret(steps: Place, value: object) -> bool:
    """A secret's value, or text such as `sak:00...`, where a forgotten blank made key and value one."""
    text = value.lower() if isinstance(value, str) else ""
    return any(name in steps or name in text for name in _SECRETS)


def _expected(detail: ErrorDetails) -> str:
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    return f"expected {_EXPECTED.get(detail['type'], detail['msg'])}"


def _known_keys(model: type[BaseModel], steps: Place) -> list[str]:
    """The keys that the model at `steps` inside `model` knows, as they are written in files."""
    for step in steps:
        field = next((f for name, f in model.model_fields.items() if step in (name, f.alias)), None)
        if field is None:
            continue  # an item of a list, or a direction of `impair`, which knows what `impair` knows
        choices = (field.annotation, *get_args(field.annotation))
        model = next(kind for kind in choices if isinstance(kind, type) and issubclass(kind, BaseModel))
    return [field.alias or name for name, field in model.model_fields.items()]
