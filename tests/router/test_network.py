"""Six routers joined in memory: whatever fails in whatever order, traffic goes where a way is left.

Two ASes of a route reflector and two edges; each edge has a link to its reflector and one to the other AS.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from control.bgp import commands
from control.bgp.configuration import NeighborConfig, SpeakerConfig
from control.bgp.model import (
    Announce,
    EndOfRib,
    Event,
    Origin,
    PathAttributes,
    SessionDown,
    SessionUp,
    SnapshotEnd,
    Withdraw,
    parse_community,
)
from control.bgp.policy import NeighborSettings
from control.resolution import Interior
from control.routes.model import NextHop
from control.routes.model_kernel import ModelKernel
from control.routes.table import RouteTable
from control.session import Session
from tests.router.setting import V4, make_router

LOOPBACKS = {"a": "10.255.1.0", "a1": "10.255.1.1", "a2": "10.255.1.2"} | {
    "b": "10.255.2.0",
    "b1": "10.255.2.1",
    "b2": "10.255.2.2",
}
CHANNELS = [("a1", "b1"), ("a2", "b2")]
LINKS = [("a", "a1"), ("a", "a2"), ("b", "b1"), ("b", "b2"), *CHANNELS]
ORIGIN = {"10.1.0.0/16": "a", "10.2.0.0/16": "b"}


def asn(name: str) -> int:
    return {"a": 64512, "b": 64513}[name[0]]


def address(link: int, name: str) -> str:
    return f"169.254.{link}.{1 + LINKS[link].index(name)}"


def attributes_of(words: str, local_address: str) -> tuple[str, PathAttributes]:
    """What ExaBGP sends when it is told `words`: the next hop, and the attributes."""
    found: dict[str, list[str]] = {}
    tokens = deque(words.split())
    while tokens:
        name, value = tokens.popleft(), tokens.popleft()
        found[name] = [value] if value != "[" else []
        while value == "[" and (token := tokens.popleft()) != "]":
            found[name].append(token)
    next_hop = found["next-hop"][0]
    numbers = {name: int(found[name][0]) for name in ("med", "local-preference") if name in found}
    return local_address if next_hop == "self" else next_hop, PathAttributes(
        Origin(found["origin"][0]),
        tuple(map(int, found.get("as-path", []))),
        numbers.get("local-preference"),
        numbers.get("med"),
        tuple(map(parse_community, found.get("community", []))),
        found.get("originator-id", [None])[0],
        tuple(found.get("cluster-list", [])),
    )


class Node:
    """A router over a kernel in memory, and as much of its ExaBGP as its neighbors can see."""

    def __init__(self, network: "Network", name: str) -> None:
        self.name, self.kernel, self._network = name, ModelKernel(), network
        self.told: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self.peers: dict[str, str] = {}  # by address
        self.links = [link for link, ends in enumerate(LINKS) if name in ends]
        sessions, neighbors = [], []
        for link in self.links:
            (peer,) = set(LINKS[link]) - {name}
            internal = asn(peer) == asn(name)
            local = LOOPBACKS[name] if internal else address(link, name)
            remote = LOOPBACKS[peer] if internal else address(link, peer)
            settings = NeighborSettings(
                next_hop_self=internal and len(name) > 1, route_reflector_client=internal and len(name) == 1
            )
            self.peers[remote] = peer
            neighbors.append(
                NeighborConfig(
                    local, remote, asn(peer), V4, settings=settings, peer_router_id=LOOPBACKS[peer]
                )
            )
            sessions.append(Session(remote, peer, f"l{link}", f"eth{link}", frozenset({link})))
        self.config = SpeakerConfig(name, asn(name), LOOPBACKS[name], tuple(neighbors))
        self.router = make_router(
            self.config,
            sessions,
            [prefix for prefix, origin in ORIGIN.items() if origin == name],
            RouteTable(self.kernel),
            self._send,
            interior=dict(self._interior()),
        )

    def _interior(self) -> Iterator[tuple[str, Interior]]:
        hub = self.name[0]
        for link in self.links:
            (peer,) = set(LINKS[link]) - {self.name}
            if asn(peer) != asn(self.name):
                continue
            hop = frozenset({NextHop(address(link, peer), link)})
            yield f"{LOOPBACKS[peer]}/32", Interior(hop, 10)
            if peer == hub:
                (other,) = {f"{hub}1", f"{hub}2"} - {self.name}
                yield f"{LOOPBACKS[other]}/32", Interior(hop, 20)

    def _send(self, lines: Sequence[str]) -> None:
        for line in lines:
            if (parsed := commands.parse(line)) is None:
                continue  # sessions here end and begin with their links
            neighbor, verb, words, prefixes = parsed
            for prefix in prefixes:
                if verb == "announce":
                    self.told[neighbor][prefix] = words
                else:
                    self.told[neighbor].pop(prefix, None)
            self.deliver(neighbor, prefixes)

    def deliver(self, neighbor: str, prefixes: Sequence[str]) -> None:
        """Sends what counts now, if there is a session; one that begins has all of it sent."""
        if not self.router.sessions[neighbor].ifindexes <= self._network.up:
            return
        local = next(it.local_address for it in self.config.neighbors if it.peer_address == neighbor)
        for prefix in prefixes:
            if prefix in self.told[neighbor]:
                next_hop, attributes = attributes_of(self.told[neighbor][prefix], local)
                event: Event = Announce(local, V4, next_hop, attributes, (prefix,))
            else:
                event = Withdraw(local, V4, (prefix,))
            self._network.queue(self.name, self.peers[neighbor]).append(event)


class Network:
    """All nodes, the links that are up, and what is on its way over each session."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._queues: dict[tuple[str, str], deque[Event]] = {}
        self.up = set(range(len(LINKS)))
        self.nodes: dict[str, Node] = {}
        for name in LOOPBACKS:
            self.nodes[name] = Node(self, name)
        for node in self.nodes.values():
            node.router.receive([SnapshotEnd()], 1)
        for link in self.up:
            self._begin(link)
        self.settle()

    def queue(self, source: str, target: str) -> deque[Event]:
        return self._queues.setdefault((source, target), deque())

    def toggle(self, link: int) -> None:
        """Fails a link, or gives it back: kernels and routers at both ends notice, then their speakers."""
        self.up ^= {link}
        for name in LINKS[link]:
            node = self.nodes[name]
            if link in self.up:
                node.kernel.link_up(link)
                node.router.interface_usable(link)
            else:
                node.kernel.link_down(link)
                node.router.path_loss(link)
                node.router.end_sessions(link, "carrier", 1)
        one, other = LINKS[link]
        self.queue(one, other).clear()
        self.queue(other, one).clear()
        if link in self.up:
            self._begin(link)

    def _begin(self, link: int) -> None:
        one, other = LINKS[link]
        for name, peer in ((one, other), (other, one)):
            node = self.nodes[name]
            (neighbor,) = (remote for remote, at in node.peers.items() if at == peer)
            local = next(it.local_address for it in node.config.neighbors if it.peer_address == neighbor)
            self.queue(name, peer).extend([SessionDown(local, "closed"), SessionUp(local)])
            node.deliver(neighbor, list(node.told[neighbor]))
            self.queue(name, peer).append(EndOfRib(local, V4))

    def settle(self) -> None:
        """Delivers everything that is under way: in order over a session, between sessions in any."""
        while ready := [key for key, queue in self._queues.items() if queue]:
            source, target = self._random.choice(ready)
            self.nodes[target].router.receive([self._queues[source, target].popleft()], 1)

    def reaches(self, name: str, prefix: str) -> bool:
        """Whether traffic of a router to a prefix arrives by every way it may take."""

        def arrives(at: str, seen: tuple[str, ...]) -> bool:
            assert at not in seen, f"{prefix} goes in a circle: {[*seen, at]}"
            if at == ORIGIN[prefix]:
                return True
            hops = self.nodes[at].kernel.next_hops(prefix)
            ways = [next(iter(set(LINKS[hop.ifindex]) - {at})) for hop in hops]
            return bool(ways) and all(arrives(way, (*seen, at)) for way in ways)

        return arrives(name, ())

    def has_way(self, name: str, prefix: str) -> bool:
        """By the links that are up: no path enters an AS twice, and edges meet at their reflector."""

        def joined(*ends: str) -> bool:
            return LINKS.index((ends[0], ends[1])) in self.up

        hub, origin = name[0], ORIGIN[prefix]
        if hub == origin:
            return name == hub or joined(hub, name)
        good = [
            number
            for number, channel in enumerate(CHANNELS, 1)
            if joined(*channel) and joined(origin, f"{origin}{number}")
        ]
        reached = name == hub or joined(hub, name)
        return any(name == f"{hub}{number}" or (reached and joined(hub, f"{hub}{number}")) for number in good)


@settings(max_examples=30)
@given(
    st.lists(
        st.one_of(st.integers(0, len(LINKS) - 1), st.frozensets(st.sampled_from(["a1", "b1", "b2"]))),
        max_size=8,
    ),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_traffic_arrives_wherever_a_way_is_left(
    history: list[int | frozenset[str]], random: Random, at_once: bool
) -> None:
    network = Network(random)
    for act in history:
        if isinstance(act, int):
            network.toggle(act)
        else:
            for name, node in network.nodes.items():
                drained = [remote for remote, peer in node.peers.items() if asn(peer) != asn(name)]
                node.router.drain(frozenset(drained if name in act else ()))
        if not at_once:
            network.settle()
    network.settle()
    for name in LOOPBACKS:
        for prefix in ORIGIN:
            assert network.reaches(name, prefix) == network.has_way(name, prefix), (name, prefix, network.up)
