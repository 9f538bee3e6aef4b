"""The lab as it will be built: every name, address, route and BGP session of a topology, as plain data.

Importing this module costs neither pydantic nor a YAML reader. Addresses are text, with a prefix length
(`10.1.0.1/24`) where an interface carries them and without one where they name a next hop or a peer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal, TypeVar

from control.bgp.policy import NeighborSettings
from dataplane.links.specification import Impairment, MacsecSpecification

Family = Literal["ipv4", "ipv6"]
IpVersion = Literal[4, 6]
ETHERNET = "ethernet"
"""In the place of a node: that end of a link is a device of the machine itself."""
LOOPBACK = "lo"
FAMILIES: dict[Family, IpVersion] = {"ipv4": 4, "ipv6": 6}


def family_of(text: str) -> Family:
    """The family of an address or a prefix."""
    return "ipv6" if ":" in text else "ipv4"


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


E = TypeVar("E", InterfacePlan, "SessionEnd", "BfdEnd")


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
class InteriorRoute:
    """A router's way to an address inside its AS, which an interior gateway protocol would find.

    `prefix` is one address: a loopback of another router, or the far end of a link by which another router
    leaves the AS. `next_hops` are all first hops of least cost, `cost` is the sum of the links'.
    """

    prefix: str
    next_hops: tuple[NextHop, ...]
    cost: int


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
    daemon: Literal["exabgp", "external", "bird", "frr"] = "exabgp"
    interior: tuple[InteriorRoute, ...] = ()

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
    """What one speaker of a session calls local and the other calls peer; `settings` are how it treats the
    other. Of an internal session `interface` is the loopback."""

    node: str
    interface: str
    address: str
    asn: int
    hold_time_s: int
    settings: NeighborSettings


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """One BGP session (RFC 4271) of one family, with its TCP MD5 key (RFC 2385).

    An external one is over one link, between its addresses; an internal one over loopbacks, between two nodes
    that all of `links` join.
    """

    family: Family
    links: tuple[str, ...]
    ends: tuple[SessionEnd, SessionEnd]
    password: Secret

    @property
    def internal(self) -> bool:
        """Whether both ends are in one AS (iBGP)."""
        return self.ends[0].asn == self.ends[1].asn

    def seen_from(self, node: str) -> tuple[SessionEnd, SessionEnd]:
        """(local, peer) for one of the two nodes."""
        return seen_from(node, self.ends)


@dataclass(frozen=True, slots=True)
class BfdEnd:
    """One end of a BFD session: its address, and the timers that it is configured with (RFC 5880, 6.8.1).

    `interval_us` is DesiredMinTxInterval and RequiredMinRxInterval at once.
    """

    node: str
    interface: str
    address: str
    interval_us: int
    multiplier: int


@dataclass(frozen=True, slots=True)
class BfdPlan:
    """A single-hop BFD session (RFC 5881) of one family over a link."""

    family: Family
    ends: tuple[BfdEnd, BfdEnd]

    def seen_from(self, node: str) -> tuple[BfdEnd, BfdEnd]:
        """(local, peer) for one of the two nodes."""
        return seen_from(node, self.ends)


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """One wire; `macsec` is None on a plain link, `impairments` are by sending end, `bfd` has at most one
    session a family, `cost` is what the link counts between routers of one AS."""

    name: str
    type: Literal["macsec", "plain"]
    mtu: int
    ends: tuple[InterfacePlan, InterfacePlan]
    macsec: MacsecPlan | None
    impairments: tuple[Impairment, Impairment]
    bfd: tuple[BfdPlan, ...] = ()
    cost: int = 10

    @property
    def wire(self) -> tuple[object, ...]:
        """What cannot change while the link is up: where this differs it is another one of the same name."""
        return self.type, self.mtu, self.macsec, self.ends


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """Nodes and links that share a risk: what fails together, by name."""

    nodes: tuple[str, ...]
    links: tuple[str, ...]


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
    sessions: tuple[SessionPlan, ...] = ()
    groups: Mapping[str, GroupPlan] = field(default_factory=dict)

    def node(self, name: str) -> NodePlan:
        return next(node for node in self.nodes if node.name == name)

    def host_address(self, node: str, version: IpVersion) -> str | None:
        """The best address of a node in one family; None where it has none."""
        return next((it for it in self.hosts[node] if (":" in it) == (version == 6)), None)

    def link(self, name: str) -> LinkPlan:
        return next(link for link in self.links if link.name == name)

    def sessions_of(self, node: str) -> tuple[SessionPlan, ...]:
        """Every BGP session that `node` speaks, in link order."""
        return tuple(session for session in self.sessions if any(end.node == node for end in session.ends))

    def session_with(self, node: str, neighbor: str) -> SessionPlan:
        """The BGP session of a node whose other end has that address."""
        return next(it for it in self.sessions_of(node) if it.seen_from(node)[1].address == neighbor)

    def sessions_by_link(self) -> dict[str, list[SessionPlan]]:
        """The sessions over each link that has any."""
        by_link: dict[str, list[SessionPlan]] = {}
        for session in self.sessions:
            for link in session.links:
                by_link.setdefault(link, []).append(session)
        return by_link

    def sessions_over(self, link: str) -> tuple[SessionPlan, ...]:
        """Every BGP session between the ends of a link that this link, alone or with others, joins."""
        return tuple(session for session in self.sessions if link in session.links)

    def as_json(self) -> dict[str, object]:
        """The plan as JSON types; a secret reads `(secret)`."""
        return asdict(self, dict_factory=_without_secrets)


def seen_from(node: str, ends: tuple[E, E]) -> tuple[E, E]:
    """(ours, the other) of two ends, for one of the two nodes."""
    one, other = ends
    return (one, other) if one.node == node else (other, one)


def _without_secrets(items: list[tuple[str, object]]) -> dict[str, object]:
    return {key: repr(value) if isinstance(value, Secret) else value for key, value in items}
