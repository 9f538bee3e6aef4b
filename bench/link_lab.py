"""A lab of two hosts, a and b, joined by the links that a measurement needs."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from netns_lab.api import ControllerClient
from netns_lab.directory import LabDirectory
from netns_lab.plan import LabPlan

from bench.pairs import Pair
from bench.ready_lab import ready_lab

Settings = Mapping[str, Any]
"""Fields of the topology format."""


@dataclass(frozen=True, slots=True)
class LinkLab:
    """A lab that is up."""

    directory: LabDirectory
    plan: LabPlan

    def pair(self, link: str) -> Pair:
        """The ends of a link: a sends to b."""
        ends = self.plan.link(link).ends
        namespaces = [self.plan.node(end.node).namespace for end in ends]
        addresses = [next(each for each in end.addresses if ":" not in each) for end in ends]
        return Pair(*namespaces, *(address.partition("/")[0] for address in addresses))

    def shown(self, link: str) -> dict[str, Any]:
        """What `inspect links` shows of it."""
        with ControllerClient(self.directory) as controller:
            links: list[dict[str, Any]] = controller.call("inspect", topic="links")["links"]
        return next(entry for entry in links if entry["name"] == link)

    def engine_pid(self) -> int:
        """The process that carries the frames."""
        with ControllerClient(self.directory) as controller:
            pid: int = controller.call("inspect", topic="nodes")["pids"]["engine"]
            return pid


@contextmanager
def link_lab(
    links: Mapping[str, Settings], settings: Settings | None = None, node: Settings | None = None
) -> Iterator[LinkLab]:
    """The lab for the time of a block: links by name, and what else the file and either node say.

    A link is a MACsec link of the default suite unless it says otherwise. Raises LabError.
    """
    with ready_lab(topology(links, settings or {}, node or {})) as lab:
        yield LinkLab(lab.directory, lab.plan)


def topology(links: Mapping[str, Settings], settings: Settings, node: Settings) -> str:
    """The lab's file, as JSON, which is YAML too."""
    document = {
        "name": f"bench{os.getpid()}-{len(links)}",
        "nodes": {"a": node, "b": node},
        "links": [
            {"name": name, "endpoints": [f"a:{name}", f"b:{name}"], **link} for name, link in links.items()
        ],
        **settings,
    }
    return json.dumps(document)
