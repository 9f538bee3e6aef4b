"""ExaBGP with a main loop that sleeps until there is work: python -m control.bgp.exabgp server FILE.

ExaBGP 5.0 leaves sockets that it has closed in its poll set, where each makes it sleep for a whole turn, deaf
to its peers and its helper, instead of waiting for them; and it looks for new connections only once a turn.
Mended here, a turn may be long: an idle speaker costs next to nothing, and a busy one answers at once.
"""

# mypy: disable-error-code="import-untyped"

import select
import socket
import sys
from collections.abc import Iterator

from exabgp.application.main import main
from exabgp.reactor.loop import Reactor
from exabgp.reactor.network.outgoing import Outgoing

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


_setup = Outgoing._setup
Outgoing._setup = _setup_without_delay
Reactor._wait_for_io = _wait_for_io

if __name__ == "__main__":
    sys.exit(main())
