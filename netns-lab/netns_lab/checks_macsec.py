"""What the parts of a link's MACsec settings must agree on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dataplane.macsec.secy import DUPLICATE_WINDOW_LIMIT
from dataplane.macsec.suites import cipher_suite
from netns_lab.keys import fingerprint
from netns_lab.models import Link, Macsec
from netns_lab.reading import Finding

HIDDEN = "found a value that is not shown"
_DIGITS_PER_OCTET = 2


def check_macsec(links: Mapping[int, Link]) -> Iterator[Finding]:
    """(path, message) of every disagreement; the path leads to the value that is wrong."""
    for index, link in links.items():
        for field, message in (*_numbers(link.macsec), *_keys(link.macsec)):
            yield ("links", index, "macsec", field), message
    yield from _peers(links)
    yield from _keys_of_others(links)


def _peers(links: Mapping[int, Link]) -> Iterator[Finding]:
    """Who is beyond a device of the machine must be named, and must have the key already."""
    for index, link in links.items():
        macsec, far = link.macsec, link.endpoints[1]
        if macsec.peer_sci is not None and not far.raw:
            message = f"found {macsec.peer_sci}, expected it only with an end at an ethernet device"
            yield ("links", index, "macsec", "peer_sci"), message
        fields = [field for field in ("sak", "peer_sci") if getattr(macsec, field) is None]
        if fields and far.raw and link.type == "macsec":
            missing = " and no ".join(f"macsec.{field}" for field in fields)
            message = f"found no {missing}, expected the key and the SCI of who is beyond {far.interface}"
            yield ("links", index), message


def _keys_of_others(links: Mapping[int, Link]) -> Iterator[Finding]:
    """The nonces of an XPN suite have no SCI: with one SAK and salt, two links would make the same."""
    owners: dict[str, int] = {}
    for index, link in links.items():
        given = fingerprint(link)
        if given is None or not cipher_suite(link.macsec.cipher).xpn:
            continue
        first = owners.setdefault(given, index)
        if first != index:
            expected = f"expected another than links[{first}] has for {link.macsec.cipher}"
            yield ("links", index, "macsec", "sak"), f"{HIDDEN}, {expected}"


def _numbers(macsec: Macsec) -> Iterator[tuple[str, str]]:
    suite = cipher_suite(macsec.cipher)
    if suite.xpn and macsec.confidentiality_offset:
        yield (
            "confidentiality_offset",
            f"found {macsec.confidentiality_offset}, expected 0 for {macsec.cipher}",
        )
    if macsec.detect_duplicates and not macsec.replay_protect:
        yield "detect_duplicates", "found true, expected replay_protect with it"
    limit = DUPLICATE_WINDOW_LIMIT if macsec.detect_duplicates else suite.replay_window_limit
    if macsec.replay_window > limit:
        why = "detect_duplicates" if macsec.detect_duplicates else macsec.cipher
        yield "replay_window", f"found {macsec.replay_window}, expected at most {limit} for {why}"
    if macsec.next_pn is not None and macsec.next_pn >= suite.pn_end:
        yield "next_pn", f"found {macsec.next_pn}, expected at most {suite.pn_end - 1} for {macsec.cipher}"


def _keys(macsec: Macsec) -> Iterator[tuple[str, str]]:
    suite = cipher_suite(macsec.cipher)
    if macsec.sak is not None and len(macsec.sak) != _DIGITS_PER_OCTET * suite.sak_octets:
        yield (
            "sak",
            f"{HIDDEN}, expected {_DIGITS_PER_OCTET * suite.sak_octets} hex digits for {macsec.cipher}",
        )
    if macsec.sak is not None and suite.xpn and macsec.salt is None:
        yield "sak", f"{HIDDEN}, expected a salt with it for {macsec.cipher}"
    if macsec.salt is not None and not (suite.xpn and macsec.sak is not None):
        yield "salt", f"{HIDDEN}, expected it only with a sak for an XPN cipher"
