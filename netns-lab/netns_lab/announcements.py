"""What routers announce besides their topology's prefixes: asked for at run time, kept for every controller.

A file of the lab's directory has every prefix, so that a part of what was announced can be withdrawn.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_network
from itertools import islice
from typing import TYPE_CHECKING

from control.bgp.model import DecodeError, canonical_prefix
from dataplane.lines import Document
from dataplane.whole_file import write_whole
from netns_lab.directory import LabError
from netns_lab.event_log import EventKind
from netns_lab.names import unknown

if TYPE_CHECKING:
    from netns_lab.controller import Controller

log = logging.getLogger("announcements")

MAXIMUM_PREFIXES = 1_000_000
"""A router; ten times what `bench routes` measures."""
PREFIXES_AT_A_TIME = 5_000
"""Some 0.1 s of the controller's loop for two sessions, and then it attends to everything else."""


class Announcements:
    """The prefixes by router; what changes goes to the routers of the controller at once."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._file = controller.directory.announcements
        self._flood: dict[str, frozenset[str]] = {}
        self._prefixes: dict[str, frozenset[str]] = {}
        try:
            read = json.loads(self._file.read_bytes())
            self._prefixes = {node: frozenset(prefixes) for node, prefixes in read.items()}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, AttributeError, TypeError) as error:
            log.error("%s cannot be read, what was announced is not any more: %s", self._file.name, error)

    def of(self, node: str) -> frozenset[str]:
        """What a router announces besides its topology's prefixes."""
        return self._prefixes.get(node, frozenset())

    def announce(self, node: str, prefixes: Sequence[str], split: int | None) -> Document:
        """Has a router announce more; what `announce` was asked for already is no error. Raises LabError."""
        asked, known = self._asked(node, prefixes, split), self.of(node)
        if already := sorted(asked & self._own(node)):
            raise LabError(f"{node} announces {already[0]} already, by its topology")
        if len(known | asked) > MAXIMUM_PREFIXES:
            raise LabError(
                f"expected at most {MAXIMUM_PREFIXES} prefixes a router, found {len(known | asked)}"
            )
        return self._change(node, "announces", known | asked, len(asked - known))

    def withdraw(self, node: str, prefixes: Sequence[str], split: int | None) -> Document:
        """Has a router withdraw some, or all, of what `announce` made it announce. Raises LabError."""
        asked, known = self._asked(node, prefixes, split), self.of(node)
        if foreign := sorted(asked & self._own(node)):
            raise LabError(
                f"{foreign[0]} is announced by {node}'s topology: change the file, then `quadlink up`"
            )
        if unheard := sorted(asked - known):
            raise LabError(f"{node} does not announce {unheard[0]}")
        return self._change(node, "withdraws", known - asked, len(asked))

    def flood(self, node: str, prefixes: frozenset[str]) -> None:
        """Makes these what a router announces besides all else; a fault, so not kept here."""
        self._flood[node] = prefixes
        self._step(node)

    def all_of(self, node: str) -> frozenset[str]:
        """Everything that a router announces."""
        return self._own(node) | self.of(node) | self._flood.get(node, frozenset())

    def follow(self) -> None:
        """Forgets routers that the lab has no more."""
        gone = self._prefixes.keys() - self._controller.routers.keys()
        if gone:
            self._prefixes = {node: kept for node, kept in self._prefixes.items() if node not in gone}
            self._save()

    def _change(self, node: str, verb: str, prefixes: frozenset[str], changed: int) -> Document:
        self._prefixes[node] = prefixes
        self._save()
        text = f"{node} {verb} {changed} prefixes; {len(prefixes)} besides its topology's now"
        self._controller.log.add(EventKind.ANNOUNCED, node, text)
        self._step(node)
        return {"node": node, "changed": changed, "announced": len(prefixes)}

    def _step(self, node: str) -> None:
        """Brings a router nearer to what it is to announce, and comes again until it is there."""
        router = self._controller.routers.get(node)
        if router is None:
            return  # it went with a change of the topology
        told = router.router.originated
        changing = told ^ self.all_of(node)
        if changing:
            router.router.originate(told.symmetric_difference(islice(changing, PREFIXES_AT_A_TIME)))
            asyncio.get_running_loop().call_soon(self._step, node)

    def _own(self, node: str) -> frozenset[str]:
        return frozenset(self._controller.plan.node(node).originate)

    def _asked(self, node: str, prefixes: Sequence[str], split: int | None) -> frozenset[str]:
        known = [each.name for each in self._controller.plan.nodes]
        if node not in known:
            raise LabError(unknown("node", node, known))
        plan = self._controller.plan.node(node)
        if plan.asn is not None and not plan.runs_exabgp:
            raise LabError(f"{node} does not run ExaBGP: it announces its topology's prefixes and no others")
        if node not in self._controller.routers:
            raise LabError(f"{node} speaks no BGP, so it announces nothing")
        return expanded(prefixes, split)

    def _save(self) -> None:
        kept = {node: sorted(prefixes) for node, prefixes in self._prefixes.items() if prefixes}
        write_whole(self._file, json.dumps(kept))


def expanded(prefixes: Iterable[str], split: int | None) -> frozenset[str]:
    """These prefixes, or, with `split`, all of that length in them. Raises LabError."""
    found: set[str] = set()
    for text in prefixes:
        prefix = _checked(text)
        length = int(prefix.partition("/")[2])
        longest = 128 if ":" in prefix else 32
        if split is not None and not length <= split <= longest:
            raise LabError(f"--split: found {split}, expected {length} to {longest} for {prefix}")
        if split is not None and split - length > MAXIMUM_PREFIXES.bit_length():
            raise LabError(f"--split: found {split}, which makes 2^{split - length} prefixes of {prefix}")
        found.update(_subnets(prefix, length if split is None else split))
        if len(found) > MAXIMUM_PREFIXES:
            raise LabError(f"expected at most {MAXIMUM_PREFIXES} prefixes a router, found more")
    return frozenset(found)


def _checked(text: str) -> str:
    try:
        prefix = canonical_prefix(text)
    except DecodeError as error:
        raise LabError(str(error)) from None
    network = ip_network(prefix)
    if network.is_multicast or network.is_loopback or (network.is_link_local and network.version == 6):
        raise LabError(f"expected a unicast prefix, found {prefix}")
    return prefix


def _subnets(prefix: str, length: int) -> Iterator[str]:
    """In the form of `canonical_prefix`; ten times faster than ipaddress."""
    network = ip_network(prefix)
    family = socket.AF_INET6 if network.version == 6 else socket.AF_INET
    bits, first = network.max_prefixlen, int(network.network_address)
    for number in range(1 << (length - network.prefixlen)):
        packed = (first + (number << (bits - length))).to_bytes(bits // 8, "big")
        yield f"{socket.inet_ntop(family, packed)}/{length}"
