"""What each neighbor should be told (RFC 4271 section 9.1.3), minus what ExaBGP was told already.

ExaBGP keeps an Adj-RIB-Out per neighbor, also while its session is down, and replays it, then End-of-RIB,
when the session comes up. So a session's state does not matter here: what counts as told lasts as long as
the ExaBGP child, and the helper beside the child remembers it. Told anew at every session, a withdrawal
that crossed with the loss of the session could leave ExaBGP announcing it, and End-of-RIB would come before
the routes.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from control.bgp import commands
from control.bgp.configuration import NeighborConfig, SpeakerConfig
from control.bgp.decision import Path
from control.bgp.model import (
    GRACEFUL_SHUTDOWN,
    NO_ADVERTISE,
    NO_EXPORT,
    NO_EXPORT_SUBCONFED,
    AddressFamily,
    Advertised,
    Event,
    Origin,
    PathAttributes,
    SnapshotEnd,
    community_text,
    family_of,
)
from control.bgp.policy import by_term
from control.bgp.rib import Rib

ORIGINATED = Path("", "", PathAttributes(Origin.IGP, ()))
"""The path to what this router itself originates."""
_Group: TypeAlias = tuple[AddressFamily, Path | None, list[str]]
"""Prefixes of one family that have the same path to advertise."""


class Export:
    """Originated prefixes, and the best path to every learned one, for every neighbor that may hear of it.

    A path is not sent to the neighbor it came from, nor to one whose AS is in it, nor with a community of
    RFC 1997 that forbids it, nor from one neighbor in this AS to another but by reflection (RFC 4456); then
    export policy is asked. The local AS is prepended here: ExaBGP sends an as-path it is given as it is.
    """

    def __init__(self, config: SpeakerConfig, originated: Iterable[str]) -> None:
        self._asn = config.asn
        self._router_id = config.router_id
        self._neighbors = {neighbor.peer_address: neighbor for neighbor in config.neighbors}
        self._originated = frozenset(originated)
        self._drained: frozenset[str] = frozenset()
        self._leaving: frozenset[str] = frozenset()
        self._leaking = False
        self._held: set[str] = set()
        self._told: dict[str, dict[str, str]] = {}
        self._synchronised = False
        self._replayed: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._gone: list[str] = []
        self._resynchronise = False

    def originate(self, prefixes: frozenset[str]) -> None:
        """Takes in what this router originates from now on; `update` is to be told which changed."""
        self._originated = prefixes

    def drain(self, neighbors: frozenset[str], leaving: frozenset[str] = frozenset()) -> None:
        """Asks these neighbors, and no others, to use what they are told last (RFC 8326).

        The paths of those that are `leaving` all others are asked to use last.
        """
        self._resynchronise |= (neighbors, leaving) != (self._drained, self._leaving)
        self._drained, self._leaving = neighbors, leaving

    def leak(self, on: bool) -> None:
        """Leaves export policy and NO_EXPORT out, as a router whose policy was lost would."""
        self._resynchronise |= on != self._leaking
        self._leaking = on

    def hold(self, neighbor: str) -> None:
        """Tells a neighbor nothing: ExaBGP is to know it no more."""
        self._held.add(neighbor)
        if self._told.pop(neighbor, None) is not None:
            self._gone.append(neighbor)

    def release(self, neighbor: str) -> None:
        """Tells a neighbor everything again, which ExaBGP is to know anew."""
        self._held.discard(neighbor)
        if self._synchronised:
            self._told[neighbor] = {}
            self._resynchronise = True

    def receive(self, event: Event) -> None:
        """Learn from a snapshot what ExaBGP has been told; no other event matters here."""
        match event:
            case Advertised(neighbor, attributes, prefixes):
                self._replayed[neighbor].update(dict.fromkeys(prefixes, attributes))
            case SnapshotEnd():
                peers = [peer for peer in self._neighbors if peer not in self._held]
                self._told = {peer: self._replayed[peer] for peer in peers}
                self._synchronised = True
                self._gone = [peer for peer in self._replayed if peer not in self._told]
                self._replayed = defaultdict(dict)
                self._resynchronise = True

    def update(self, rib: Rib, changed: Collection[str]) -> list[str]:
        """The commands that bring ExaBGP up to date, given the prefixes whose best paths changed.

        Before the first snapshot has ended there are none; right after one, every prefix counts as changed.
        """
        lines = [commands.forget(peer) for peer in self._gone]
        self._gone = []
        if not self._synchronised:
            return lines
        if self._resynchronise:
            self._resynchronise = False
            changed = sorted({*changed, *self._originated, *rib.prefixes()}.union(*self._told.values()))
        groups = self._by_path(rib, changed)
        for peer, told in self._told.items():
            lines += self._difference(self._neighbors[peer], told, groups)
        return lines

    def announcements(self, rib: Rib, peer: str) -> Iterator[tuple[PathAttributes, Sequence[str]]]:
        """What a neighbor is to know, whether it has been told yet or not: attributes and their prefixes."""
        neighbor = self._neighbors[peer]
        for family, path, group in self._by_path(rib, {*self._originated, *rib.prefixes()}):
            for attributes, _, prefixes in self._wanted(neighbor, path, group):
                if attributes is not None and family is neighbor.family:
                    yield attributes, prefixes

    def _by_path(self, rib: Rib, prefixes: Collection[str]) -> Sequence[_Group]:
        own = [prefix for prefix in prefixes if prefix in self._originated]
        learned = rib.by_best(prefix for prefix in prefixes if prefix not in self._originated)
        groups = [(ORIGINATED, own), *((best[0] if best else None, group) for best, group in learned)]
        return [
            (family, path, part)
            for path, group in groups
            for family in AddressFamily
            if (part := [prefix for prefix in group if family_of(prefix) is family])
        ]

    def _difference(
        self, neighbor: NeighborConfig, told: dict[str, str], groups: Sequence[_Group]
    ) -> Iterator[str]:
        announced: defaultdict[str, list[str]] = defaultdict(list)
        withdrawn: list[str] = []
        for family, path, group in groups:
            if family is not neighbor.family:
                continue
            for attributes, next_hop, prefixes in self._wanted(neighbor, path, group):
                if attributes is None:
                    withdrawn += [prefix for prefix in prefixes if told.pop(prefix, None)]
                    continue
                wanted = attributes_text(attributes, next_hop)
                news = [prefix for prefix in prefixes if told.get(prefix) != wanted]
                told.update(dict.fromkeys(news, wanted))
                announced[wanted] += news
        yield from commands.withdraw(neighbor.peer_address, withdrawn)
        for text, news in announced.items():
            yield from commands.announce(neighbor.peer_address, text, news)

    def _wanted(
        self, neighbor: NeighborConfig, path: Path | None, prefixes: Sequence[str]
    ) -> Iterator[tuple[PathAttributes | None, str, Sequence[str]]]:
        """Attributes and next hop that the neighbor should be told of these prefixes; None: nothing."""
        if path is None or not self._may_hear(neighbor, path):
            yield None, "", prefixes
            return
        attributes, next_hop = self._sent(neighbor, path)
        terms = () if self._leaking else neighbor.settings.export_terms
        for term, part in by_term(terms, attributes.communities, prefixes):
            accepted = term.applied(attributes, self._asn)
            if accepted is not None and self._is_last(neighbor.peer_address, path):
                communities = dict.fromkeys((*accepted.communities, GRACEFUL_SHUTDOWN))
                accepted = replace(accepted, communities=tuple(communities))
            yield accepted, next_hop, part

    def _may_hear(self, neighbor: NeighborConfig, path: Path) -> bool:
        internal, communities = neighbor.peer_asn == self._asn, path.attributes.communities
        if path.neighbor == neighbor.peer_address or NO_ADVERTISE in communities:
            return False
        if internal:
            return (
                not path.internal or self._is_client(neighbor.peer_address) or self._is_client(path.neighbor)
            )
        if neighbor.peer_asn in path.attributes.as_path:
            return False
        return self._leaking or not {NO_EXPORT, NO_EXPORT_SUBCONFED} & set(communities)

    def _is_last(self, peer: str, path: Path) -> bool:
        """Whether a neighbor is asked to use a path last."""
        return peer in self._drained or (path.neighbor in self._leaving and peer not in self._leaving)

    def _is_client(self, peer: str) -> bool:
        return self._neighbors[peer].settings.route_reflector_client

    def _sent(self, neighbor: NeighborConfig, path: Path) -> tuple[PathAttributes, str]:
        """The attributes and the next hop of a path before export policy."""
        attributes = path.attributes
        if neighbor.peer_asn != self._asn:
            # MED is the neighboring AS's word to us and LOCAL_PREF ours to ourselves: neither goes on.
            own = (self._asn, *attributes.as_path)
            return PathAttributes(attributes.origin, own, communities=attributes.communities), "self"
        attributes = replace(attributes, local_pref=path.preference)
        if path is ORIGINATED:
            return attributes, "self"
        if not path.internal:
            return attributes, "self" if neighbor.settings.next_hop_self else path.next_hop
        # Reflected: RFC 4456 sections 8 and 10.
        originator = attributes.originator_id or self._neighbors[path.neighbor].peer_router_id
        clusters = (self._router_id, *attributes.cluster_list)
        return replace(attributes, originator_id=originator, cluster_list=clusters), path.next_hop


def attributes_text(attributes: PathAttributes, next_hop: str = "self") -> str:
    """Attributes in the words of an ExaBGP command; `self` is this end of the session."""
    words = [f"next-hop {next_hop}", f"origin {attributes.origin.value}"]
    if attributes.as_path:  # empty as it is by default within an AS; ExaBGP would send an empty segment
        words.append(f"as-path [ {' '.join(map(str, attributes.as_path))} ]")
    if attributes.med is not None:
        words.append(f"med {attributes.med}")
    if attributes.local_pref is not None:
        words.append(f"local-preference {attributes.local_pref}")
    if attributes.communities:
        words.append(f"community [ {' '.join(map(community_text, attributes.communities))} ]")
    if attributes.originator_id is not None:
        words.append(f"originator-id {attributes.originator_id}")
    if attributes.cluster_list:
        words.append(f"cluster-list [ {' '.join(attributes.cluster_list)} ]")
    return " ".join(words)
