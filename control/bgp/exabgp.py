"""ExaBGP as a router runs it: python -m control.bgp.exabgp server FILE.

ExaBGP 5.0 leaves sockets that it has closed in its poll set, where each makes it sleep for a whole turn, deaf
to its peers and its helper, instead of waiting for them; and it looks for new connections only once a turn.
Mended here, a turn may be long: an idle speaker costs next to nothing, and a busy one answers at once.

It also drops a reload that it is asked for while any neighbor, reachable or not, has routes waiting; lets
commands that follow come before it; and loses a neighbor that leaves and comes back at once. Here `reload` is
carried out in its turn, among announcements, and what left is gone when it is done. Neighbors that are the
same before and after keep their sessions.
"""

# mypy: disable-error-code="import-untyped"

import select
import socket
import sys
from collections.abc import Iterator

from exabgp.application.main import main
from exabgp.reactor.api import Command
from exabgp.reactor.loop import Reactor
from exabgp.reactor.network.outgoing import Outgoing

from control.bgp.commands import RELOAD

_READABLE = select.POLLIN | select.POLLPRI


def _wait_for_io(reactor: Reactor, turn_ms: int) -> Iterator[int]:
    """The descriptors of peers and helpers that are readable; in place of Reactor._wait_for_io."""
    listeners = {listener.fileno() for listener in reactor.listener._sockets} if reactor.listener else set()
    for descriptor in listeners:
        reactor._poller.register(descriptor, select.POLLIN)
    for descriptor, events in reactor._poller.poll(turn_ms):
        if events & _READABLE:
            if descriptor not in listeners:
                yield descriptor
        elif events & select.POLLNVAL:
            reactor._poller.unregister(descriptor)
        else:
            reactor._prevent_spin()


def _setup_without_delay(outgoing: Outgoing) -> Exception | None:
    """Outgoing._setup, and no waiting for acknowledgements before more is sent (RFC 896)."""
    problem: Exception | None = _setup(outgoing)
    if problem is None:
        outgoing.io.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return problem


def _reload(api: object, reactor: Reactor, service: str, line: str, use_json: bool) -> bool:
    """The command `reload`, in the form that ExaBGP gives its commands."""

    def perform() -> Iterator[bool]:
        reactor.reload()
        for name in [name for name, peer in reactor._peers.items() if peer.stopping()]:
            del reactor._peers[name]
        reactor.processes.answer_done(service)
        yield True

    reactor.asynchronous.schedule(service, line, perform())
    return True


_setup = Outgoing._setup
Outgoing._setup = _setup_without_delay
Reactor._wait_for_io = _wait_for_io
Command.register(RELOAD, False)(_reload)

if __name__ == "__main__":
    sys.exit(main())
