"""ExaBGP's own parser reads back exactly what was configured, whatever a password contains."""

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from exabgp.configuration.configuration import Configuration  # type: ignore[import-untyped]
from exabgp.environment import getenv  # type: ignore[import-untyped]
from exabgp.environment.setup import CONFIGURATION  # type: ignore[import-untyped]
from exabgp.logger import log  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from control.bgp.configuration import (
    MAXIMUM_PASSWORD_OCTETS,
    NeighborConfig,
    SpeakerConfig,
    configuration_text,
    environment,
)
from control.bgp.model import AddressFamily
from control.bgp.policy import NeighborSettings, Term

HELPER = ["/bin/true", "-m", "control.bgp.helper", "/run/a lab; {}#/r1.sock"]
V4 = NeighborConfig("169.254.1.1", "169.254.1.2", 64513, AddressFamily.IPV4_UNICAST)
V6 = NeighborConfig("fd00:1::1", "fd00:1::2", 4200000000, AddressFamily.IPV6_UNICAST, hold_time_s=90)
SPEAKER = SpeakerConfig("r1", 64512, "10.255.0.1", (V4, V6))


def with_settings(**settings: Any) -> NeighborConfig:  # noqa: ANN401 - any field
    return replace(V4, settings=NeighborSettings(**settings))


def parsed(config: SpeakerConfig) -> Any:  # noqa: ANN401 - ExaBGP has no types
    log.init(getenv())
    configuration = Configuration([configuration_text(config, HELPER)], text=True)
    assert configuration.reload() is True, configuration.error
    return configuration


def test_exabgp_reads_what_was_meant() -> None:
    configuration = parsed(SPEAKER)
    assert configuration.processes["helper"]["run"] == HELPER
    read = list(configuration.neighbors.values())
    assert len(read) == 2
    for neighbor, meant in zip(read, SPEAKER.neighbors, strict=True):
        assert str(neighbor["peer-address"]) == meant.peer_address
        assert str(neighbor["local-address"]) == meant.local_address
        assert (neighbor["local-as"], neighbor["peer-as"]) == (64512, meant.peer_asn)
        assert str(neighbor["router-id"]) == "10.255.0.1"
        assert neighbor["hold-time"] == meant.hold_time_s
        assert (neighbor["passive"], neighbor["listen"]) == (False, 179)
        assert [f"{afi} {safi}" for afi, safi in neighbor.families()] == [meant.family.value]
        assert not neighbor["capability"]["graceful-restart"]
        assert not neighbor["manual-eor"]
        assert neighbor["md5-password"] is None
        assert neighbor["adj-rib-out"] is True
        for stream in ("neighbor-changes", "receive-update", "receive-parsed"):
            assert neighbor.api[stream] == ["helper"]


@pytest.mark.parametrize(
    ("ends", "connects"),
    [
        (("169.254.1.9", "169.254.1.10"), True),
        (("169.254.1.10", "169.254.1.9"), False),
        (("fd00:1::9", "fd00:1::10"), True),
        (("fd00:1::10", "fd00:1::9"), False),
    ],
)
def test_of_two_exabgps_the_lower_address_connects_and_the_other_listens(
    ends: tuple[str, str], connects: bool
) -> None:
    family = AddressFamily.IPV6_UNICAST if ":" in ends[0] else AddressFamily.IPV4_UNICAST
    between = NeighborConfig(*ends, 64513, family, peer_is_exabgp=True)
    [neighbor] = parsed(replace(SPEAKER, neighbors=(between,))).neighbors.values()
    assert (neighbor["passive"], neighbor["listen"]) == ((False, 0) if connects else (True, 179))


def test_graceful_restart_is_offered_and_the_neighbors_offer_reported() -> None:
    [restarting] = parsed(
        replace(SPEAKER, neighbors=(with_settings(graceful_restart_s=120),))
    ).neighbors.values()
    assert restarting["capability"]["graceful-restart"] == 120
    assert restarting["manual-eor"] is True
    assert restarting.api["receive-open"] == ["helper"]


@given(st.text(min_size=1).filter(lambda text: len(text.encode()) <= MAXIMUM_PASSWORD_OCTETS))
def test_no_password_can_be_anything_but_a_password(password: str) -> None:
    configuration = parsed(replace(SPEAKER, neighbors=(replace(V4, password=password), V6)))
    protected, plain = configuration.neighbors.values()
    assert protected["md5-base64"] is True
    assert base64.b64decode(protected["md5-password"], validate=True) == password.encode()
    assert plain["md5-password"] is None
    assert list(configuration.processes) == ["helper"]


def test_a_password_shows_in_no_representation() -> None:
    secret = replace(V4, password="correct horse")
    assert "correct horse" not in repr(replace(SPEAKER, neighbors=(secret,)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"password": ""}, "1 to 80 octets, found 0"),
        ({"password": "ü" * 41}, "1 to 80 octets, found 82"),
        ({"hold_time_s": 2}, "3 to 65535 s, found 2"),
        ({"peer_asn": 0}, "AS number"),
        ({"peer_address": "169.254.1.2; }"}, "IP address"),
        ({"peer_address": "fd00::1"}, "ipv4 unicast"),
        ({"peer_address": "169.254.1.1"}, "both"),
    ],
)
def test_a_neighbor_bgp_cannot_have_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(V4, **change)


def test_addresses_are_written_one_way_and_are_not_link_local() -> None:
    with pytest.raises(ValueError, match="expected fd00:1::2, found"):
        replace(V6, peer_address="fd00:1:0::2")
    with pytest.raises(ValueError, match="link-local"):
        replace(V6, peer_address="fe80::1")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"neighbors": (with_settings(route_reflector_client=True),)}, "reflector client in the same AS"),
        ({"neighbors": (with_settings(export_terms=(Term(local_pref=1),)),)}, "no local preference"),
        ({"asn": 64513, "neighbors": (with_settings(import_terms=(Term(prepend=1),)),)}, "between ASes"),
        ({"neighbors": (V4, replace(V4, local_address="169.254.1.9"))}, "169.254.1.2 twice"),
        ({"router_id": "0.0.0.0"}, "router id"),
        ({"router_id": "fd00::1"}, "router id"),
    ],
)
def test_a_speaker_bgp_cannot_have_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(SPEAKER, **change)


@pytest.mark.parametrize("word", ["", 'a"b', "a'b", "a\\b", "a\nb", "ü"])
def test_a_helper_command_exabgp_cannot_read_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        configuration_text(SPEAKER, ["/bin/true", word])


def test_no_environment_value_of_ours_is_unknown_to_exabgp() -> None:
    for name in environment(Path("/somewhere")):
        if name.startswith("exabgp_"):
            _, section, key = name.split("_")
            assert key in CONFIGURATION[section]
