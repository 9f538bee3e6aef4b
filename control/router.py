"""One router's control plane: what its neighbors say becomes kernel routes and announcements to others.

Decides and keeps state; what it decides goes at once to the route table and the speaker it was given.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from control.bgp import commands
from control.bgp.configuration import SpeakerConfig
from control.bgp.export import Export
from control.bgp.model import Event, SessionDown, SessionUp, SnapshotEnd
from control.bgp.notifications import readable
from control.bgp.rib import Rib
from control.routes.grouping import NO_NEXT_HOPS
from control.routes.model import NextHop, NextHops, Refused
from control.routes.table import RouteTable


@dataclass(slots=True)
class Session:
    """One BGP session as this router sees it; `since_ns` is when it last came up or went down."""

    neighbor: str
    peer_node: str
    link: str
    interface: str
    ifindex: int
    up: bool = False
    since_ns: int = 0
    reason: str = "not established yet"

    def is_of(self, other: "Session") -> bool:
        """Whether both are the same session, whatever its state."""
        return (self.neighbor, self.peer_node, self.link, self.interface, self.ifindex) == (
            other.neighbor,
            other.peer_node,
            other.link,
            other.interface,
            other.ifindex,
        )


@dataclass(frozen=True, slots=True)
class SessionChange:
    """A session came up or went down, as `Router` tells its owner."""

    session: Session
    up: bool
    reason: str


class Router:
    """Sessions in, routes and announcements out. One for each node that speaks BGP."""

    def __init__(
        self,
        config: SpeakerConfig,
        sessions: Iterable[Session],
        originate: Iterable[str],
        routes: RouteTable,
        send: Callable[[Sequence[str]], None],
        on_change: Callable[[SessionChange], None],
        on_refused: Callable[[Refused], None],
    ) -> None:
        self.config = config
        self.sessions = {session.neighbor: session for session in sessions}
        self.rib = Rib(config.asn)
        self._routes = routes
        self._send = send
        self._on_change = on_change
        self._on_refused = on_refused
        self.originated = frozenset(originate)
        self._export = Export(config, self.originated)
        self._report(routes.originate(self.originated))

    def receive(self, events: Sequence[Event], now_ns: int) -> bool:
        """Takes what the speaker reported, in order; whether nexthop groups changed.

        What it says of a neighbor that is not configured any more is not believed, only remembered as told.
        Once a snapshot has ended, BGP has told all it knows, and routes it knows nothing of go.
        """
        changed: set[str] = set()
        for event in events:
            self._export.receive(event)
            if not isinstance(event, SnapshotEnd) and event.neighbor not in self.sessions:
                continue
            changed |= self.rib.receive(event)
            match event:
                case SessionUp(neighbor, t_ns):
                    self._session_changed(neighbor, True, "", t_ns or now_ns)
                case SessionDown(neighbor, reason, t_ns):
                    self._session_changed(neighbor, False, readable(reason), t_ns or now_ns)
        moved = self._apply(changed)
        if any(isinstance(event, SnapshotEnd) for event in events):
            self.drop_stale_routes()
        return moved

    def originate(self, prefixes: Iterable[str]) -> None:
        """Makes `prefixes` all that this router originates."""
        before, self.originated = self.originated, frozenset(prefixes)
        changed = before ^ self.originated
        self._report(self._routes.originate(self.originated))
        # A neighbor's path counts again for what is not originated here any more, and no more for what is.
        self._report(self._routes.update({prefix: self._learned(prefix) for prefix in changed}))
        self._export.originate(self.originated)
        self._send(self._export.update(self.rib, changed))

    def drop_stale_routes(self) -> None:
        """Removes the routes that an earlier router left in the kernel and that BGP does not know."""
        self._report(
            self._routes.reconcile({prefix: self._learned(prefix) for prefix in self.rib.prefixes()})
        )

    def remove_routes(self) -> None:
        """Removes everything that this router has in the kernel."""
        self._report([*self._routes.reconcile({}), *self._routes.originate(())])

    def interface_usable(self, ifindex: int) -> None:
        """An interface may carry traffic again: paths over it count, and sessions are tried at once."""
        self._report(self._routes.link_changed(ifindex, True))
        over_it = [s.neighbor for s in self.sessions.values() if s.ifindex == ifindex and not s.up]
        self._send([commands.reconnect(neighbor) for neighbor in over_it])

    def interface_lost(self, ifindex: int) -> bool:
        """Moves traffic off an interface; whether there was any. To be followed by `end_sessions`."""
        groups = self._routes.fib.groups
        self._report(self._routes.link_changed(ifindex, False))
        return self._routes.fib.groups != groups

    def end_sessions(self, ifindex: int, reason: str, now_ns: int) -> None:
        """Ends the sessions over an interface that was lost, which BGP would notice late."""
        changed: set[str] = set()
        for session in self.sessions.values():
            if session.ifindex == ifindex and session.up:
                self._send([commands.teardown(session.neighbor)])
                changed |= self.rib.receive(SessionDown(session.neighbor, reason))
                self._session_changed(session.neighbor, False, reason, now_ns)
        self._apply(changed)

    def next_hops(self, prefix: str) -> NextHops:
        """Where the prefix's traffic should go: the next hops of its best paths."""
        return frozenset(
            NextHop(path.next_hop, self.sessions[path.neighbor].ifindex) for path in self.rib.best(prefix)
        )

    def _apply(self, changed: set[str]) -> bool:
        groups = self._routes.fib.groups
        self._install(sorted(changed))
        self._send(self._export.update(self.rib, changed))
        return self._routes.fib.groups != groups

    def _install(self, changed: Iterable[str]) -> None:
        if wanted := {prefix: self._learned(prefix) for prefix in changed}:
            self._report(self._routes.update(wanted))

    def _learned(self, prefix: str) -> NextHops:
        """What is originated here is reached here: a neighbor's path to it must not take its traffic away."""
        return NO_NEXT_HOPS if prefix in self.originated else self.next_hops(prefix)

    def _report(self, refused: Iterable[Refused]) -> None:
        for refusal in refused:
            self._on_refused(refusal)

    def _session_changed(self, neighbor: str, up: bool, reason: str, now_ns: int) -> None:
        session = self.sessions[neighbor]
        if session.up == up:
            if not session.since_ns:  # it ended, or failed, before this router was there to see it
                session.since_ns, session.reason = now_ns, reason
            return  # a failed attempt, or the end of a session that was ended here
        session.up, session.since_ns, session.reason = up, now_ns, reason
        self._on_change(SessionChange(session, up, reason))
