"""Which of ExaBGP's peers get a turn, in what order, and how it waits for the next.

ExaBGP 5.0 gives every peer a turn, and every listener a look, several times for each message of any of them,
in an order by chance. A turn in which nothing happens takes some 0.1 ms, one that ends a session 1 ms. Here a
session that is up has one when it has something to read or to send, and each tenth of a second for its
timers; and the neighbors whose sessions live hear first of what was lost with those that end.

It also leaves sockets that it has closed in its poll set, where each makes it sleep for a whole turn, deaf to
its peers and its helper, instead of waiting for them; and it looks for new connections only once a turn.
"""

# mypy: disable-error-code="import-untyped"

import select
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from exabgp.bgp.fsm import FSM
from exabgp.reactor.loop import Reactor
from exabgp.reactor.peer import ACTION, Peer

TIMERS_S = 0.1
_READABLE = select.POLLIN | select.POLLPRI


class Turns(set[str]):
    """The names of peers that get a turn; those whose sessions end come last."""

    def __init__(self, names: Iterable[str], peers: Mapping[str, Peer]) -> None:
        super().__init__(names)
        self._peers = peers

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(super().__iter__(), key=lambda name: self._peers[name]._teardown is not None))


class Scheduler:
    """Who has a turn of the one reactor that a process has."""

    def __init__(
        self, active_peers: Callable[[Reactor], Iterable[str]], run: Callable[[Peer], object]
    ) -> None:
        """What ExaBGP itself does in place of the methods of these names."""
        self._active_peers, self._run = active_peers, run
        self._idle: set[Peer] = set()
        self._ready: set[int] = set()
        self._timers_s = 0.0

    def active_peers(self, reactor: Reactor) -> Turns:
        """Those that may have something to do."""
        names = self._active_peers(reactor)
        now_s = time.monotonic()
        if now_s - self._timers_s < TIMERS_S:
            names = {name for name in names if self._has_work(reactor._peers[name])}
        else:
            self._timers_s = now_s
            self._idle &= set(reactor._peers.values())
        return Turns(names, reactor._peers)

    def run(self, peer: Peer) -> object:
        """A turn of a peer."""
        action = self._run(peer)
        if action == ACTION.LATER and peer.fsm == FSM.ESTABLISHED:
            self._idle.add(peer)
        else:
            self._idle.discard(peer)
        return action

    def wait_for_io(self, reactor: Reactor, turn_ms: int) -> Iterator[int]:
        """The descriptors of peers and helpers that are readable."""
        listeners = (
            {listener.fileno() for listener in reactor.listener._sockets} if reactor.listener else set()
        )
        for descriptor in listeners:
            reactor._poller.register(descriptor, select.POLLIN)
        self._ready.clear()
        for descriptor, events in reactor._poller.poll(turn_ms):
            self._ready.add(descriptor)
            if events & _READABLE:
                if descriptor not in listeners:
                    yield descriptor
            elif events & select.POLLNVAL:
                reactor._poller.unregister(descriptor)
            else:
                reactor._prevent_spin()

    def _has_work(self, peer: Peer) -> bool:
        return (
            peer not in self._idle
            or peer.socket() in self._ready
            or peer._teardown is not None
            or peer._neighbor is not None
            or peer.neighbor.rib.outgoing.pending()
            or bool(peer.neighbor.eor or peer.neighbor.refresh or peer.neighbor.messages)
        )


def install() -> None:
    """Has ExaBGP go by all this."""
    scheduler = Scheduler(Reactor.active_peers, Peer.run)
    Reactor.active_peers = lambda reactor: scheduler.active_peers(reactor)
    Reactor._wait_for_io = lambda reactor, turn_ms: scheduler.wait_for_io(reactor, turn_ms)
    Peer.run = lambda peer: scheduler.run(peer)
