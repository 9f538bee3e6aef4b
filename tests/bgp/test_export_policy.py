"""What each kind of neighbor is told of a path: within the AS, reflected, by policy, drained, leaked."""

import pytest

from control.bgp import commands
from control.bgp.configuration import NeighborConfig, SpeakerConfig
from control.bgp.export import Export
from control.bgp.model import (
    NO_ADVERTISE,
    NO_EXPORT,
    AddressFamily,
    Announce,
    Origin,
    PathAttributes,
    SnapshotEnd,
)
from control.bgp.policy import NeighborSettings, PrefixRange, Term
from control.bgp.rib import Rib

ASN = 64512
V4 = AddressFamily.IPV4_UNICAST
PREFIX, LONGER, OWN = "192.0.2.0/24", "192.0.2.128/25", "10.1.0.0/16"
OTHER_AS, THIRD_AS = "169.254.0.1", "169.254.1.1"
CLIENT, OTHER_CLIENT, PLAIN, OTHER_PLAIN = "10.255.0.2", "10.255.0.3", "10.255.0.4", "10.255.0.5"
INTERNAL = (CLIENT, OTHER_CLIENT, PLAIN, OTHER_PLAIN)
ASNS = {OTHER_AS: 65001, THIRD_AS: 65002} | dict.fromkeys(INTERNAL, ASN)
REFLECTED = NeighborSettings(route_reflector_client=True)
SETTINGS = {CLIENT: REFLECTED, OTHER_CLIENT: REFLECTED}


class Setting:
    """A router with neighbors of every kind, and what ExaBGP was told."""

    def __init__(self, **settings: NeighborSettings) -> None:
        named = {globals()[name]: value for name, value in settings.items()}
        neighbors = tuple(
            NeighborConfig(
                "10.255.0.1",
                peer,
                asn,
                V4,
                settings=(SETTINGS | named).get(peer, NeighborSettings()),
                peer_router_id=peer if asn == ASN else "0.0.0.0",
            )
            for peer, asn in ASNS.items()
        )
        config = SpeakerConfig("r1", ASN, "10.255.0.1", neighbors)
        self.rib, self.export = Rib(config), Export(config, [OWN])
        self._told: dict[str, dict[str, str]] = {peer: {} for peer in ASNS}
        self.export.receive(SnapshotEnd())
        self.update(set())

    def hear(self, neighbor: str, attributes: PathAttributes, next_hop: str = "10.0.0.9") -> None:
        self.update(self.rib.receive(Announce(neighbor, V4, next_hop, attributes, (PREFIX, LONGER))))

    def update(self, changed: set[str]) -> None:
        for line in self.export.update(self.rib, changed):
            parsed = commands.parse(line)
            assert parsed is not None
            neighbor, verb, words, prefixes = parsed
            for prefix in prefixes:
                if verb == "announce":
                    self._told[neighbor][prefix] = words
                else:
                    del self._told[neighbor][prefix]

    def told(self, prefix: str = PREFIX) -> dict[str, str]:
        return {peer: told[prefix] for peer, told in self._told.items() if prefix in told}


PATH = PathAttributes(Origin.IGP, (65003,), None, 20)


def test_a_path_from_another_as_keeps_its_path_med_and_next_hop_within_the_as() -> None:
    setting = Setting(PLAIN=NeighborSettings(next_hop_self=True), OTHER_AS=preferring(300))
    setting.hear(OTHER_AS, PATH)
    words = "origin igp as-path [ 65003 ] med 20 local-preference 300"
    assert setting.told() == {
        **dict.fromkeys(INTERNAL, f"next-hop 10.0.0.9 {words}"),
        PLAIN: f"next-hop self {words}",
        THIRD_AS: f"next-hop self origin igp as-path [ {ASN} 65003 ]",
    }


def test_what_is_ones_own_has_an_empty_path_within_the_as() -> None:
    told = Setting().told(OWN)
    assert told[PLAIN] == "next-hop self origin igp local-preference 100"
    assert told[OTHER_AS] == f"next-hop self origin igp as-path [ {ASN} ]"


@pytest.mark.parametrize(
    ("source", "heard_by"),
    [
        (CLIENT, {OTHER_CLIENT, PLAIN, OTHER_PLAIN}),
        (PLAIN, {CLIENT, OTHER_CLIENT}),
        (OTHER_AS, set(INTERNAL)),
    ],
)
def test_within_the_as_only_paths_of_or_for_clients_go_on(source: str, heard_by: set[str]) -> None:
    setting = Setting()
    setting.hear(source, PATH)
    assert setting.told().keys() & set(INTERNAL) == heard_by
    assert setting.told().keys() - set(INTERNAL) == {OTHER_AS, THIRD_AS} - {source}


def test_reflection_says_who_began_and_who_reflected_and_changes_nothing_else() -> None:
    setting = Setting(PLAIN=NeighborSettings(next_hop_self=True))
    setting.hear(CLIENT, PATH)
    words = "next-hop 10.0.0.9 origin igp as-path [ 65003 ] med 20 local-preference 100"
    assert setting.told()[PLAIN] == f"{words} originator-id {CLIENT} cluster-list [ 10.255.0.1 ]"
    again = PathAttributes(
        Origin.IGP, (65003,), 100, 20, originator_id="10.255.0.9", cluster_list=("10.255.0.8",)
    )
    setting.hear(CLIENT, again)
    assert setting.told()[PLAIN].endswith("originator-id 10.255.0.9 cluster-list [ 10.255.0.1 10.255.0.8 ]")
    assert "originator" not in setting.told()[OTHER_AS]


def test_the_first_export_term_that_matches_decides() -> None:
    terms = (
        Term((PrefixRange.parse(LONGER),), accept=False),
        Term(communities=(7,), med=50, prepend=2, add_communities=(9,), remove_communities=(7,)),
        Term((PrefixRange.parse(OWN),), accept=False),
    )
    setting = Setting(THIRD_AS=NeighborSettings(export_terms=terms))
    setting.hear(OTHER_AS, PathAttributes(Origin.IGP, (65003,), communities=(7, 8)))
    assert THIRD_AS not in setting.told(LONGER)
    assert THIRD_AS not in setting.told(OWN)
    assert setting.told()[THIRD_AS] == (
        f"next-hop self origin igp as-path [ {ASN} {ASN} {ASN} 65003 ] med 50 community [ 0:8 0:9 ]"
    )
    setting.hear(OTHER_AS, PATH)
    assert setting.told()[THIRD_AS] == f"next-hop self origin igp as-path [ {ASN} 65003 ]"


def test_a_drained_neighbor_is_asked_to_use_every_path_last_until_it_is_not_drained() -> None:
    setting = Setting()
    setting.hear(OTHER_AS, PATH)
    before = setting.told(), setting.told(OWN)
    setting.export.drain(frozenset({THIRD_AS, PLAIN}))
    setting.update(set())
    for told in (setting.told(), setting.told(OWN)):
        assert {peer for peer in told if "65535:0" in told[peer]} == {THIRD_AS, PLAIN}
    setting.export.drain(frozenset())
    setting.update(set())
    assert (setting.told(), setting.told(OWN)) == before


@pytest.mark.parametrize(("community", "leaked"), [(NO_EXPORT, True), (NO_ADVERTISE, False)])
def test_a_leak_sends_what_policy_and_no_export_forbid(community: int, leaked: bool) -> None:
    setting = Setting(THIRD_AS=NeighborSettings(export_terms=(Term(accept=False),)))
    setting.hear(OTHER_AS, PathAttributes(Origin.IGP, (65003,), communities=(community,)))
    assert THIRD_AS not in setting.told()
    assert (PLAIN in setting.told()) == leaked  # NO_EXPORT is about other ASes
    setting.export.leak(True)
    setting.update(set())
    assert (THIRD_AS in setting.told()) == leaked
    assert THIRD_AS in setting.told(OWN)
    setting.export.leak(False)
    setting.update(set())
    assert not {THIRD_AS} & (setting.told().keys() | setting.told(OWN).keys())


def test_a_neighbor_that_is_held_is_forgotten_and_told_everything_when_it_is_released() -> None:
    setting = Setting()
    setting.export.hold(PLAIN)
    assert setting.export.update(setting.rib, set()) == [commands.forget(PLAIN)]
    setting.hear(OTHER_AS, PATH)
    assert PLAIN not in setting.told()
    setting.export.release(PLAIN)
    setting.update(set())
    assert PLAIN in setting.told()


def preferring(local_pref: int) -> NeighborSettings:
    return NeighborSettings(import_terms=(Term(local_pref=local_pref),))
