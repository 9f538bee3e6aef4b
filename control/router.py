"""One router's control plane: what its neighbors say becomes kernel routes and announcements to others.

Decides and keeps state; what it decides goes at once to the route table and the speaker it was given.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from itertools import islice

from control.bgp import commands
from control.bgp.configuration import SpeakerConfig
from control.bgp.decision import Path
from control.bgp.export import Export
from control.bgp.model import (
    Announce,
    EndOfRib,
    Event,
    PathAttributes,
    SessionDown,
    SessionUp,
    SnapshotEnd,
    family_of,
)
from control.bgp.notifications import readable
from control.bgp.policy import LimitAction
from control.bgp.restarts import Restarts
from control.bgp.rib import Rib
from control.resolution import Interior, Resolution
from control.routes.grouping import NO_NEXT_HOPS
from control.routes.model import FAMILIES, NextHop, NextHops, Refused
from control.routes.table import RouteTable
from control.session import Session, SessionChange


class Router:
    """Sessions in, routes and announcements out. One for each node that speaks BGP.

    `interior` are the routes inside its AS, by prefix. `configure` gives the speaker another configuration:
    it begins with `config` without the sessions that are held.
    """

    def __init__(
        self,
        config: SpeakerConfig,
        sessions: Iterable[Session],
        originate: Iterable[str],
        routes: RouteTable,
        send: Callable[[Sequence[str]], None],
        on_change: Callable[[SessionChange], None],
        on_refused: Callable[[Sequence[Refused]], None],
        *,
        interior: Mapping[str, Interior],
        configure: Callable[[SpeakerConfig], None],
        on_warning: Callable[[Session], None],
    ) -> None:
        self.config = config
        self.sessions = {session.neighbor: session for session in sessions}
        self.originated = frozenset(originate)
        self._peers = {peer.peer_address: peer for peer in config.neighbors}
        self._interior = interior
        external = {name for name, peer in self._peers.items() if peer.peer_asn != config.asn}
        self._resolution = Resolution(
            interior,
            {name: min(self.sessions[name].ifindexes) for name in external & self.sessions.keys()},
            routes.fib.is_usable,
        )
        self.rib = Rib(config, self._resolution.cost)
        self._routes = routes
        self._send = send
        self._on_change = on_change
        self._on_refused = on_refused
        self._configure = configure
        self._on_warning = on_warning
        self._restarts = Restarts()
        self._export = Export(config, self.originated)
        for neighbor in self.held:
            self._export.hold(neighbor)
        self._report(routes.originate(self.originated))
        # What an earlier router installed waits for all else: apart from it, it would need groups of its own.
        self._install([prefix for prefix in interior if routes.fib.group_id(prefix) is None])

    def receive(self, events: Sequence[Event], now_ns: int) -> bool:
        """Takes what the speaker reported, in order; whether nexthop groups changed.

        What it says of a neighbor that is not configured any more is not believed, only remembered as told.
        Once a snapshot has ended, BGP has told all it knows, and routes it knows nothing of go.
        """
        changed: set[str] = set()
        for event in events:
            self._export.receive(event)
            if isinstance(event, SnapshotEnd) or event.neighbor not in self.sessions:
                continue
            session = self.sessions[event.neighbor]
            if session.held:
                self._keep_down(event)
            else:
                changed |= self._heard(session, event, now_ns)
        told_all = any(isinstance(event, SnapshotEnd) for event in events)
        moved = self._apply(changed, told_all=told_all)
        self._send(list(self._take_in_what_has_room()))
        begun = {event.neighbor for event in events if isinstance(event, SessionUp)} & self.sessions.keys()
        self._send(
            [
                commands.end_of_rib(neighbor)
                for neighbor in (self.sessions if told_all else begun)
                if self._peers[neighbor].settings.graceful_restart_s and self.sessions[neighbor].up
            ]
        )
        return moved

    @property
    def held(self) -> set[str]:
        """The neighbors that the speaker is not to speak to until `reset`."""
        return {name for name, session in self.sessions.items() if session.held}

    def next_deadline_ns(self) -> int | None:
        """When to `advance`; None: not before the next event."""
        return self._restarts.next_deadline_ns()

    def advance(self, now_ns: int) -> None:
        """Does without the neighbors that were waited for and did not come back, or told not all again."""
        changed: set[str] = set()
        for neighbor in self._restarts.expired(now_ns):
            session = self.sessions[neighbor]
            if session.up:
                changed |= self.rib.receive(EndOfRib(neighbor, family_of(neighbor)))
            else:
                changed |= self.rib.receive(SessionDown(neighbor, session.reason))
        self._apply(changed)

    def originate(self, prefixes: Iterable[str]) -> None:
        """Makes `prefixes` all that this router originates."""
        before, self.originated = self.originated, frozenset(prefixes)
        changed = before ^ self.originated
        self._report(self._routes.originate(self.originated))
        # A neighbor's path counts again for what is not originated here any more, and no more for what is.
        self._export.originate(self.originated)
        self._apply(changed)

    def drain(self, neighbors: frozenset[str], leaving: frozenset[str] = frozenset()) -> None:
        """Moves traffic away from the sessions with these neighbors, and no others, both ways (RFC 8326).

        The paths of those that are `leaving` all others are asked to use last, while this router itself
        goes on to use them: it is to be drained of them once the others have heard.
        """
        self._export.drain(neighbors, leaving)
        self._apply(self.rib.drain(neighbors))

    def leak(self, on: bool) -> None:
        """Announces, or stops announcing, what export policy and NO_EXPORT forbid."""
        self._export.leak(on)
        self._apply(set())

    def reset(self, neighbor: str) -> None:
        """Ends a session, which then comes up again, also one that is held down."""
        session = self.sessions[neighbor]
        if not session.held:
            self._send([commands.teardown(neighbor, commands.ADMINISTRATIVE_RESET)])
            return
        session.held, session.warning, session.reason = False, "", "reset"
        self._export.release(neighbor)
        self._configure_speaker()
        self._apply(set())

    def shut_down(self, neighbor: str, reason: str, now_ns: int) -> None:
        """Ends a session and keeps it down until `reset`; one that is held down already stays so."""
        session = self.sessions[neighbor]
        if session.held:
            return
        session.held = True
        if session.up:
            self._send([commands.teardown(neighbor, commands.ADMINISTRATIVE_SHUTDOWN)])
            self._apply(self._end(session, reason, now_ns))
        else:
            self._keep_down(SessionDown(neighbor, reason))

    def drop_stale_routes(self) -> None:
        """Removes the routes that an earlier router left in the kernel and that BGP does not know."""
        self._report(self._routes.reconcile(self._wanted([*self._interior, *self.rib.prefixes()])))

    def remove_routes(self) -> None:
        """Removes everything that this router has in the kernel."""
        self._report([*self._routes.reconcile({}), *self._routes.originate(())])

    def interface_usable(self, ifindex: int, families: Collection[str] = FAMILIES) -> None:
        """An interface may carry traffic again: paths over it count, and sessions are tried at once."""
        self._report(self._routes.link_changed(ifindex, True, families))
        over_it = [s for s in self.sessions.values() if ifindex in s.ifindexes and self._has_way(s)]
        self._send([commands.reconnect(s.neighbor) for s in over_it if not s.up and not s.held])
        self._apply(self._resolve())

    def path_to_be_lost(self, ifindex: int, families: Collection[str] = FAMILIES) -> None:
        """Puts no more traffic on an interface, until `path_loss` is told of it."""
        self._routes.lose(ifindex, families)

    def path_loss(self, ifindex: int, families: Collection[str] = FAMILIES) -> bool:
        """Moves traffic off an interface; whether there was any. To be followed by `end_sessions`."""
        groups = self._routes.fib.groups
        self._report(self._routes.link_changed(ifindex, False, families))
        return self._routes.fib.groups != groups

    def check_routes(self) -> None:
        """Puts right what the kernel has lost unheard of: the way of a link that went and came back."""
        self._report(self._routes.check())

    def end_sessions(
        self,
        ifindex: int,
        reason: str,
        now_ns: int,
        subcode: int = commands.OTHER_CONFIGURATION_CHANGE,
    ) -> None:
        """Does without a way that was lost: ends sessions that have no other, which BGP would do late."""
        changed: set[str] = set()
        teardowns: list[str] = []
        for session in self.sessions.values():
            if ifindex not in session.ifindexes or self._has_way(session):
                continue
            if session.up:
                teardowns.append(commands.teardown(session.neighbor, subcode))
            if session.up or self._restarts.waits_for(session.neighbor):
                changed |= self._end(session, reason, now_ns)
        # Those that live are to hear of it before the speaker attends to those that are gone.
        self._apply(changed | self._resolve(), teardowns)
        self.check_routes()  # deleting what is not there any more is refused to nobody

    def wanted(self, first: int, end: int) -> dict[str, NextHops]:
        """Where traffic should go, by prefix that is not originated here: of the prefixes in the RIB those
        with these numbers, and with number 0 all that are routed inside the AS."""
        inside = () if first else self._interior
        known = dict.fromkeys((*inside, *self.rib.prefixes(first, end)))
        return self._wanted([prefix for prefix in known if prefix not in self.originated])

    def next_hops(self, prefix: str) -> NextHops:
        """Where the prefix's traffic should go: by the interior route, else by the best paths."""
        if prefix in self._interior:
            return self._interior[prefix].next_hops
        return self._next_hops(self.rib.best(prefix))

    def prefix_over(self, ifindexes: Set[int]) -> str | None:
        """A prefix that BGP brought and whose traffic goes over one of these interfaces; None without one."""
        looked_at: set[int] = set()  # prefixes with the same paths have the same object
        for prefix in self.rib.prefixes():
            best = self.rib.best(prefix)
            if id(best) in looked_at or prefix in self._interior or prefix in self.originated:
                continue
            looked_at.add(id(best))
            if any(hop.ifindex in ifindexes for hop in self.next_hops(prefix)):
                return prefix
        return None

    def unheard(self, neighbor: str, peer: "Router") -> list[str]:
        """The prefixes that the router at the other end of a session is to announce and that are not here."""
        local = self._peers[neighbor].local_address
        return [
            prefix
            for attributes, prefixes in peer.announcements(local)
            for prefix in self.rib.lacking(neighbor, attributes, prefixes)
        ]

    def announcements(self, neighbor: str) -> Iterator[tuple[PathAttributes, Sequence[str]]]:
        """What a neighbor is to know now: attributes, and the prefixes that have them."""
        return self._export.announcements(self.rib, neighbor)

    def _apply(self, changed: Set[str], then: Iterable[str] = (), *, told_all: bool = False) -> bool:
        """Has kernel and neighbors follow, then the speaker do more; whether nexthop groups changed."""
        groups = self._routes.fib.groups
        ordered = sorted(changed)
        if told_all:
            self.drop_stale_routes()
        else:
            self._install(ordered)
        self._send([*self._export.update(self.rib, ordered), *then])
        return self._routes.fib.groups != groups

    def _install(self, changed: Collection[str]) -> None:
        if wanted := self._wanted(changed):
            self._report(self._routes.update(wanted))

    def _wanted(self, prefixes: Collection[str]) -> dict[str, NextHops]:
        """What is originated here is reached here: a neighbor's path to it must not take its traffic away."""
        wanted: dict[str, NextHops] = {}
        for best, group in self.rib.by_best(prefixes):
            wanted |= dict.fromkeys(group, self._next_hops(best))
        for prefix in self._interior.keys() & wanted.keys():
            wanted[prefix] = self._interior[prefix].next_hops
        for prefix in self.originated & wanted.keys():
            wanted[prefix] = NO_NEXT_HOPS
        return wanted

    def _next_hops(self, best: Iterable[Path]) -> NextHops:
        return NO_NEXT_HOPS.union(*map(self._resolution.next_hops, best))

    def _resolve(self) -> set[str]:
        """The prefixes whose best paths changed with what can be resolved."""
        return self.rib.decide_again() if self._resolution.refresh() else set()

    def _has_way(self, session: Session) -> bool:
        usable = self._routes.fib.is_usable
        return any(usable(NextHop(session.neighbor, ifindex)) for ifindex in session.ifindexes)

    def _heard(self, session: Session, event: Event, now_ns: int) -> set[str]:
        """Takes in what a neighbor did; the prefixes whose best paths changed."""
        is_news = session.up or self._restarts.waits_for(session.neighbor)
        if (is_news or not isinstance(event, SessionDown)) and self._restarts.keeps(event, now_ns):
            self.rib.keep(session.neighbor)
            changed: set[str] = set()
        else:
            changed = self.rib.receive(event)
        match event:
            case SessionUp(neighbor, t_ns):
                self._session_changed(neighbor, True, "", t_ns or now_ns)
            case SessionDown(neighbor, reason, t_ns):
                self._session_changed(neighbor, False, readable(reason), t_ns or now_ns)
            case Announce(neighbor) if neighbor in self.rib.above_limit:
                changed |= self._limit(session, now_ns)
        return changed

    def _end(self, session: Session, reason: str, now_ns: int) -> set[str]:
        self._restarts.forget(session.neighbor)
        changed = self.rib.receive(SessionDown(session.neighbor, reason))
        self._session_changed(session.neighbor, False, reason, now_ns)
        return changed

    def _limit(self, session: Session, now_ns: int) -> set[str]:
        """Acts on a session that has brought more prefixes than agreed; the prefixes that this changes."""
        limit = self._peers[session.neighbor].settings.maximum_prefixes
        assert limit is not None
        text = f"it announced more than the {limit.count} prefixes agreed"
        if limit.action is LimitAction.SHUTDOWN:
            session.held, session.warning = True, f"{text}: it is down until it is reset"
            self._send([commands.teardown(session.neighbor, commands.MAXIMUM_PREFIXES_REACHED)])
            self._on_warning(session)
            return self._end(session, text, now_ns)
        if not session.warning:
            session.warning = text
            self._on_warning(session)
        return set()

    def _take_in_what_has_room(self) -> Iterator[str]:
        """Commands that ask for what was left out of sessions that have withdrawn other prefixes since."""
        for neighbor, left_out in self.rib.left_out.items():
            if room := min(self.rib.room(neighbor), len(left_out)):
                yield from commands.tell_again(neighbor, list(islice(left_out, room)))

    def _keep_down(self, event: Event) -> None:
        """Once the speaker has ended a session that is held, it is to know nothing of it."""
        match event:
            case SessionUp(neighbor):
                self._send([commands.teardown(neighbor, commands.MAXIMUM_PREFIXES_REACHED)])
            case SessionDown(neighbor):
                self._export.hold(neighbor)
                self._configure_speaker()

    def _configure_speaker(self) -> None:
        self._configure(self.config.without(self.held))

    def _report(self, refused: Sequence[Refused]) -> None:
        if refused:
            self._on_refused(refused)

    def _session_changed(self, neighbor: str, up: bool, reason: str, now_ns: int) -> None:
        session = self.sessions[neighbor]
        if session.up == up:
            if not session.since_ns:  # it ended, or failed, before this router was there to see it
                session.since_ns, session.reason = now_ns, reason
            return  # a failed attempt, or the end of a session that was ended here
        session.up, session.since_ns, session.reason = up, now_ns, reason
        if up:
            session.warning = ""
        self._on_change(SessionChange(session, up, reason))
