"""What the parts of a link's MACsec settings must agree on, also where one comes from `defaults`."""

import pytest
from netns_lab.keys import given_keys
from netns_lab.topology import parse_topology

from tests.topology.refusing import HIDDEN, on_link, refusals

XPN_KEY = f"cipher: gcm-aes-xpn-256, sak: '{'5a' * 32}', salt: '{'5a' * 12}'"
SECOND_LINK = '  - {name: ch2, endpoints: ["r1:eth2", "r2:eth2"]}\n'

REFUSALS = {
    "offset": (
        on_link("macsec: {cipher: gcm-aes-xpn-128, confidentiality_offset: 30}"),
        "7: links[0].macsec.confidentiality_offset: found 30, expected 0 for gcm-aes-xpn-128",
    ),
    "duplicates": (
        on_link("macsec: {detect_duplicates: true, replay_window: 5000}"),
        "7: links[0].macsec.replay_window: found 5000, expected at most 4096 for detect_duplicates",
    ),
    "duplicates without replay protection": (
        on_link("macsec: {detect_duplicates: true, replay_protect: false}"),
        "7: links[0].macsec.detect_duplicates: found true, expected replay_protect with it",
    ),
    "next_pn": (
        on_link("macsec: {next_pn: 4294967296}"),
        "7: links[0].macsec.next_pn: found 4294967296, expected at most 4294967295 for gcm-aes-256",
    ),
    "sak of another suite": (
        on_link(f"macsec: {{sak: '{'5a' * 16}'}}"),
        f"7: links[0].macsec.sak: {HIDDEN}, expected 64 hex digits for gcm-aes-256",
    ),
    "sak without salt": (
        on_link(f"macsec: {{cipher: gcm-aes-xpn-256, sak: '{'5a' * 32}'}}"),
        f"7: links[0].macsec.sak: {HIDDEN}, expected a salt with it for gcm-aes-xpn-256",
    ),
    "salt": (
        on_link(f"macsec: {{salt: '{'5a' * 12}'}}"),
        f"7: links[0].macsec.salt: {HIDDEN}, expected it only with a sak for an XPN cipher",
    ),
    "default cipher and a link's offset": (
        on_link("macsec: {confidentiality_offset: 50}")
        + "defaults: {link: {macsec: {cipher: gcm-aes-xpn-256}}}\n",
        "7: links[0].macsec.confidentiality_offset: found 50, expected 0 for gcm-aes-xpn-256",
    ),
    "one key for two links, whose nonces have no SCI": (
        on_link("peer: true") + SECOND_LINK + f"defaults: {{link: {{macsec: {{{XPN_KEY}}}}}}}\n",
        f"10: defaults.link.macsec.sak: {HIDDEN}, expected another than links[0] has for gcm-aes-xpn-256",
    ),
    "nobody's SCI and key beyond a device": (
        on_link("peer: true").replace("r2:eth1", "ethernet:enp3s0"),
        "7: links[0]: found no macsec.sak and no macsec.peer_sci, "
        "expected the key and the SCI of who is beyond enp3s0",
    ),
    "peer_sci": (
        on_link("macsec: {peer_sci: '0200000000010001'}"),
        "7: links[0].macsec.peer_sci: found 0200000000010001, "
        "expected it only with an end at an ethernet device",
    ),
    "default window and a link's cipher": (
        on_link("macsec: {cipher: gcm-aes-xpn-256}")
        + "defaults: {link: {macsec: {replay_window: 4294967295}}}\n",
        "9: defaults.link.macsec.replay_window: found 4294967295, expected at most 1073741823 "
        "for gcm-aes-xpn-256",
    ),
}


@pytest.mark.parametrize(("text", "expected"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_names_place_found_and_expected(text: str, expected: str) -> None:
    assert refusals(text) == [f"t.yaml:{expected}"]


def test_two_links_whose_nonces_have_an_sci_may_have_one_key() -> None:
    defaults = f"defaults: {{link: {{macsec: {{sak: '{'5a' * 32}'}}}}}}\n"
    topology = parse_topology(on_link("peer: true") + SECOND_LINK + defaults, "t.yaml")
    assert len(given_keys(topology)) == 2
