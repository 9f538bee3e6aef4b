"""Adj-RIB-In after import policy and, per prefix, the paths that the decision process chose."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from weakref import WeakValueDictionary

from control.bgp.configuration import NeighborConfig, SpeakerConfig
from control.bgp.decision import DEFAULT_LOCAL_PREF, Cost, Path, address_order, best_paths
from control.bgp.model import (
    GRACEFUL_SHUTDOWN,
    Announce,
    EndOfRib,
    Event,
    PathAttributes,
    SessionDown,
    SessionUp,
    Withdraw,
)
from control.bgp.policy import LimitAction, MaximumPrefixes, by_term

MAXIMUM_PATHS = 64


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class _Choice:
    """All paths to a prefix and the best of them: one object for all prefixes with the same paths.

    Prefixes are many and choices few: the loss of one of four sessions with 100 000 prefixes is one decision
    for each choice and a lookup for each prefix.
    """

    paths: tuple[Path, ...]
    best: tuple[Path, ...]


_NOTHING = _Choice((), ())


class Rib:
    """All paths from the neighbors of a configuration and, per prefix, the best of them.

    `cost` is the interior cost of a path's next hop, None where it cannot be resolved; when its answers
    change, `decide_again`.
    """

    def __init__(
        self, config: SpeakerConfig, cost: Cost = lambda path: 0, maximum_paths: int = MAXIMUM_PATHS
    ) -> None:
        self._asn = config.asn
        self._router_id = config.router_id
        self._neighbors = {neighbor.peer_address: neighbor for neighbor in config.neighbors}
        self._cost = cost
        self._maximum_paths = maximum_paths
        self._drained: frozenset[str] = frozenset()
        self._table: dict[str, _Choice] = {}
        self._choices: WeakValueDictionary[tuple[Path, ...], _Choice] = WeakValueDictionary()
        self._counts: Counter[str] = Counter()
        self._stale: dict[str, set[str]] = {}
        self._rejected: dict[str, set[str]] = {}
        """Of neighbors with a maximum, what policy rejects: they announce it all the same."""
        self.left_out: dict[str, dict[str, None]] = {}
        """Of neighbors that announce more than agreed, what was not taken in, in order."""
        self.above_limit: set[str] = set()
        """Neighbors whose session has brought more prefixes than agreed."""

    def receive(self, event: Event) -> set[str]:
        """Take an event of a configured neighbor in; the prefixes whose best paths it changed."""
        match event:
            case Announce(neighbor, _, next_hop, attributes, prefixes):
                return self._announced(self._neighbors[neighbor], next_hop, attributes, prefixes)
            case Withdraw(neighbor, _, prefixes):
                self._forget(neighbor, prefixes)
                return self._put(neighbor, None, prefixes)
            case EndOfRib(neighbor):
                return self._put(neighbor, None, self._stale.pop(neighbor, ()))
            case SessionUp(neighbor) | SessionDown(neighbor, _):
                self._stale.pop(neighbor, None)
                self._begin(neighbor)
                return self._put(neighbor, None, list(self._table)) if self._counts[neighbor] else set()
        return set()

    def keep(self, neighbor: str) -> None:
        """Keep the paths of a neighbor that restarts until End-of-RIB, or news of each (RFC 4724)."""
        self._begin(neighbor)
        self._stale[neighbor] = set(self.prefixes_from(neighbor))

    def drain(self, neighbors: frozenset[str]) -> set[str]:
        """Make paths of these neighbors, and no others, the last to be used; the prefixes changed by it."""
        turned, self._drained = neighbors ^ self._drained, neighbors
        if not turned:
            return set()

        def preferred(paths: tuple[Path, ...]) -> tuple[Path, ...]:
            return tuple(
                replace(path, preference=self._preference(path.neighbor, path.attributes))
                if path.neighbor in turned
                else path
                for path in paths
            )

        return self._rewrite(list(self._table), preferred)

    def decide_again(self) -> set[str]:
        """Choose anew for every prefix; those whose best paths changed."""
        self._choices.clear()
        return self._rewrite(list(self._table), lambda paths: paths)

    def best(self, prefix: str) -> tuple[Path, ...]:
        """The paths to use, at most `maximum_paths`; the first is the best, for advertising."""
        return self._table.get(prefix, _NOTHING).best

    def by_best(self, prefixes: Iterable[str]) -> Iterator[tuple[tuple[Path, ...], list[str]]]:
        """The best paths of many prefixes; those that have the same are together."""
        groups: dict[_Choice, list[str]] = {}
        for prefix in prefixes:
            choice = self._table.get(prefix, _NOTHING)
            if choice in groups:
                groups[choice].append(prefix)
            else:
                groups[choice] = [prefix]
        return ((choice.best, group) for choice, group in groups.items())

    def __len__(self) -> int:
        """How many prefixes have a path."""
        return len(self._table)

    def prefixes(self, first: int = 0, end: int | None = None) -> Iterator[str]:
        """Every prefix that has a best path; of a part of those that have a path, by their numbers."""
        return (prefix for prefix, choice in islice(self._table.items(), first, end) if choice.best)

    def prefixes_from(self, neighbor: str) -> frozenset[str]:
        """Every prefix that this neighbor has a path to."""
        return frozenset(prefix for prefix in self._table if self._path(prefix, neighbor))

    def lacking(self, neighbor: str, attributes: PathAttributes, prefixes: Sequence[str]) -> list[str]:
        """Of prefixes that this neighbor announces so, those to be taken in that have not been heard yet, or
        not whether they are to be used last."""
        if self._is_loop(attributes):
            return []
        lacking = []
        left_out = self.left_out.get(neighbor, {})
        for accepted, part in self._imported(self._neighbors[neighbor], attributes, prefixes):
            if accepted is None:
                continue
            has_path = {_NOTHING: False}
            for prefix in part:
                choice = self._table.get(prefix, _NOTHING)
                if choice not in has_path:
                    heard = (path.attributes for path in choice.paths if path.neighbor == neighbor)
                    has_path[choice] = any(_is_last(it) == _is_last(accepted) for it in heard)
                if not has_path[choice] and prefix not in left_out:
                    lacking.append(prefix)
        return lacking

    def prefix_count(self, neighbor: str) -> int:
        """How many these are."""
        return self._counts[neighbor]

    def room(self, neighbor: str) -> int:
        """How many more prefixes this neighbor may announce, which has a maximum."""
        limit = self._neighbors[neighbor].settings.maximum_prefixes
        assert limit is not None
        return max(0, limit.count - self._counts[neighbor] - len(self._rejected.get(neighbor, ())))

    def paths(self, prefix: str) -> tuple[Path, ...]:
        """Every path, best or not, by neighbor address."""
        return self._table.get(prefix, _NOTHING).paths

    def _path(self, prefix: str, neighbor: str) -> Path | None:
        return next((path for path in self.paths(prefix) if path.neighbor == neighbor), None)

    def _announced(
        self, neighbor: NeighborConfig, next_hop: str, attributes: PathAttributes, prefixes: Sequence[str]
    ) -> set[str]:
        peer, internal = neighbor.peer_address, neighbor.peer_asn == self._asn
        if peer in self._stale:
            self._stale[peer].difference_update(prefixes)
        if self._is_loop(attributes):
            self._forget(peer, prefixes)
            return self._put(peer, None, prefixes)
        limit = neighbor.settings.maximum_prefixes
        if limit is not None:
            prefixes = self._within_limit(neighbor, limit, prefixes)
        changed: set[str] = set()
        for accepted, part in self._imported(neighbor, attributes, prefixes):
            if accepted is None:  # the path that it replaces is gone too
                changed |= self._put(peer, None, part)
                if limit is not None:
                    self._rejected.setdefault(peer, set()).update(part)
                continue
            preference = self._preference(peer, accepted)
            path = Path(peer, next_hop, accepted, preference, internal, neighbor.peer_router_id)
            changed |= self._put(peer, path, part)
        return changed

    def _imported(
        self, neighbor: NeighborConfig, attributes: PathAttributes, prefixes: Sequence[str]
    ) -> Iterator[tuple[PathAttributes | None, Sequence[str]]]:
        """What import policy makes of an announcement that is no loop; None of what it rejects."""
        if neighbor.peer_asn != self._asn:
            # RFC 4271 section 5.1.5, RFC 4456 section 8: a matter of the AS that sends it
            attributes = replace(attributes, local_pref=None, originator_id=None, cluster_list=())
        for term, part in by_term(neighbor.settings.import_terms, attributes.communities, prefixes):
            yield term.applied(attributes, neighbor.peer_asn), part

    def _is_loop(self, attributes: PathAttributes) -> bool:
        """RFC 4271 section 9.1.2, RFC 4456 section 8. The cluster id of a reflector is its router id."""
        return (
            self._asn in attributes.as_path
            or attributes.originator_id == self._router_id
            or self._router_id in attributes.cluster_list
        )

    def _preference(self, neighbor: str, attributes: PathAttributes) -> int:
        """RFC 4271 section 9.1.1; the last to be used: RFC 8326."""
        if neighbor in self._drained or _is_last(attributes):
            return 0
        return DEFAULT_LOCAL_PREF if attributes.local_pref is None else attributes.local_pref

    def _within_limit(
        self, neighbor: NeighborConfig, limit: MaximumPrefixes, prefixes: Sequence[str]
    ) -> Sequence[str]:
        """Those to take in: prefixes that are known already, and others up to the maximum."""
        peer = neighbor.peer_address
        room, rejected = self.room(peer), self._rejected.get(peer, set())
        if len(prefixes) > room:
            fresh = [it for it in prefixes if it not in rejected and self._path(it, peer) is None]
        else:
            fresh = []
        self._forget(peer, prefixes)
        if len(fresh) <= room:
            return prefixes
        self.above_limit.add(peer)
        if limit.action is LimitAction.WARN:
            return prefixes
        left_out = dict.fromkeys(fresh[room:])
        self.left_out.setdefault(peer, {}).update(left_out)
        return [prefix for prefix in prefixes if prefix not in left_out]

    def _forget(self, neighbor: str, prefixes: Iterable[str]) -> None:
        """What was known of these prefixes that are not taken in."""
        if neighbor in self._rejected:
            self._rejected[neighbor].difference_update(prefixes)
        for prefix in prefixes if neighbor in self.left_out else ():
            self.left_out[neighbor].pop(prefix, None)

    def _begin(self, neighbor: str) -> None:
        """A session begins, or is no more: nothing is known of what it announces."""
        self.above_limit.discard(neighbor)
        self._rejected.pop(neighbor, None)
        self.left_out.pop(neighbor, None)

    def _put(self, neighbor: str, path: Path | None, prefixes: Iterable[str]) -> set[str]:
        """Make `path` the neighbor's only one to these prefixes; None: it has none."""
        new = () if path is None else (path,)

        def replaced(paths: tuple[Path, ...]) -> tuple[Path, ...]:
            others = (path for path in paths if path.neighbor != neighbor)
            return tuple(sorted((*others, *new), key=lambda path: address_order(path.neighbor)))

        return self._rewrite(prefixes, replaced, neighbor)

    def _rewrite(
        self,
        prefixes: Iterable[str],
        alter: Callable[[tuple[Path, ...]], tuple[Path, ...]],
        neighbor: str = "",
    ) -> set[str]:
        """Alter the paths to these prefixes, in number only those of `neighbor`; whose best paths changed."""
        changed: set[str] = set()
        altered: dict[_Choice, tuple[_Choice, bool]] = {}
        table = self._table
        for prefix in prefixes:
            old = table.get(prefix, _NOTHING)
            if old not in altered:
                new = self._choice(alter(old.paths))
                altered[old] = new, new.best != old.best
            new, differs = altered[old]
            if new is old:
                continue
            self._counts[neighbor] += len(new.paths) - len(old.paths)
            if new is _NOTHING:
                del table[prefix]
            else:
                table[prefix] = new
            if differs:
                changed.add(prefix)
        return changed

    def _choice(self, paths: tuple[Path, ...]) -> _Choice:
        if not paths:
            return _NOTHING
        choice = self._choices.get(paths)
        if choice is None:
            best = best_paths(paths, self._cost)[: self._maximum_paths]
            choice = self._choices[paths] = _Choice(paths, best)
        return choice


def _is_last(attributes: PathAttributes) -> bool:
    """Whether who announced a path asks to use it last (RFC 8326)."""
    return GRACEFUL_SHUTDOWN in attributes.communities
