"""Routers over a kernel in memory, for tests: any, and one with sessions to another AS and inside its own."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import pytest

from control.bgp.configuration import NeighborConfig, SpeakerConfig
from control.bgp.model import AddressFamily, Announce, Event, Origin, PathAttributes, SessionUp, SnapshotEnd
from control.bgp.policy import NeighborSettings
from control.resolution import Interior
from control.router import Router
from control.routes.model import NextHop, NextHops
from control.routes.model_kernel import ModelKernel
from control.routes.table import RouteTable
from control.session import Session

PLAIN = NeighborSettings()
ASN = 64512
V4 = AddressFamily.IPV4_UNICAST
OTHER_AS, NEAR, DISTANT = "169.254.0.1", "10.255.0.2", "10.255.0.3"
"""NEAR is two links away in the sense that matters: interfaces 11 and 12 lead to it; DISTANT is behind 13."""
OWN, FAR = "10.1.0.0/16", "192.0.2.0/24"
MANY = tuple(f"10.{n >> 8}.{n & 255}.0/24" for n in range(1000))
OVER = {OTHER_AS: {10}, NEAR: {11, 12}, DISTANT: {13}}
WAYS = {11: NextHop("169.254.1.1", 11), 12: NextHop("169.254.2.1", 12), 13: NextHop("169.254.3.1", 13)}
INTERIOR = {
    f"{NEAR}/32": Interior(frozenset({WAYS[11], WAYS[12]}), 10),
    f"{DISTANT}/32": Interior(frozenset({WAYS[13]}), 20),
}


def make_sessions() -> list[Session]:
    """As they are before any is up."""
    return [Session(peer, peer, "link", "eth", frozenset(over)) for peer, over in OVER.items()]


def make_router(
    config: SpeakerConfig,
    sessions: Iterable[Session],
    originate: Iterable[str],
    routes: RouteTable,
    send: Callable[[Sequence[str]], None] = lambda lines: None,
    *,
    interior: Mapping[str, Interior],
    configure: Callable[[SpeakerConfig], None] = lambda config: None,
    on_warning: Callable[[Session], None] = lambda session: None,
) -> Router:
    """A router of which only what is asked for is heard; a route that its kernel refuses fails the test."""
    return Router(
        config,
        sessions,
        originate,
        routes,
        send,
        lambda change: None,
        lambda refused: pytest.fail(f"{config.node}: {refused}"),
        interior=interior,
        configure=configure,
        on_warning=on_warning,
    )


class Setting:
    """A router with a session to another AS and two inside its own, over a kernel in memory."""

    def __init__(self, external: NeighborSettings = PLAIN) -> None:
        """`external` are the settings of the session to the other AS."""
        self.kernel = ModelKernel()
        self.lines: list[str] = []
        self.configured: list[SpeakerConfig] = []
        self.warnings: list[str] = []
        neighbors = tuple(
            NeighborConfig(
                "10.255.0.1",
                peer,
                65001 if peer == OTHER_AS else ASN,
                V4,
                settings=external if peer == OTHER_AS else PLAIN,
                peer_router_id="0.0.0.0" if peer == OTHER_AS else peer,
            )
            for peer in OVER
        )
        self.config = SpeakerConfig("r1", ASN, "10.255.0.1", neighbors)
        self.router = make_router(
            self.config,
            make_sessions(),
            [OWN],
            RouteTable(self.kernel),
            self.lines.extend,
            interior=INTERIOR,
            configure=self.configured.append,
            on_warning=lambda session: self.warnings.append(session.warning),
        )
        self.receive(*map(SessionUp, OVER), SnapshotEnd())

    def receive(self, *events: Event) -> None:
        self.router.receive(events, 1)

    def lose(self, ifindex: int) -> None:
        self.kernel.link_down(ifindex)
        self.router.path_loss(ifindex)
        self.router.end_sessions(ifindex, "carrier", 2)

    def regain(self, ifindex: int) -> None:
        self.kernel.link_up(ifindex)
        self.router.interface_usable(ifindex)

    def hops(self, prefix: str = FAR) -> NextHops:
        return self.kernel.next_hops(prefix)

    def take(self) -> list[str]:
        lines = list(self.lines)
        self.lines.clear()
        return lines


def announce(neighbor: str, *prefixes: str, next_hop: str = "") -> Announce:
    attributes = PathAttributes(Origin.IGP, (65003,))
    return Announce(neighbor, V4, next_hop or neighbor, attributes, prefixes or (FAR,))
