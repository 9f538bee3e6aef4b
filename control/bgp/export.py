"""What each neighbor should be told (RFC 4271 section 9.1.3), minus what ExaBGP was told already.

ExaBGP keeps an Adj-RIB-Out per neighbor, also while its session is down, and replays it, then End-of-RIB,
when the session comes up. So a session's state does not matter here: what counts as told lasts as long as
the ExaBGP child, and the helper beside the child remembers it. Told anew at every session, a withdrawal
that crossed with the loss of the session could leave ExaBGP announcing it, and End-of-RIB would come before
the routes.
"""

from collections import defaultdict
from collections.abc import Iterable

from control.bgp import commands
from control.bgp.configuration import NeighborConfig, SpeakerConfig
from control.bgp.model import (
    NO_ADVERTISE,
    NO_EXPORT,
    NO_EXPORT_SUBCONFED,
    Advertised,
    Event,
    Origin,
    PathAttributes,
    SnapshotEnd,
    community_text,
    family_of,
)
from control.bgp.rib import Path, Rib

_NOT_TO_EBGP = {NO_EXPORT, NO_ADVERTISE, NO_EXPORT_SUBCONFED}


class Export:
    """Originated prefixes, and the best path to every learned one, for every neighbor that may hear of it.

    A path is not sent to the neighbor it came from, nor to one whose AS is in it, nor with a community of
    RFC 1997 that forbids it. The local AS is prepended here: ExaBGP sends an as-path it is given as it is.
    """

    def __init__(self, config: SpeakerConfig, originated: Iterable[str]) -> None:
        self._asn = config.asn
        self._neighbors = config.neighbors
        self._originated = frozenset(originated)
        self._own = attributes_text(PathAttributes(Origin.IGP, (config.asn,)))
        self._told: dict[str, dict[str, str]] = {}
        self._replayed: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._gone: list[str] = []
        self._resynchronise = False

    def originate(self, prefixes: frozenset[str]) -> None:
        """Takes in what this router originates from now on; `update` is to be told which changed."""
        self._originated = prefixes

    def receive(self, event: Event) -> None:
        """Learn from a snapshot what ExaBGP has been told; no other event matters here."""
        match event:
            case Advertised(neighbor, attributes, prefixes):
                self._replayed[neighbor].update(dict.fromkeys(prefixes, attributes))
            case SnapshotEnd():
                peers = [neighbor.peer_address for neighbor in self._neighbors]
                self._told = {peer: self._replayed[peer] for peer in peers}
                self._gone = [peer for peer in self._replayed if peer not in self._told]
                self._replayed = defaultdict(dict)
                self._resynchronise = True

    def update(self, rib: Rib, changed: Iterable[str]) -> list[str]:
        """The commands that bring ExaBGP up to date, given the prefixes whose best paths changed.

        Before the first snapshot has ended there are none; right after one, every prefix counts as changed.
        """
        lines = [commands.forget(peer) for peer in self._gone]
        self._gone = []
        if not self._told:
            return lines
        prefixes = set(changed)
        if self._resynchronise:
            self._resynchronise = False
            prefixes.update(self._originated, rib.prefixes(), *self._told.values())
        ordered = sorted(prefixes)
        for neighbor in self._neighbors:
            lines += self._difference(neighbor, rib, ordered)
        return lines

    def _difference(self, neighbor: NeighborConfig, rib: Rib, prefixes: list[str]) -> list[str]:
        told = self._told[neighbor.peer_address]
        announced: defaultdict[str, list[str]] = defaultdict(list)
        withdrawn: list[str] = []
        for prefix in prefixes:
            wanted = self._wanted(neighbor, prefix, rib)
            if wanted == told.get(prefix):
                continue
            if wanted is None:
                del told[prefix]
                withdrawn.append(prefix)
            else:
                told[prefix] = wanted
                announced[wanted].append(prefix)
        lines = list(commands.withdraw(neighbor.peer_address, withdrawn))
        for attributes, group in announced.items():
            lines += commands.announce(neighbor.peer_address, attributes, group)
        return lines

    def _wanted(self, neighbor: NeighborConfig, prefix: str, rib: Rib) -> str | None:
        if family_of(prefix) is not neighbor.family:
            return None
        if prefix in self._originated:
            return self._own
        best = rib.best(prefix)
        if not best or not _may_hear(neighbor, best[0]):
            return None
        attributes = best[0].attributes
        # MED is the neighboring AS's word to us and LOCAL_PREF ours to ourselves: neither goes on.
        return attributes_text(
            PathAttributes(
                attributes.origin, (self._asn, *attributes.as_path), communities=attributes.communities
            )
        )


def attributes_text(attributes: PathAttributes) -> str:
    """Attributes in the words of an ExaBGP command; the next hop is this end of each session."""
    words = ["next-hop self", f"origin {attributes.origin.value}"]
    words.append(f"as-path [ {' '.join(map(str, attributes.as_path))} ]")
    if attributes.communities:
        words.append(f"community [ {' '.join(map(community_text, attributes.communities))} ]")
    return " ".join(words)


def _may_hear(neighbor: NeighborConfig, path: Path) -> bool:
    return (
        path.neighbor != neighbor.peer_address
        and neighbor.peer_asn not in path.attributes.as_path
        and _NOT_TO_EBGP.isdisjoint(path.attributes.communities)
    )
