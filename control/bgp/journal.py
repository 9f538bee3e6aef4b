"""What the helper remembers, so that a controller that connects late, or again, learns what it missed."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TypeVar

from control.bgp import commands
from control.bgp.model import (
    AddressFamily,
    Advertised,
    Announce,
    EndOfRib,
    Event,
    PathAttributes,
    RestartCapability,
    SessionDown,
    SessionUp,
    SnapshotEnd,
    Withdraw,
)

PREFIXES_PER_EVENT = 500
"""Keeps the lines of a snapshot to some 20 kB."""

_Route = tuple[AddressFamily, str, PathAttributes]
_Value = TypeVar("_Value")


class Journal:
    """Session states, the newest path per neighbor and prefix, and what ExaBGP was told to advertise.

    The last outlives sessions because ExaBGP's Adj-RIB-Out does; everything else of a session ends with it.
    """

    def __init__(self) -> None:
        self._sessions: dict[str, SessionUp | SessionDown] = {}
        self._restarts: dict[str, RestartCapability] = {}
        self._routes: defaultdict[str, dict[str, _Route]] = defaultdict(dict)
        self._complete: defaultdict[str, set[AddressFamily]] = defaultdict(set)
        self._advertised: defaultdict[str, dict[str, str]] = defaultdict(dict)

    def receive(self, event: Event) -> bool:
        """Remember an event; False when it says nothing new and need not be passed on.

        ExaBGP reports a session as down at every failed attempt to connect: only the first is news. Routes
        of a session that is not up are not believed.
        """
        match event:
            case SessionUp(neighbor):
                self._forget(neighbor)
                self._sessions[neighbor] = event
                return True
            case SessionDown(neighbor, _):
                news = not isinstance(self._sessions.get(neighbor), SessionDown)
                self._forget(neighbor)
                self._sessions[neighbor] = event
                return news
            case RestartCapability(neighbor):
                self._restarts[neighbor] = event
                return True
            case Announce(neighbor, family, next_hop, attributes, prefixes) if self._is_up(neighbor):
                route = (family, next_hop, attributes)
                self._routes[neighbor].update(dict.fromkeys(prefixes, route))
                return True
            case Withdraw(neighbor, _, prefixes) if self._is_up(neighbor):
                routes = self._routes[neighbor]
                for prefix in prefixes:
                    routes.pop(prefix, None)
                return True
            case EndOfRib(neighbor, family) if self._is_up(neighbor):
                self._complete[neighbor].add(family)
                return True
        return False

    def record_command(self, command: str) -> None:
        """Remember what a command to ExaBGP advertises or withdraws, or forget a neighbor that is gone."""
        if (gone := commands.forgotten(command)) is not None:
            self._advertised.pop(gone, None)
            self._sessions.pop(gone, None)
            self._restarts.pop(gone, None)
            self._forget(gone)
        match commands.parse(command):
            case (neighbor, "announce", attributes, prefixes):
                self._advertised[neighbor].update(dict.fromkeys(prefixes, attributes))
            case (neighbor, "withdraw", _, prefixes):
                for prefix in prefixes:
                    self._advertised[neighbor].pop(prefix, None)

    def again(self, neighbor: str, prefixes: Sequence[str]) -> Iterator[Event]:
        """What the neighbor has announced of these prefixes, as the events that would tell it now."""
        routes = self._routes[neighbor]
        yield from _announcements(neighbor, {it: routes[it] for it in prefixes if it in routes})

    def snapshot(self) -> Iterator[Event]:
        """Everything remembered, as the events that would have told it, then SnapshotEnd."""
        for neighbor, told in self._advertised.items():
            for text, chunk in _chunks(told):
                yield Advertised(neighbor, text, chunk)
        yield from self._restarts.values()
        for neighbor, state in self._sessions.items():
            yield state
            yield from _announcements(neighbor, self._routes[neighbor])
            for family in AddressFamily:
                if family in self._complete[neighbor]:
                    yield EndOfRib(neighbor, family)
        yield SnapshotEnd()

    def _is_up(self, neighbor: str) -> bool:
        return isinstance(self._sessions.get(neighbor), SessionUp)

    def _forget(self, neighbor: str) -> None:
        self._routes[neighbor].clear()
        self._complete[neighbor].clear()


def _announcements(neighbor: str, routes: dict[str, _Route]) -> Iterator[Event]:
    for (family, next_hop, attributes), chunk in _chunks(routes):
        yield Announce(neighbor, family, next_hop, attributes, chunk)


def _chunks(by_prefix: dict[str, _Value]) -> Iterator[tuple[_Value, tuple[str, ...]]]:
    """Prefixes that share a value together, at most PREFIXES_PER_EVENT at a time."""
    groups: defaultdict[_Value, list[str]] = defaultdict(list)
    for prefix, value in by_prefix.items():
        groups[value].append(prefix)
    for value, prefixes in groups.items():
        for start in range(0, len(prefixes), PREFIXES_PER_EVENT):
            yield value, tuple(prefixes[start : start + PREFIXES_PER_EVENT])
