"""ExaBGP as a router runs it: python -m control.bgp.exabgp server FILE.

ExaBGP 5.0 leaves sockets that it has closed in its poll set, where each makes it sleep for a whole turn, deaf
to its peers and its helper, instead of waiting for them; it looks for new connections only once a turn; and
it makes an event loop, and throws it away, for every turn with commands, none of which awaits anything.
Mended here, a turn may be long: an idle speaker costs next to nothing, and a busy one answers at once.

It also drops a reload that it is asked for while any neighbor, reachable or not, has routes waiting; lets
commands that follow come before it; and loses a neighbor that leaves and comes back at once. Here `reload` is
carried out in its turn, among announcements, and what left is gone when it is done. Neighbors that are the
same before and after keep their sessions.

Prefixes by the 100 000 take it 10 s and 200 MB a session, because each becomes objects that are copied,
indexed and logged. Here announcements and withdrawals in the form of commands.py go to an Adj-RIB-Out of ours
(adj_rib_out.py), prefixes that come in are read at once (received.py), and no debugging message is made that
its log level, WARNING, then drops. Attributes are ExaBGP's own, both ways.

Where graceful restart was negotiated it ends sessions without a word, and the neighbor keeps its routes; here
a session that is torn down on request ends with the NOTIFICATION that was asked for, and after some of them
stays down until the next `reload`. One that has ended by itself by then is left alone, where ExaBGP would end
the next. `reconnect NEIGHBOR` gives up an attempt to connect, which sends its SYNs ever more rarely, for
another; the wait between attempts, which grows to 60 s, is a second at most. `end-of-rib NEIGHBOR` is carried
out in its turn: ExaBGP's own End-of-RIB can come before announcements that wait.

Linux (rt6_is_valid in net/ipv6/route.c, 6.18) can keep an IPv6 socket on a route by nexthop objects that is
gone: it takes the route for valid if the machine's own namespace has seen as many changes of routes as this
one had when it was looked up. Then all that the socket sends is dropped, and a session ends that nothing
happened to. So before each message the socket is made to look its route up anew.
"""

# mypy: disable-error-code="import-untyped"

import contextlib
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from functools import lru_cache

import exabgp.rib
from exabgp.application.main import main
from exabgp.bgp.message.open.capability.capability import Capability
from exabgp.bgp.message.update import Update
from exabgp.logger import log
from exabgp.protocol.family import Family
from exabgp.reactor.api import API, Command
from exabgp.reactor.api.command.limit import match_neighbors
from exabgp.reactor.asynchronous import ASYNC
from exabgp.reactor.delay import Delay
from exabgp.reactor.loop import Reactor
from exabgp.reactor.network.connection import Connection
from exabgp.reactor.network.outgoing import Outgoing
from exabgp.reactor.peer import Peer

from control.bgp import commands
from control.bgp.adj_rib_out import AdjRibOut, Announcement, nlri
from control.bgp.received import unpack_message
from dataplane import priority

ATTEMPT_INTERVAL_S = 1
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


def _carry_out(scheduled: ASYNC) -> bool:
    """As many commands as go into a turn, in place of ASYNC.run; whether there are more."""
    turn = scheduled._run_async()
    try:
        turn.send(None)
    except StopIteration as end:
        return bool(end.value)
    turn.close()
    raise RuntimeError("ExaBGP has scheduled what awaits something")


def _setup_without_delay(outgoing: Outgoing) -> Exception | None:
    """Outgoing._setup, and no waiting for acknowledgements before more is sent (RFC 896)."""
    problem: Exception | None = _setup(outgoing)
    if problem is None:
        outgoing.io.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return problem


def _writing(connection: Connection) -> bool:
    """Connection.writing, which comes before all that is sent; the socket forgets its route first."""
    connection.io.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 0)  # as it is, but for the route
    return bool(_is_writable(connection))


def _teardown(peer: Peer, code: int, restart: bool = True) -> None:
    """Peer.teardown: the neighbor is told, whatever was negotiated, and some sessions stay down."""
    if not peer.established() and code not in commands.FOR_GOOD:
        return
    if peer.proto and peer.proto.negotiated.sent_open:
        peer.proto.negotiated.sent_open.capabilities.pop(Capability.CODE.GRACEFUL_RESTART, None)
    _end_session(peer, code, restart and code not in commands.FOR_GOOD)


def _increase(delay: Delay) -> None:
    """Delay.increase: none before the first attempt after a session, then always the same."""
    delay._time = time.time() + delay._next
    delay._next = ATTEMPT_INTERVAL_S


def _in_turn(perform: Callable[[API, Reactor, str, str], Iterator[bool]]) -> Callable[..., bool]:
    """What `perform` does as ExaBGP gives its commands, to be done when those before are."""

    def command(api: API, reactor: Reactor, service: str, line: str, use_json: bool) -> bool:
        reactor.asynchronous.schedule(service, line, perform(api, reactor, service, line))
        return True

    return command


@_in_turn
def _reload(api: API, reactor: Reactor, service: str, line: str) -> Iterator[bool]:
    """The command `reload`."""
    reactor.reload()
    neighbors = reactor.configuration.neighbors
    for name, peer in [(name, peer) for name, peer in reactor._peers.items() if peer.stopping()]:
        peer.remove()
        del reactor._peers[name]
        if name in neighbors:  # it was torn down for good, and is wanted again
            reactor._peers[name] = Peer(neighbors[name], reactor)
    for peer in reactor._peers.values():
        if peer._neighbor and not peer.proto:  # else it goes by the new one only after another session
            peer._reset()
    reactor.processes.answer_done(service)
    yield True


@_in_turn
def _reconnect(api: API, reactor: Reactor, service: str, line: str) -> Iterator[bool]:
    """The command `reconnect NEIGHBOR`, for an end that connects and has no connection."""
    for name in _names(reactor, service, line.split()[1]):
        peer = reactor._peers[name]
        if not (peer.proto or peer.neighbor["passive"] or peer.stopping()):
            peer._delay.reset()
            peer.generator = peer._run()
    reactor.processes.answer_done(service)
    yield True


@_in_turn
def _end_of_rib(api: API, reactor: Reactor, service: str, line: str) -> Iterator[bool]:
    """The command `end-of-rib NEIGHBOR`."""
    for name in _names(reactor, service, line.split()[1]):
        for afi, safi in reactor.configuration.neighbors[name].families():
            reactor.configuration.inject_eor([name], Family(afi, safi))
    reactor.processes.answer_done(service)
    yield True


@_in_turn
def _change(api: API, reactor: Reactor, service: str, line: str) -> Iterator[bool]:
    """`neighbor IP announce attributes TEXT nlri PREFIX...`, and the same with withdraw."""
    parsed = commands.parse(line)
    if parsed is None:
        raise ValueError(f"expected a command in the form of commands.py, found {line[:200]!r}")
    address, verb, text, prefixes = parsed
    packed = [nlri(prefix) for prefix in prefixes]
    for name in _names(reactor, service, address):
        table = reactor.configuration.neighbors[name].rib.outgoing
        if verb == "announce":
            table.announce(_announcement(api, reactor, name, text, ":" in prefixes[0]), packed)
        else:
            table.withdraw(packed)
    yield True


def _names(reactor: Reactor, service: str, address: str) -> list[str]:
    """What ExaBGP calls the neighbors with an address: one, or none any more."""
    names: list[str] = match_neighbors(reactor.peers(service), [[f"neighbor {address}"]])
    return names


@lru_cache(maxsize=4096)
def _announcement(api: API, reactor: Reactor, name: str, text: str, ipv6: bool) -> Announcement:
    """What ExaBGP makes of attributes in its words towards one neighbor. Raises ValueError."""
    anywhere = "::/0" if ipv6 else "0.0.0.0/0"
    changes = api.api_attributes(f"announce attributes {text} nlri {anywhere}", [name])
    if not changes:
        raise ValueError(f"ExaBGP does not understand the attributes {text!r}")
    change = reactor.configuration.neighbors[name].remove_self(changes[0])
    return Announcement(change.attributes, change.nlri.nexthop.ton())


_end_session = Peer.teardown
Peer.teardown = _teardown
Delay.increase = _increase
_is_writable = Connection.writing
Connection.writing = _writing
_setup = Outgoing._setup
Outgoing._setup = _setup_without_delay
Reactor._wait_for_io = _wait_for_io
ASYNC.run = _carry_out
exabgp.rib.OutgoingRIB = AdjRibOut
Update.unpack_message = staticmethod(unpack_message)
log.debug = log.info = lambda *_, **__: None
Command.register(commands.RELOAD, False)(_reload)
Command.register("announce attributes", False)(_change)
Command.register("withdraw attributes", False)(_change)
Command.register(commands.END_OF_RIB, False)(_end_of_rib)
Command.register(commands.RECONNECT, False)(_reconnect)

if __name__ == "__main__":
    with contextlib.suppress(OSError):  # as the engine and the controller, between which it stands
        priority.come_first()
    sys.exit(main())
