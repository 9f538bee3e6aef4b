"""What ExaBGP ends up told, against what every neighbor should hear, whatever happens on the way."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from control.bgp import commands
from control.bgp.configuration import NeighborConfig, SpeakerConfig
from control.bgp.export import Export, attributes_text
from control.bgp.journal import Journal
from control.bgp.model import (
    NO_ADVERTISE,
    NO_EXPORT,
    AddressFamily,
    Announce,
    Event,
    Origin,
    PathAttributes,
    SessionDown,
    SessionUp,
    SnapshotEnd,
    Withdraw,
    family_of,
)
from control.bgp.rib import Rib

ASN = 64512
V4, V6 = AddressFamily.IPV4_UNICAST, AddressFamily.IPV6_UNICAST
PEERS = {"10.0.1.2": 65001, "10.0.2.2": 65001, "10.0.3.2": 65002, "fd00:1::2": 65001, "fd00:3::2": 65002}
CONFIG = SpeakerConfig(
    "r1",
    ASN,
    "10.255.0.1",
    tuple(NeighborConfig(peer[:-1] + "1", peer, asn, family_of(peer)) for peer, asn in PEERS.items()),
)
ORIGINATED = ("10.1.0.0/16", "fd01::/48")
OWN = f"next-hop self origin igp as-path [ {ASN} ]"
LEARNED = ["192.0.2.0/24", "198.51.100.0/24", "2001:db8::/32", "10.1.0.0/16"]


class Exabgp:
    """As much of ExaBGP and its helper as Export can see."""

    def __init__(self) -> None:
        self.journal = Journal()
        self.told: dict[str, dict[str, str]] = {peer: {} for peer in PEERS}

    def run(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.journal.record_command(line)
            parsed = commands.parse(line)
            assert parsed is not None
            neighbor, verb, attributes, prefixes = parsed
            for prefix in prefixes:
                if verb == "announce":
                    assert self.told[neighbor].get(prefix) != attributes
                    self.told[neighbor][prefix] = attributes
                else:
                    del self.told[neighbor][prefix]


def synchronised() -> tuple[Exabgp, Export, Rib]:
    exabgp, export, rib = Exabgp(), Export(CONFIG, ORIGINATED), Rib(CONFIG)
    assert export.update(rib, ORIGINATED) == []
    export.receive(SnapshotEnd())
    exabgp.run(export.update(rib, []))
    return exabgp, export, rib


def expected(rib: Rib) -> dict[str, dict[str, str]]:
    wanted: dict[str, dict[str, str]] = {peer: {} for peer in PEERS}
    for peer, asn in PEERS.items():
        for prefix in (*LEARNED, *ORIGINATED):
            if family_of(prefix) is not family_of(peer):
                continue
            if prefix in ORIGINATED:
                wanted[peer][prefix] = OWN
            elif best := rib.best(prefix):
                path = best[0].attributes
                if best[0].neighbor != peer and asn not in path.as_path and NO_EXPORT not in path.communities:
                    own = PathAttributes(path.origin, (ASN, *path.as_path), communities=path.communities)
                    wanted[peer][prefix] = attributes_text(own)
    return wanted


peers = st.sampled_from(sorted(PEERS))
attributes = st.builds(
    PathAttributes,
    st.sampled_from(Origin),
    st.lists(st.sampled_from([65001, 65002, 65003]), min_size=1, max_size=2).map(tuple),
    st.none(),
    st.sampled_from([None, 5]),
    st.sampled_from([(), (NO_EXPORT,), (7,)]),
)
chosen = st.lists(st.sampled_from(LEARNED), unique=True).map(tuple)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(Announce, peers, st.just(V4), st.just("10.0.0.9"), attributes, chosen),
    st.builds(Withdraw, peers, st.just(V4), chosen),
    st.builds(SessionDown, peers, st.just("")),
    st.builds(SessionUp, peers),
)


@given(st.lists(st.tuples(events, st.sampled_from(["sent", "lost", "reconnected", "restarted"]))))
def test_exabgp_is_told_what_every_neighbor_should_hear(history: list[tuple[Event, str]]) -> None:
    exabgp, export, rib = synchronised()
    connected = True
    for event, fate in history:
        if fate == "restarted":
            exabgp = Exabgp()
        if fate in ("reconnected", "restarted"):
            connected = True
            for replayed in exabgp.journal.snapshot():
                export.receive(replayed)
        connected = connected and fate != "lost"
        lines = export.update(rib, rib.receive(event))
        if connected:
            exabgp.run(lines)
            assert exabgp.told == expected(rib)


def test_nothing_is_said_twice() -> None:
    _, export, rib = synchronised()
    path = PathAttributes(Origin.IGP, (65003,))
    learned = rib.receive(Announce("10.0.1.2", V4, "10.0.1.2", path, ("192.0.2.0/24",)))
    assert export.update(rib, learned) == [
        f"neighbor {peer} announce attributes next-hop self origin igp "
        "as-path [ 64512 65003 ] nlri 192.0.2.0/24"
        for peer in ("10.0.2.2", "10.0.3.2")
    ]
    assert export.update(rib, learned) == []


def test_med_and_local_pref_stay_and_communities_travel() -> None:
    exabgp, export, rib = synchronised()
    path = PathAttributes(Origin.EGP, (65003,), 300, 20, (65003 << 16 | 9, 1))
    exabgp.run(export.update(rib, rib.receive(Announce("10.0.1.2", V4, "10.0.1.2", path, ("192.0.2.0/24",)))))
    assert exabgp.told["10.0.3.2"]["192.0.2.0/24"] == (
        f"next-hop self origin egp as-path [ {ASN} 65003 ] community [ 65003:9 0:1 ]"
    )


def test_no_advertise_is_kept_to_oneself() -> None:
    exabgp, export, rib = synchronised()
    path = PathAttributes(Origin.IGP, (65003,), communities=(NO_ADVERTISE,))
    exabgp.run(export.update(rib, rib.receive(Announce("10.0.1.2", V4, "10.0.1.2", path, ("192.0.2.0/24",)))))
    assert all(set(told) <= set(ORIGINATED) for told in exabgp.told.values())


def test_many_prefixes_share_a_command_up_to_its_size() -> None:
    prefixes = [f"10.{n >> 8}.{n & 255}.0/24" for n in range(2 * commands.NLRI_PER_COMMAND + 1)]
    lines = list(commands.announce("10.0.1.2", OWN, prefixes))
    assert len(lines) == 3
    assert [prefix for line in lines for prefix in (commands.parse(line) or ("", "", "", []))[3]] == prefixes
