"""Real ExaBGP and kernels: another AS, two edges and the router between them that reflects routes.

x (AS 65001) -- e1 -- v -- e2 (AS 64512): the edges have sessions with v, over loopbacks.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from control.bgp.configuration import NeighborConfig, SpeakerConfig
from control.bgp.decision import Path as BgpPath
from control.bgp.model import AddressFamily, Event, family_of, parse_community
from control.bgp.policy import LimitAction, MaximumPrefixes, NeighborSettings, PrefixRange, Term
from control.bgp.speaker import Speaker
from control.resolution import Interior
from control.router import Router
from control.routes.kernel import NetlinkKernel
from control.routes.model import NextHop, Refused
from control.routes.table import RouteTable
from control.session import Session, SessionChange

pytestmark = pytest.mark.lab

EVENT_TIMEOUT_S = 30
MARK = "reflect"
NAMES = ("x", "e1", "v", "e2")
AS_OF = {"x": 65001, "e1": 64512, "v": 64512, "e2": 64512}
LOOPBACKS = {name: (f"10.255.0.{n}", f"fd00:255::{n}") for n, name in enumerate(NAMES, 1)}
LINKS = (("x", "e1"), ("e1", "v"), ("v", "e2"))
FAR, PRIVATE = ("10.1.0.0/16", "fd01::/48"), "10.1.200.0/24"
TAG, KEEP_OUT = parse_community("64512:200"), PrefixRange.parse("10.1.0.0/16 ge 17")
REFLECTED = NeighborSettings(route_reflector_client=True)


def run(command: str) -> None:
    subprocess.run(command.split(), check=True, capture_output=True)


def namespace(name: str) -> str:
    return f"{MARK}-{name}"


def ifindex(link: int, side: int) -> int:
    """Different at the two ends: the kernel then tells of a lost carrier at once."""
    return 10 + 2 * link + side


def address(link: int, side: int, version: int) -> str:
    return f"169.254.{link}.{1 + side}" if version == 4 else f"fd00:{link + 1}::{1 + side}"


@pytest.fixture
def namespaces() -> Iterator[None]:
    try:
        for name in NAMES:
            run(f"ip netns add {namespace(name)}")
            run(f"ip -n {namespace(name)} link set lo up")
            for loopback, length in zip(LOOPBACKS[name], (32, 128), strict=True):
                run(f"ip -n {namespace(name)} address add {loopback}/{length} dev lo")
            for path in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"):
                run(f"ip netns exec {namespace(name)} sysctl -qw {path}")
        for link, ends in enumerate(LINKS):
            first, second = (
                f"eth{link} index {ifindex(link, side)} netns {namespace(end)}"
                for side, end in enumerate(ends)
            )
            run(f"ip link add {first} type veth peer name {second}")
            for side, end in enumerate(ends):
                run(f"ip -n {namespace(end)} address add {address(link, side, 4)}/30 dev eth{link}")
                run(f"ip -n {namespace(end)} address add {address(link, side, 6)}/64 dev eth{link} nodad")
                run(f"ip -n {namespace(end)} link set eth{link} up")
        yield
    finally:
        for name in NAMES:
            subprocess.run(["ip", "netns", "delete", namespace(name)], capture_output=True)


class Node:
    """One router with its speaker, and what a test may wait for."""

    def __init__(
        self,
        name: str,
        directory: Path,
        sessions: Sequence[tuple[NeighborConfig, Session]],
        interior: dict[str, Interior],
        originate: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.changes: list[tuple[str, bool, str]] = []
        self.warnings: list[str] = []
        self.lost: set[str] = set()
        self._changed = asyncio.Event()
        self.kernel = NetlinkKernel(namespace(name))
        config = SpeakerConfig(name, AS_OF[name], LOOPBACKS[name][0], tuple(peer for peer, _ in sessions))
        self.speaker = Speaker(
            config,
            namespace=namespace(name),
            directory=directory,
            environment={},
            on_events=self._take,
            on_exit=lambda status: None,
        )
        self.router = Router(
            config,
            [session for _, session in sessions],
            originate,
            RouteTable(self.kernel),
            self.speaker.send,
            self._session_changed,
            self._refused,
            interior=interior,
            configure=self.speaker.configure,
            on_warning=lambda session: self.warnings.append(session.warning),
        )

    def _take(self, events: Sequence[Event]) -> None:
        before = set(self.router.rib.prefixes())
        self.router.receive(events, 1)
        self.lost |= before - set(self.router.rib.prefixes())
        self._changed.set()

    def _session_changed(self, change: SessionChange) -> None:
        self.changes.append((change.session.neighbor, change.up, change.reason))

    def _refused(self, refused: Sequence[Refused]) -> None:
        raise AssertionError(f"{self.name}: {refused}")

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(EVENT_TIMEOUT_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def hears(self, prefix: str, holds: Callable[[BgpPath], bool] = lambda path: True) -> BgpPath:
        await self.until(lambda: any(map(holds, self.router.rib.best(prefix))))
        return self.router.rib.best(prefix)[0]

    async def stop(self) -> None:
        await self.speaker.stop()
        self.kernel.close()


def external(link: int, side: int, settings: NeighborSettings) -> Iterator[tuple[NeighborConfig, Session]]:
    """The sessions, one of each family, of an end of a link between ASes."""
    peer = LINKS[link][1 - side]
    for version, family in zip((4, 6), AddressFamily, strict=True):
        local, remote = address(link, side, version), address(link, 1 - side, version)
        config = NeighborConfig(local, remote, AS_OF[peer], family, "secret", 60, settings)
        yield config, Session(remote, peer, f"l{link}", f"eth{link}", frozenset({ifindex(link, side)}))


def internal(
    name: str, peer: str, link: int, settings: NeighborSettings
) -> Iterator[tuple[NeighborConfig, Session]]:
    """The sessions over loopbacks between two routers of one AS."""
    side = LINKS[link].index(name)
    ids = LOOPBACKS[peer][0]
    for local, remote in zip(LOOPBACKS[name], LOOPBACKS[peer], strict=True):
        config = NeighborConfig(local, remote, 64512, family_of(local), "secret", 60, settings, ids)
        yield config, Session(remote, peer, f"l{link}", f"eth{link}", frozenset({ifindex(link, side)}))


def interior(name: str, ways: dict[str, tuple[int, int]]) -> dict[str, Interior]:
    """Routes to the loopbacks of other routers: by which link, and at what cost."""
    routes = {}
    for peer, (link, cost) in ways.items():
        side = LINKS[link].index(name)
        for loopback, version, length in zip(LOOPBACKS[peer], (4, 6), (32, 128), strict=True):
            hop = NextHop(address(link, 1 - side, version), ifindex(link, side))
            routes[f"{loopback}/{length}"] = Interior(frozenset({hop}), cost)
    return routes


def make_nodes(directory: Path) -> dict[str, Node]:
    limit = MaximumPrefixes(4, LimitAction.SHUTDOWN)
    to_x = NeighborSettings(
        (Term(local_pref=300, add_communities=(TAG,)),), maximum_prefixes=limit, graceful_restart_s=60
    )
    to_v = NeighborSettings(export_terms=(Term((KEEP_OUT,), accept=False),), next_hop_self=True)
    nodes = [
        Node("x", directory, [*external(0, 0, NeighborSettings(graceful_restart_s=60))], {}, (*FAR, PRIVATE)),
        Node(
            "e1",
            directory,
            [*external(0, 1, to_x), *internal("e1", "v", 1, to_v)],
            interior("e1", {"v": (1, 10), "e2": (1, 20)}),
        ),
        Node(
            "v",
            directory,
            [*internal("v", "e1", 1, REFLECTED), *internal("v", "e2", 2, REFLECTED)],
            interior("v", {"e1": (1, 10), "e2": (2, 10)}),
        ),
        Node(
            "e2",
            directory,
            [*internal("e2", "v", 2, NeighborSettings())],
            interior("e2", {"v": (2, 10), "e1": (2, 20)}),
            ("10.4.0.0/16",),
        ),
    ]
    return {node.name: node for node in nodes}


def play(directory: Path, scene: Callable[[dict[str, Node]], Coroutine[Any, Any, None]]) -> None:
    async def perform() -> None:
        nodes = make_nodes(directory)
        try:
            for node in nodes.values():
                node.speaker.start()
            await scene(nodes)
        finally:
            await asyncio.gather(*(node.stop() for node in nodes.values()))

    asyncio.run(perform())


def test_routes_are_reflected_with_policy_drained_limited_and_kept(namespaces: None, tmp_path: Path) -> None:
    async def scene(nodes: dict[str, Node]) -> None:
        x, e1, v, e2 = (nodes[name] for name in NAMES)
        for version, far in enumerate(FAR):
            path = await e2.hears(far)
            attributes = path.attributes
            assert (path.neighbor, path.next_hop) == (LOOPBACKS["v"][version], LOOPBACKS["e1"][version])
            assert (path.preference, attributes.as_path) == (300, (65001,))
            assert attributes.communities == (TAG,)
            assert attributes.originator_id == LOOPBACKS["e1"][0]
            assert attributes.cluster_list == (LOOPBACKS["v"][0],)
            assert e2.kernel.dump().routes  # resolved through the interior: over the link to v
            assert e2.router.next_hops(far) == {
                NextHop(address(2, 0, 4 if version == 0 else 6), ifindex(2, 1))
            }
        # Reflection never comes back to e1, and the term keeps the longer prefix out.
        assert len(e1.router.rib.paths(FAR[0])) == 1
        assert not v.router.rib.paths(PRIVATE)
        reflected = await x.hears("10.4.0.0/16")
        assert reflected.attributes.as_path == (64512,)
        assert reflected.next_hop == address(0, 1, 4)

        e1.router.drain(frozenset({address(0, 0, 4)}))
        await e2.hears(FAR[0], lambda path: path.preference == 0)
        await x.hears("10.4.0.0/16", lambda path: path.preference == 0)
        e1.router.drain(frozenset())
        await e2.hears(FAR[0], lambda path: path.preference == 300)

        x.router.originate([*FAR, *(f"10.{n}.0.0/16" for n in range(100, 110))])
        held = e1.router.sessions[address(0, 0, 4)]
        await e1.until(lambda: held.held)
        await x.until(lambda: any("6/1 received" in reason for _, up, reason in x.changes if not up))
        await e2.until(lambda: not e2.router.rib.best(FAR[0]))
        assert e2.router.rib.best(FAR[1])
        assert [warning for warning in e1.warnings if "more than the 4 prefixes" in warning] == e1.warnings
        assert not held.up

        x.router.originate(FAR)
        e1.router.reset(address(0, 0, 4))
        await e2.hears(FAR[0])
        assert held.up
        ended = next(at for at, (_, _, reason) in enumerate(x.changes) if "6/1 received" in reason)
        after = [up for peer, up, _ in x.changes[ended:] if peer == address(0, 1, 4)]
        assert after == [False, True], "it came back once it was reset, and not before"

        # Without a word from x its paths are kept, until it is back and has told what it still has.
        restarting = [e1.router.sessions[address(0, 0, version)] for version in (4, 6)]
        x.router.originate([*FAR, "10.100.0.0/16"])
        await e2.hears("10.100.0.0/16")
        assert x.speaker.pid is not None
        os.kill(x.speaker.pid, signal.SIGKILL)
        await e1.until(lambda: not any(session.up for session in restarting))
        x.router.originate(FAR)
        assert e1.router.next_deadline_ns() is not None
        assert all(e2.router.rib.best(prefix) for prefix in (*FAR, "10.100.0.0/16"))
        e2.lost.clear()
        await e1.until(lambda: e1.router.next_deadline_ns() is None)
        assert all(session.up for session in restarting)
        await e2.until(lambda: not e2.router.rib.best("10.100.0.0/16"))
        assert e2.lost == {"10.100.0.0/16"}

    play(tmp_path, scene)
