"""The lab as it will be built: every name, address, route and BGP session of a topology, as plain data.

Pure: a topology and a source of random octets in, a `LabPlan` out. The same topology gives the same plan in
every run, passwords aside: a secret must not be a function of the file. Importing this module costs neither
pydantic nor a YAML reader. Addresses are text, with a prefix length (`10.1.0.1/24`) where an interface
carries them and without one where they name a next hop or a peer.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from dataplane.links.specification import Impairment, MacsecSpecification
from netns_lab.addressing import Reach, common_subnet, plan_addresses
from netns_lab.keys import fingerprint
from netns_lab.names import directions

if TYPE_CHECKING:
    from netns_lab.addressing import AddressPlan
    from netns_lab.models import Bgp, Link, Macsec, Topology

Family = Literal["ipv4", "ipv6"]
ETHERNET = "ethernet"
"""In the place of a node: that end of a link is a device of the machine itself."""
FAMILIES: dict[Family, int] = {"ipv4": 4, "ipv6": 6}


class Secret:
    """A password or a file's content: prints as `(secret)`, `reveal()` is the one way to its value."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "(secret)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True, slots=True)
class InterfacePlan:
    """One end of a link: the interface `name` in the namespace of `node`, or, for ETHERNET, a device
    of the machine."""

    node: str
    name: str
    link: str
    mac: str
    mtu: int
    addresses: tuple[str, ...]
    port: Literal["tap", "xdp", "packet"] = "tap"


E = TypeVar("E", InterfacePlan, "SessionEnd")
# The position of a link, our end of it, the other end.
Ends = tuple[int, InterfacePlan, InterfacePlan]


@dataclass(frozen=True, slots=True)
class NextHop:
    """A gateway and the interface that reaches it."""

    address: str
    interface: str


@dataclass(frozen=True, slots=True)
class DefaultRoute:
    """A host's way out of its link in one family; several next hops are one ECMP route."""

    family: Family
    next_hops: tuple[NextHop, ...]


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """A program that is kept running in a node; `command` is for sh."""

    name: str
    command: str


@dataclass(frozen=True, slots=True)
class FilePlan:
    """A file that only its node sees."""

    path: str
    content: Secret


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One namespace. `sysctls` is the whole set, to be written before the first interface appears."""

    name: str
    namespace: str
    kind: Literal["router", "host"]
    mtu: int
    forwarding: bool
    loopback: tuple[str, ...]
    interfaces: tuple[InterfacePlan, ...]
    sysctls: Mapping[str, str]
    env: Mapping[str, str]
    default_routes: tuple[DefaultRoute, ...]
    asn: int | None
    router_id: str
    originate: tuple[str, ...]
    exec: tuple[str, ...] = ()
    services: tuple[ServicePlan, ...] = ()
    files: tuple[FilePlan, ...] = ()
    daemon: Literal["exabgp", "external"] = "exabgp"

    @property
    def runs_exabgp(self) -> bool:
        """Whether quadlink itself decides on its routes."""
        return self.asn is not None and self.daemon == "exabgp"


@dataclass(frozen=True, slots=True)
class MacsecPlan:
    """The SecYs of one link. `given_key` tells a given SAK from others, None: the engine draws one."""

    settings: MacsecSpecification
    given_key: str | None


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """What one speaker of a session calls local and the other calls peer."""

    node: str
    interface: str
    address: str
    asn: int
    hold_time_s: int


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """One eBGP session (RFC 4271) of one family over one link, with its TCP MD5 key (RFC 2385)."""

    family: Family
    ends: tuple[SessionEnd, SessionEnd]
    password: Secret

    def seen_from(self, node: str) -> tuple[SessionEnd, SessionEnd]:
        """(local, peer) for one of the two nodes."""
        return _seen_from(node, self.ends)


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """One wire; `macsec` is None on a plain link, `sessions` are at most one per family, `impairments` are by
    sending end."""

    name: str
    type: Literal["macsec", "plain"]
    mtu: int
    ends: tuple[InterfacePlan, InterfacePlan]
    macsec: MacsecPlan | None
    sessions: tuple[SessionPlan, ...]
    impairments: tuple[Impairment, Impairment]

    @property
    def wire(self) -> tuple[object, ...]:
        """What cannot change while the link is up: where this differs it is another one of the same name."""
        return self.type, self.mtu, self.macsec, self.ends


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """The engine's threads, None: one for each CPU, and whether they never sleep."""

    workers: int | None = None
    busy_poll: bool = False


@dataclass(frozen=True, slots=True)
class LabPlan:
    """A lab, in file order; `hosts` maps a node to its best address per family, IPv4 first."""

    name: str
    nodes: tuple[NodePlan, ...]
    links: tuple[LinkPlan, ...]
    hosts: Mapping[str, tuple[str, ...]]
    engine: EnginePlan = EnginePlan()

    def node(self, name: str) -> NodePlan:
        return next(node for node in self.nodes if node.name == name)

    def link(self, name: str) -> LinkPlan:
        return next(link for link in self.links if link.name == name)

    def sessions_of(self, node: str) -> tuple[SessionPlan, ...]:
        """Every BGP session that `node` speaks, in link order."""
        return tuple(
            session
            for link in self.links
            for session in link.sessions
            if any(end.node == node for end in session.ends)
        )

    def as_json(self) -> dict[str, object]:
        """The plan as JSON types; a secret reads `(secret)`."""
        return asdict(self, dict_factory=_without_secrets)


def plan_lab(
    topology: Topology, random_bytes: Callable[[int], bytes], running: LabPlan | None = None
) -> LabPlan:
    """Plan a checked topology; `random_bytes(n)` supplies the session passwords it leaves open.

    `running` is the plan of the lab that the topology is to change: what the topology leaves open stays as it
    is there, as far as it can.

    Raises `AddressError` where addresses run out, which loading a file has already ruled out.
    """
    addresses = plan_addresses(topology, running)
    known = {link.name: link for link in running.links} if running else {}
    links = tuple(
        _plan_link(topology, index, addresses, random_bytes, known.get(link.name))
        for index, link in enumerate(topology.links)
    )
    positions: dict[str, list[int]] = {name: [] for name in topology.nodes}
    for index, link in enumerate(topology.links):
        for name in link.nodes:
            positions[name].append(index)
    announced = Reach(prefix for node in topology.nodes.values() if node.bgp for prefix in node.bgp.announce)
    nodes, hosts = [], {}
    for name in topology.nodes:
        ends = [(index, *_seen_from(name, links[index].ends)) for index in positions[name]]
        nodes.append(_plan_node(topology, name, addresses, ends))
        on_links = [address for index in positions[name] for address in addresses.links[index, name]]
        hosts[name] = announced.best([*on_links, *addresses.loopbacks[name]])
    engine = EnginePlan(topology.engine.workers, topology.engine.busy_poll)
    return LabPlan(topology.name, tuple(nodes), links, hosts, engine)


def _plan_link(
    topology: Topology,
    index: int,
    addresses: AddressPlan,
    random_bytes: Callable[[int], bytes],
    known: LinkPlan | None,
) -> LinkPlan:
    link = topology.links[index]
    mtu = link.mtu or min(topology.nodes[name].mtu for name in link.nodes)
    macsec = MacsecPlan(_settings(link.macsec), fingerprint(link)) if link.type == "macsec" else None
    one, other = (
        InterfacePlan(
            node=end.node,
            name=end.interface,
            link=link.name,
            mac=_mac(topology.name, link.name, which) if not end.raw else "",
            mtu=mtu,
            addresses=tuple(map(str, addresses.links[index, end.node])),
            port=link.port,
        )
        for which, end in enumerate(link.endpoints)
    )
    sessions = _plan_sessions(topology, index, (one, other), addresses, random_bytes, known)
    there, back = (_impairment(link, direction) for direction in directions(link.ends))
    return LinkPlan(link.name, link.type, mtu, (one, other), macsec, sessions, (there, back))


def _settings(macsec: Macsec) -> MacsecSpecification:
    return MacsecSpecification(
        cipher=macsec.cipher,
        encrypt=macsec.encrypt,
        confidentiality_offset=macsec.confidentiality_offset,
        send_sci=macsec.send_sci,
        end_station=macsec.end_station,
        validate=macsec.validate_frames,
        protect=macsec.protect,
        replay_protect=macsec.replay_protect,
        replay_window=macsec.replay_window,
        detect_duplicates=macsec.detect_duplicates,
        clear_tags=macsec.clear_tags,
        bypass=tuple(macsec.bypass),
        cipher_library=macsec.cipher_library,
        next_pn=macsec.next_pn,
        peer_sci=macsec.peer_sci,
    )


def _impairment(link: Link, direction: str) -> Impairment:
    """Of one direction: what is said of it alone, over what is said of both."""
    alone = link.impair.directions.get(direction)
    return Impairment(**{**link.impair.changes(), **(alone.changes() if alone else {})})


def _mac(lab: str, link: str, which: int) -> str:
    """Locally administered and unicast (first octet 02), then 39 bits of lab and link, then the end."""
    *octets, last = hashlib.sha256(f"{lab} {link}".encode()).digest()[:5]
    return bytes((2, *octets, last & 0xFE | which)).hex(":")


def _plan_sessions(
    topology: Topology,
    index: int,
    ends: tuple[InterfacePlan, InterfacePlan],
    addresses: AddressPlan,
    random_bytes: Callable[[int], bytes],
    known: LinkPlan | None,
) -> tuple[SessionPlan, ...]:
    link = topology.links[index]
    one, other = (topology.nodes[name].bgp if name != ETHERNET else None for name in link.ends)
    if not (one and other and link.peer):
        return ()
    if given := one.password or other.password:
        password = Secret(given.get_secret_value())
    elif known and known.sessions and {end.node for end in known.ends} == set(link.nodes):
        password = known.sessions[0].password
    else:
        password = Secret(base64.b32encode(random_bytes(20)).decode())
    sessions = []
    ours, theirs = (addresses.links[index, end.node] for end in ends)
    for family, version in FAMILIES.items():
        if pair := common_subnet(ours, theirs, version):
            speakers = (_speaker(ends[0], pair[0], one), _speaker(ends[1], pair[1], other))
            sessions.append(SessionPlan(family, speakers, password))
    return tuple(sessions)


def _speaker(end: InterfacePlan, address: str, bgp: Bgp) -> SessionEnd:
    return SessionEnd(end.node, end.name, address, bgp.asn, bgp.hold_time_s)


def _plan_node(topology: Topology, name: str, addresses: AddressPlan, ends: list[Ends]) -> NodePlan:
    loopback = addresses.loopbacks[name]
    node = topology.nodes[name]
    return NodePlan(
        name=name,
        namespace=f"{topology.name}-{name}",
        kind="router" if node.is_router else "host",
        mtu=node.mtu,
        forwarding=node.is_router,
        loopback=tuple(map(str, loopback)),
        interfaces=tuple(local for _, local, _ in ends),
        sysctls=_sysctls(node.is_router) | node.sysctl,
        env=node.env,
        exec=tuple(node.exec),
        services=tuple(ServicePlan(service.name, service.cmd) for service in node.services),
        files=tuple(FilePlan(path, Secret(content)) for path, content in node.files.items()),
        default_routes=() if node.is_router else _default_routes(topology, addresses, ends),
        asn=node.bgp.asn if node.bgp else None,
        router_id=addresses.router_ids[name],
        originate=tuple(map(str, node.bgp.announce)) if node.bgp else (),
        daemon=node.bgp.daemon if node.bgp else "exabgp",
    )


def _sysctls(forwarding: bool) -> dict[str, str]:
    """`all` and `default` both: one holds for what exists, the other for interfaces that come."""
    sysctls = {
        "net.ipv4.ip_forward": str(int(forwarding)),
        "net.ipv4.fib_multipath_hash_policy": "1",
        "net.ipv6.fib_multipath_hash_policy": "1",
        "net.ipv4.nexthop_compat_mode": "0",
    }
    for which in ("all", "default"):
        sysctls[f"net.ipv6.conf.{which}.forwarding"] = str(int(forwarding))
        sysctls[f"net.ipv4.conf.{which}.rp_filter"] = "0"
        sysctls[f"net.ipv6.conf.{which}.accept_dad"] = "0"
        # An interface that a user takes down and up again must come back with its addresses.
        sysctls[f"net.ipv6.conf.{which}.keep_addr_on_down"] = "1"
    return sysctls


def _default_routes(topology: Topology, addresses: AddressPlan, ends: list[Ends]) -> tuple[DefaultRoute, ...]:
    """One ECMP route per family over every router on the host's links."""
    routes = []
    for family, version in FAMILIES.items():
        next_hops = []
        for index, local, peer in ends:
            ours, theirs = addresses.links[index, local.node], addresses.links[index, peer.node]
            router = peer.node != ETHERNET and topology.nodes[peer.node].is_router
            if router and (pair := common_subnet(ours, theirs, version)):
                next_hops.append(NextHop(pair[1], local.name))
        if next_hops:
            routes.append(DefaultRoute(family, tuple(next_hops)))
    return tuple(routes)


def _seen_from(node: str, ends: tuple[E, E]) -> tuple[E, E]:
    one, other = ends
    return (one, other) if one.node == node else (other, one)


def _without_secrets(items: list[tuple[str, object]]) -> dict[str, object]:
    return {key: repr(value) if isinstance(value, Secret) else value for key, value in items}
