"""Each router's parts put together from the plan: ExaBGP child, RIB, kernel routes and event log."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from control.bgp import commands
from control.bgp.configuration import NeighborConfig, SpeakerConfig
from control.bgp.model import AddressFamily, Event, SnapshotEnd
from control.bgp.speaker import SPEAKER_ENDED, Speaker
from control.guard.channel import InterfaceChange, InterfaceState
from control.guard.guard import Witness
from control.resolution import Interior
from control.router import Router
from control.routes.kernel import NetlinkKernel
from control.routes.model import FAMILIES, NextHop, NextHops, Refused
from control.routes.table import RouteTable
from control.session import Session, SessionChange
from dataplane.lines import Document
from netns_lab.directory import LabDirectory
from netns_lab.event_log import EventKind, EventLog
from netns_lab.held_sessions import recall, remember
from netns_lab.plan import LabPlan, NodePlan
from netns_lab.processes import daemon_environment

STALE_ROUTES_LIMIT_S = 30.0
"""How long a router's routes may wait for an adopted speaker to tell what it knows of them."""
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
_FAMILIES = {"ipv4": AddressFamily.IPV4_UNICAST, "ipv6": AddressFamily.IPV6_UNICAST}


class LabRouter:
    """One router: what the controller starts, asks and stops.

    `interfaces` are the router's, by name, as the guard told of them last; `originate` is what it announces.
    `hear` has what the guard has told and nobody has read yet come to `interface_to_be_lost` first. `turns`:
    how many routers may be starting their speaker at once.
    """

    def __init__(
        self,
        plan: LabPlan,
        node: NodePlan,
        directory: LabDirectory,
        log: EventLog,
        now_ns: Callable[[], int],
        interfaces: Mapping[str, InterfaceState],
        originate: Iterable[str],
        hear: Callable[[], None],
        turns: asyncio.Semaphore,
    ) -> None:
        self.node = node
        self._hear = hear
        self._log = log
        self._now_ns = now_ns
        self.interfaces = dict(interfaces)
        self._kernel = NetlinkKernel(node.namespace)
        self._interior = interior_of(node, interfaces)
        down = [
            (state.ifindex, family)
            for state in interfaces.values()
            for family, usable in state.families.items()
            if not usable
        ]
        config, sessions = speaker_config(plan, node), sessions_of(plan, node, self.interfaces)
        self._held_file = directory.held_sessions(node.name)
        recall(self._held_file, sessions, config)
        self.speaker = Speaker(
            config.without({session.neighbor for session in sessions if session.held}),
            namespace=node.namespace,
            directory=directory.path,
            environment=daemon_environment(directory.mark),
            on_events=self._events,
            on_exit=self._exited,
            turns=turns,
        )
        self.router = Router(
            config,
            sessions,
            originate,
            RouteTable(self._kernel, down, hear),
            self.speaker.send,
            self._session_changed,
            self._refused,
            interior=self._interior,
            configure=self._configure,
            on_warning=self._warned,
        )
        self.replayed = False
        """Whether the speaker has told all it knows."""
        self._stale_routes: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._died_ns = 0
        self._lost_with_speaker: set[str] = set()

    def start(self, running: int | None) -> None:
        """Takes over the ExaBGP child of that pid, or starts one."""
        name = self.node.name
        if running is not None:
            with contextlib.suppress(ProcessLookupError):
                self.speaker.adopt(running)
                self._await_replay()
                return
        self.speaker.start()
        self._log.add(EventKind.SPEAKER_STARTED, name, f"ExaBGP of {name} started")

    def hold(self) -> None:
        """Kills the ExaBGP child and keeps it from being restarted until `release`."""
        self.speaker.hold()

    def release(self) -> None:
        """Has the ExaBGP child started again; one that runs goes on."""
        self.speaker.release()

    def succeed(self, other: "LabRouter") -> None:
        """Takes over from a detached one of the same node: its ExaBGP child, which goes by the new plan."""
        self.speaker.succeed(other.speaker)
        self._await_replay()

    def _await_replay(self) -> None:
        loop = asyncio.get_running_loop()
        self._stale_routes = loop.call_later(STALE_ROUTES_LIMIT_S, self._drop_stale_routes)

    async def detach(self) -> None:
        """Lets go of the ExaBGP child and of the kernel's routes; both stay."""
        for timer in (self._stale_routes, self._deadline):
            if timer is not None:
                timer.cancel()
        await self.speaker.detach()
        self._kernel.close()

    async def stop(self) -> None:
        """Ends the ExaBGP child and removes the routes that BGP brought."""
        await self.speaker.stop()
        self._held_file.unlink(missing_ok=True)
        self.router.remove_routes()
        await self.detach()

    def differs(self, plan: LabPlan, node: NodePlan, interfaces: Mapping[str, InterfaceState]) -> bool:
        """Whether this is not the router that it would be by another plan."""
        sessions = {session.neighbor: session for session in sessions_of(plan, node, interfaces)}
        return (
            speaker_config(plan, node) != self.router.config
            or node.originate != self.node.originate
            or sessions.keys() != self.router.sessions.keys()
            or any(not session.is_of(self.router.sessions[name]) for name, session in sessions.items())
            or interior_of(node, interfaces) != self._interior
        )

    def follow(self, node: NodePlan, interfaces: Mapping[str, InterfaceState]) -> None:
        """Takes in a plan that is the same to BGP."""
        self.node = node
        self.interfaces = dict(interfaces)

    def interface_to_be_lost(self, change: InterfaceChange) -> None:
        """Puts nothing back on an interface whose loss is about to come to `interface_changed`."""
        self.router.path_to_be_lost(change.ifindex, change.families)

    def check_routes(self) -> None:
        """Puts right what the kernel has lost without a change of an interface that was told."""
        self.router.check_routes()

    def interface_changed(self, change: InterfaceChange) -> None:
        """Follows the guard: traffic has left a lost interface already and may return to one that is back."""
        name, interface = self.node.name, change.interface
        self.interfaces[interface] = changed(self.interfaces[interface], change)
        families = change.families
        subject = f"{name}:{interface}"
        what = subject if len(families) == len(FAMILIES) else f"{subject} ({', '.join(families)})"
        detail = {"witness": change.witness, "families": list(families)}
        if change.usable:
            self._log.add(EventKind.INTERFACE_UP, subject, f"{what} is up", change.t_ns, **detail)
            self.router.interface_usable(change.ifindex, families)
            return
        reason = change.witness
        text = f"{what} is down ({reason})"
        self._log.add(EventKind.INTERFACE_DOWN, subject, text, change.t_ns, **detail)
        if self.router.path_loss(change.ifindex, families) or change.moved_ns is not None:
            text = f"{name} took {interface} out of its nexthop groups"
            self._log.add(EventKind.ROUTES_MOVED, name, text, change.moved_ns, interface=interface)
        subcode = commands.BFD_DOWN if reason == Witness.BFD else commands.OTHER_CONFIGURATION_CHANGE
        self.router.end_sessions(change.ifindex, f"{interface}: {reason}", self._now_ns(), subcode)

    def _configure(self, config: SpeakerConfig) -> None:
        """Has the speaker go by it; the next controller is to keep down whom it leaves out."""
        remember(self._held_file, self.router.sessions.values(), self.router.config)
        self.speaker.configure(config)

    def _events(self, events: Sequence[Event]) -> None:
        self._hear()
        if self.router.receive(events, self._now_ns()):
            self._log.add(
                EventKind.ROUTES_MOVED, self.node.name, f"{self.node.name} rewrote its nexthop groups"
            )
        if any(isinstance(event, SnapshotEnd) for event in events):
            self.replayed = True
            for state in self.interfaces.values():
                if not all(
                    state.families.values()
                ):  # it was lost while no controller was there to end its sessions
                    self.router.end_sessions(state.ifindex, f"{state.interface} is down", self._now_ns())
        self._report_recovery()
        self._await_deadline()

    def _await_deadline(self) -> None:
        """Has the router act when the next neighbor has been waited for long enough."""
        if self._deadline is not None:
            self._deadline.cancel()
        deadline_ns, self._deadline = self.router.next_deadline_ns(), None
        if deadline_ns is not None:
            wait_s = max(0, deadline_ns - self._now_ns()) / NS_PER_S
            self._deadline = asyncio.get_running_loop().call_later(wait_s, self._advance)

    def _advance(self) -> None:
        self._hear()
        self.router.advance(self._now_ns())
        self._await_deadline()

    def _drop_stale_routes(self) -> None:
        if not self.replayed:
            self.router.drop_stale_routes()

    def _exited(self, status: int | None) -> None:
        how = "was killed" if status is not None and status < 0 else "ended"
        self._died_ns = self._now_ns()
        sessions = self.router.sessions
        self._lost_with_speaker = {name for name in sessions if sessions[name].reason == SPEAKER_ENDED}
        self._log.add(
            EventKind.SPEAKER_DIED,
            self.node.name,
            f"ExaBGP of {self.node.name} {how} (status {status}), and {len(self._lost_with_speaker)} "
            f"sessions with it; it is {'kept from restarting' if self.speaker.held else 'restarted'}",
            self._died_ns,
        )

    def _report_recovery(self) -> None:
        """Tells how long the sessions were away that ended with their speaker, once the last is back."""
        if not self._lost_with_speaker:
            return
        sessions = self.router.sessions
        if all(sessions[name].up for name in self._lost_with_speaker):
            back_ns = max(sessions[name].since_ns for name in self._lost_with_speaker)
            outage_ms = round((back_ns - self._died_ns) / NS_PER_MS, 1)
            self._lost_with_speaker = set()
            name = self.node.name
            text = f"all sessions of {name} that ended with its ExaBGP are back after {outage_ms} ms"
            self._log.add(EventKind.SPEAKER_RECOVERED, name, text, back_ns, outage_ms=outage_ms)

    def _session_changed(self, change: SessionChange) -> None:
        session = change.session
        kind = EventKind.SESSION_UP if change.up else EventKind.SESSION_DOWN
        reason = f": {change.reason}" if change.reason else ""
        state = "established" if change.up else "down"
        text = (
            f"{self.node.name}'s session with {session.peer_node} over {session.link} "
            f"({session.neighbor}) is {state}{reason}"
        )
        # What is replayed to this controller an earlier one may have told.
        if not self._log.knows(kind, session.since_ns, text):
            self._log.add(kind, self.node.name, text, session.since_ns, link=session.link)

    def _warned(self, session: Session) -> None:
        name = self.node.name
        text = f"{name}'s session with {session.peer_node} over {session.link}: {session.warning}"
        self._log.add(EventKind.SESSION_WARNING, name, text, link=session.link)

    def _refused(self, refused: Sequence[Refused]) -> None:
        """One event for all: with a group that cannot be, each of its 100,000 routes is refused."""
        name, more = self.node.name, f", and {len(refused) - 1} changes more" if len(refused) > 1 else ""
        self._log.add(EventKind.ROUTES_REFUSED, name, f"{name}'s kernel refused {refused[0]}{more}")

    def expected_routes(self, first: int, count: int) -> Document:
        """What the kernel should have of so many prefixes of the RIB, from number `first` on: those that have
        the same next hops together, and whether there are more prefixes."""
        states = {state.ifindex: state for state in self.interfaces.values()}
        groups: dict[NextHops, list[str]] = {}
        for prefix, hops in self.router.wanted(first, first + count).items():
            groups.setdefault(hops, []).append(prefix)
        return {
            "groups": [
                {
                    "next_hops": [
                        (hop.gateway, state.interface)
                        for hop in hops
                        if (state := states.get(hop.ifindex)) and state.families[hop.family_name]
                    ],
                    "prefixes": prefixes,
                }
                for hops, prefixes in groups.items()
            ],
            "more": first + count < len(self.router.rib),
        }


def changed(state: InterfaceState, change: InterfaceChange) -> InterfaceState:
    """An interface after a change of it."""
    families = state.families | dict.fromkeys(change.families, change.usable)
    return InterfaceState(state.node, state.interface, change.ifindex, families)


def speaker_config(plan: LabPlan, node: NodePlan) -> SpeakerConfig:
    """What ExaBGP of a router is told about itself and its neighbors."""
    assert node.asn is not None
    neighbors = []
    for session in plan.sessions_of(node.name):
        local, peer = session.seen_from(node.name)
        neighbors.append(
            NeighborConfig(
                local.address,
                peer.address,
                peer.asn,
                _FAMILIES[session.family],
                session.password.reveal(),
                local.hold_time_s,
                local.settings,
                plan.node(peer.node).router_id,
                plan.node(peer.node).runs_exabgp,
            )
        )
    return SpeakerConfig(node.name, node.asn, node.router_id, tuple(neighbors))


def sessions_of(plan: LabPlan, node: NodePlan, interfaces: Mapping[str, InterfaceState]) -> list[Session]:
    """The sessions of a router, all down; one inside the AS goes over what leads to the peer's loopback."""
    ways = {
        route.prefix.partition("/")[0]: {hop.interface for hop in route.next_hops} for route in node.interior
    }
    sessions = []
    for session in plan.sessions_of(node.name):
        local, peer = session.seen_from(node.name)
        over = ways.get(peer.address, set()) if session.internal else {local.interface}
        ifindexes = frozenset(_ifindex(interfaces, name) for name in over)
        sessions.append(Session(peer.address, peer.node, " ".join(session.links), local.interface, ifindexes))
    return sessions


def interior_of(node: NodePlan, interfaces: Mapping[str, InterfaceState]) -> dict[str, Interior]:
    """The routes of a router inside its AS, by prefix."""
    return {
        route.prefix: Interior(
            frozenset(NextHop(hop.address, _ifindex(interfaces, hop.interface)) for hop in route.next_hops),
            route.cost,
        )
        for route in node.interior
    }


def _ifindex(interfaces: Mapping[str, InterfaceState], name: str) -> int:
    """An interface that went with its engine has no number; none is 0."""
    return interfaces[name].ifindex if name in interfaces else 0
