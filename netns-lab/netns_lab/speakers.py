"""Each router's parts put together from the plan: ExaBGP child, RIB, kernel routes and event log."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from control.bgp.configuration import NeighborConfig, SpeakerConfig
from control.bgp.model import AddressFamily, Event
from control.bgp.speaker import Speaker
from control.router import Router, Session, SessionChange
from control.routes.kernel import NetlinkKernel
from control.routes.model import Refused
from control.routes.table import RouteTable
from dataplane.link_state import LinkMonitor
from netns_lab.directory import LabDirectory
from netns_lab.event_log import EventKind, EventLog
from netns_lab.plan import LabPlan, NodePlan
from netns_lab.processes import daemon_environment

_FAMILIES = {"ipv4": AddressFamily.IPV4_UNICAST, "ipv6": AddressFamily.IPV6_UNICAST}


@dataclass(frozen=True, slots=True)
class InstalledRoute:
    """A route in the kernel: the id of its nexthop group, and (gateway, interface) of each member."""

    prefix: str
    nhid: int
    next_hops: tuple[tuple[str, str], ...]


class LabRouter:
    """One router: what the controller starts, asks and stops. `monitor` watches the router's interfaces."""

    def __init__(
        self, plan: LabPlan, node: NodePlan, directory: LabDirectory, log: EventLog, now_ns: Callable[[], int]
    ) -> None:
        self.node = node
        self._log = log
        self._now_ns = now_ns
        self.monitor = LinkMonitor(node.namespace)
        self.ifindexes: Mapping[str, int] = {link.name: link.ifindex for link in self.monitor.links.values()}
        self._interfaces = {ifindex: name for name, ifindex in self.ifindexes.items()}
        self._kernel = NetlinkKernel(node.namespace)
        routes = RouteTable(self._kernel, down=self.ifindexes.values())
        config = speaker_config(plan, node)
        self.speaker = Speaker(
            config,
            namespace=node.namespace,
            directory=directory.path,
            environment=daemon_environment(directory.mark),
            on_events=self._events,
            on_exit=self._exited,
        )
        self.router = Router(
            config,
            sessions_of(plan, node, self.ifindexes),
            node.originate,
            routes,
            self.speaker.send,
            self._session_changed,
            self._refused,
        )

    def start(self) -> None:
        """Starts the ExaBGP child."""
        self.speaker.start()
        self._log.add(EventKind.SPEAKER_STARTED, self.node.name, f"ExaBGP of {self.node.name} started")

    async def stop(self) -> None:
        """Ends the ExaBGP child; the kernel keeps its routes."""
        await self.speaker.stop()
        self.monitor.close()
        self._kernel.close()

    def interface_changed(self, interface: str, usable: bool, reason: str, t_ns: int) -> None:
        """Moves traffic when an interface was lost, lets it return when it is back."""
        ifindex = self.ifindexes[interface]
        subject = f"{self.node.name}:{interface}"
        if usable:
            self._log.add(EventKind.INTERFACE_UP, subject, f"{subject} is up", t_ns)
            self.router.interface_usable(ifindex)
            return
        self._log.add(EventKind.INTERFACE_DOWN, subject, f"{subject} is down ({reason})", t_ns)
        if self.router.interface_lost(ifindex):
            name = self.node.name
            self._log.add(EventKind.ROUTES_MOVED, name, f"{name} took {interface} out of its nexthop groups")
        self.router.end_sessions(ifindex, f"{interface}: {reason}", self._now_ns())

    def _events(self, events: Sequence[Event]) -> None:
        if self.router.receive(events, self._now_ns()):
            self._log.add(
                EventKind.ROUTES_MOVED, self.node.name, f"{self.node.name} rewrote its nexthop groups"
            )

    def _exited(self, status: int | None) -> None:
        how = "was killed" if status is not None and status < 0 else "ended"
        self._log.add(
            EventKind.SPEAKER_DIED,
            self.node.name,
            f"ExaBGP of {self.node.name} {how} (status {status}); it is restarted",
        )

    def _session_changed(self, change: SessionChange) -> None:
        session = change.session
        kind = EventKind.SESSION_UP if change.up else EventKind.SESSION_DOWN
        reason = f": {change.reason}" if change.reason else ""
        state = "established" if change.up else "down"
        self._log.add(
            kind,
            self.node.name,
            f"{self.node.name}'s session with {session.peer_node} over {session.link} "
            f"({session.neighbor}) is {state}{reason}",
            link=session.link,
        )

    def _refused(self, refused: Refused) -> None:
        name = self.node.name
        self._log.add(EventKind.ROUTES_REFUSED, name, f"{name}'s kernel refused {refused}")

    def not_installed(self) -> list[str]:
        """The prefixes whose route in the kernel is not what BGP chose."""
        installed = {route.prefix: frozenset(route.next_hops) for route in self.installed()}
        wanted = {
            prefix: frozenset(
                (hop.gateway, self._interfaces[hop.ifindex])
                for hop in self.router.next_hops(prefix)
                if self.monitor.links[hop.ifindex].usable
            )
            for prefix in self.router.rib.prefixes()
            if prefix not in self.node.originate
        }
        return [
            prefix for prefix, next_hops in wanted.items() if installed.get(prefix, frozenset()) != next_hops
        ]

    def installed(self) -> list[InstalledRoute]:
        """Every route that BGP brought, by the kernel's own word, in order of prefix."""
        tables = self._kernel.dump()
        by_id = {nexthop.id: nexthop for nexthop in tables.nexthops}
        routes = []
        for route in sorted(tables.routes, key=lambda route: route.prefix):
            if route.nexthop is None:
                continue
            group = by_id.get(route.nexthop)
            members = [by_id[id].next_hop for id in group.members if id in by_id] if group else []
            hops = [
                (hop.gateway, self._interfaces.get(hop.ifindex, "?")) for hop in members if hop is not None
            ]
            hops.sort(key=lambda hop: hop[1])
            routes.append(InstalledRoute(route.prefix, route.nexthop, tuple(hops)))
        return routes


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
            )
        )
    return SpeakerConfig(node.name, node.asn, node.router_id, tuple(neighbors))


def sessions_of(plan: LabPlan, node: NodePlan, ifindexes: Mapping[str, int]) -> list[Session]:
    """The sessions of a router, all down."""
    links = {interface.name: interface.link for interface in node.interfaces}
    ends = (session.seen_from(node.name) for session in plan.sessions_of(node.name))
    return [
        Session(peer.address, peer.node, links[local.interface], local.interface, ifindexes[local.interface])
        for local, peer in ends
    ]
