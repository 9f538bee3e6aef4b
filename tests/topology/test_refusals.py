"""Each refusal of a topology file: its line, its field, what was found and what was expected."""

from __future__ import annotations

import pytest

from tests.topology.refusing import HIDDEN, PAIR, changed, on_link, on_r1, refusals

NOT_YET = "not supported yet"
NAME = "expected 1 to 32 letters, digits, - and _, starting with a letter or digit"
ADDRESS = "expected an IPv4 or IPv6 address with prefix length, such as 10.0.0.1/24"
SAK = "expected a SAK as 32 or 64 hex digits in quotes"
CIPHERS = "gcm-aes-128, gcm-aes-256, gcm-aes-xpn-128, gcm-aes-xpn-256"
PASSWORD = "expected text of 1 to 80 letters, digits and any of !$%&*+-./:<=>?@^_|~"

REFUSALS = {
    # the outer shape
    "a list": ("- 1\n", "1: found a list, expected a mapping"),
    "a word": ("quad\n", "1: found 'quad', expected a mapping"),
    "name missing": ("nodes: {a: {}}\n", "1: name: found nothing, expected a value"),
    "nodes missing": ("name: x\n", "1: nodes: found nothing, expected a value"),
    "no nodes": ("name: x\nnodes: {}\n", "2: nodes: found a mapping, expected at least one entry"),
    "lab name": (
        changed(1, "name: Pair"),
        "1: name: found 'Pair', expected 1 to 20 of a-z, 0-9 and -, not starting with -",
    ),
    "lab name length": (
        changed(1, f"name: {'a' * 21}"),
        f"1: name: found '{'a' * 21}', expected 1 to 20 of a-z, 0-9 and -, not starting with -",
    ),
    "group of no link": (
        PAIR + "groups: {a: {}}\n",
        "9: groups.a: no link is in this group",
    ),
    "key of a group": (
        on_link("groups: [a]") + "groups: {a: {impair: {los: 1%}}}\n",
        "9: groups.a.impair.los: unknown key, nearest is 'loss'",
    ),
    "unknown top key": (PAIR + "link: []\n", "9: link: unknown key, nearest is 'links'"),
    "links not a list": (
        "name: x\nnodes: {a: {}}\nlinks: {}\n",
        "3: links: found a mapping, expected a list",
    ),
    # nodes
    "node name": (changed(5, "  h1: {}\n  h/1: {}"), f"6: nodes.h/1: found 'h/1', {NAME}"),
    "node called lo": (
        changed(5, "  h1: {}\n  lo: {}"),
        "6: nodes.lo: found 'lo', which is reserved, "
        "expected a name other than all, controller, engine, guard, lo, localhost",
    ),
    "node not a mapping": (changed(5, "  h1: 7"), "5: nodes.h1: found 7, expected a mapping"),
    "unknown node key": (changed(5, "  h1: {knd: host}"), "5: nodes.h1.knd: unknown key, nearest is 'kind'"),
    "unknown key, none near": (
        changed(5, "  h1: {zzzz: 1}"),
        "5: nodes.h1.zzzz: unknown key, expected one of "
        "kind, mtu, env, sysctl, bgp, exec, services, files, loopback, groups",
    ),
    "kind": (
        changed(5, "  h1: {kind: bridge}"),
        "5: nodes.h1.kind: found 'bridge', expected one of router, host",
    ),
    "mtu": (
        changed(5, "  h1: {mtu: 900}"),
        "5: nodes.h1.mtu: found 900, expected a whole number from 1280 to 9216",
    ),
    "mtu bool": (
        changed(5, "  h1: {mtu: true}"),
        "5: nodes.h1.mtu: found true, expected a whole number from 1280 to 9216",
    ),
    "loopback": (
        changed(5, "  h1: {loopback: [10.0.0.1/24]}"),
        "5: nodes.h1.loopback[0]: found '10.0.0.1/24', expected a loopback address with /32 or /128",
    ),
    "sysctl of the machine": (
        changed(5, "  h1: {sysctl: {kernel.panic: 1}}"),
        "5: nodes.h1.sysctl.kernel.panic: found 'kernel.panic', "
        "expected a net.* sysctl, the only kind a node has of its own",
    ),
    "sysctl value": (
        changed(5, "  h1: {sysctl: {net.ipv4.ip_forward: true}}"),
        "5: nodes.h1.sysctl.net.ipv4.ip_forward: found true, expected text (in quotes) or a whole number",
    ),
    "env name": (
        changed(5, "  h1: {env: {a=b: c}}"),
        "5: nodes.h1.env['a...']: found 'a=b', expected letters, digits and _, not starting with a digit",
    ),
    "empty value": (changed(5, "  h1: {mtu: }"), "5: nodes.h1.mtu: found nothing, expected a value"),
    # bgp
    "asn missing": (
        changed(3, "  r1: {bgp: {announce: []}}"),
        "3: nodes.r1.bgp.asn: found nothing, expected a value",
    ),
    "asn 0": (
        changed(3, "  r1: {bgp: {asn: 0}}"),
        "3: nodes.r1.bgp.asn: found 0, expected a whole number from 1 to 4294967294",
    ),
    "asn text": (
        changed(3, '  r1: {bgp: {asn: "64512"}}'),
        "3: nodes.r1.bgp.asn: found '64512', expected a whole number from 1 to 4294967294",
    ),
    "host bits": (
        on_r1("announce: [10.1.0.1/16]"),
        "3: nodes.r1.bgp.announce[0]: found '10.1.0.1/16', expected no host bits, as in 10.1.0.0/16",
    ),
    "not a prefix": (
        on_r1("announce: [ten]"),
        "3: nodes.r1.bgp.announce[0]: found 'ten', expected an IPv4 or IPv6 prefix such as 10.1.0.0/16",
    ),
    "announced twice by one": (
        on_r1("announce: [10.1.0.0/16, 10.1.0.0/16]"),
        "3: nodes.r1.bgp.announce: found a list, which names 10.1.0.0/16 twice, expected it once",
    ),
    "announced by two": (
        on_r1("announce: [10.2.0.0/16]"),
        "4: nodes.r2.bgp.announce[0]: found '10.2.0.0/16', which r1 announces already, expected one origin",
    ),
    "password": (on_r1("password: 'sec ret'"), f"3: nodes.r1.bgp.password: {HIDDEN}, {PASSWORD}"),
    "password number": (on_r1("password: 12345"), f"3: nodes.r1.bgp.password: {HIDDEN}, {PASSWORD}"),
    # links
    "unknown link key": (on_link("macsecc: {}"), "7: links[0].macsecc: unknown key, nearest is 'macsec'"),
    "no endpoints": (changed(7, "  - {name: ch1}"), "7: links[0].endpoints: found nothing, expected a value"),
    "one endpoint": (
        changed(7, '  - {endpoints: ["r1:eth1"]}'),
        '7: links[0].endpoints: found a list, expected two ends, as ["r1:eth1", "r2:eth1"] or r1-r2',
    ),
    "endpoint form": (
        changed(7, '  - {endpoints: [r1, "r2:eth1"]}'),
        "7: links[0].endpoints[0]: found 'r1', expected NODE:INTERFACE in quotes, such as \"r1:eth1\"",
    ),
    "unknown node": (
        changed(7, '  - {endpoints: ["r1:eth1", "r22:eth1"]}'),
        "7: links[0].endpoints[1]: found 'r22:eth1', expected a known node, nearest is 'r2'",
    ),
    "unknown node, short form": (
        changed(7, "  - {endpoints: r1-r9}"),
        "7: links[0].endpoints: found 'r1-r9', expected two known nodes as NODE-NODE",
    ),
    "both ends the same": (
        changed(7, '  - {endpoints: ["r1:eth1", "r1:eth2"]}'),
        "7: links[0].endpoints: found 'r1' at both ends, expected two nodes",
    ),
    "interface name length": (
        changed(7, '  - {endpoints: ["r1:sixteen-octets-x", "r2:eth1"]}'),
        "7: links[0].endpoints[0]: found 'r1:sixteen-octets-x', expected an interface name of "
        "1 to 15 letters, digits, '-', '_' and '.', starting with a letter or digit",
    ),
    "interface lo": (
        changed(7, '  - {endpoints: ["r1:lo", "r2:eth1"]}'),
        "7: links[0].endpoints[0]: found 'r1:lo', which is reserved, "
        "expected a name other than all, default, lo",
    ),
    "interface twice": (
        changed(8, '  - {name: lan1, type: plain, endpoints: ["h1:eth0", "r1:eth1"]}'),
        "8: links[1].endpoints[1]: found 'r1:eth1', which links[0] uses already",
    ),
    "link name twice": (
        changed(8, '  - {name: ch1, type: plain, endpoints: ["h1:eth0", "r1:lan"]}'),
        "8: links[1].name: found 'ch1', which links[0] has already",
    ),
    "type": (on_link("type: vlan"), "7: links[0].type: found 'vlan', expected one of macsec, plain"),
    "peer": (on_link("peer: 1"), "7: links[0].peer: found 1, expected true or false"),
    "impair delay": (
        on_link("impair: {delay: 2}"),
        "7: links[0].impair.delay: found 2, expected a duration such as 5ms, at most 3600s",
    ),
    "impair one way": (
        on_link("impair: {r1-r2: {rate: 0mbit}}"),
        "7: links[0].impair.r1-r2.rate: found '0mbit', "
        "expected a rate such as 100mbit, from 1kbit to 1000gbit, or none",
    ),
    "impair queue": (
        on_link("impair: {queue: 64}"),
        "7: links[0].impair.queue: found 64, expected a duration or a size such as 50ms or 256kB, or none",
    ),
    "impair loss": (
        on_link("impair: {loss: 0.1}"),
        "7: links[0].impair.loss: found 0.1, expected a share such as 0.1%, at most 100%",
    ),
    "impair too much": (
        on_link("impair: {r2-r1: {loss: 101%}}"),
        "7: links[0].impair.r2-r1.loss: found '101%', expected a share such as 0.1%, at most 100%",
    ),
    "impair unknown": (
        on_link("impair: {los: 1%}"),
        "7: links[0].impair.los: unknown key, nearest is 'loss'",
    ),
    "impair unknown one way": (
        on_link("impair: {r1-r2: {los: 1%}}"),
        "7: links[0].impair.r1-r2.los: unknown key, nearest is 'loss'",
    ),
    "impair another's direction": (
        on_link("impair: {r1-h1: {loss: 1%}}"),
        "7: links[0].impair.r1-h1: found 'r1-h1', expected a direction of this link: r1-r2 or r2-r1",
    ),
    "group twice": (
        on_link("groups: [a, a]"),
        "7: links[0].groups: found a list, which names a twice, expected it once",
    ),
    "group name": (
        on_link('groups: ["a b"]'),
        "7: links[0].groups[0]: found 'a b', expected 1 to 32 letters, digits, - and _, "
        "starting with a letter or digit",
    ),
    # macsec
    "cipher": (
        on_link("macsec: {cipher: gcm-aes-999}"),
        f"7: links[0].macsec.cipher: found 'gcm-aes-999', expected one of {CIPHERS}",
    ),
    "keys mka": (
        on_link("macsec: {keys: mka}"),
        f"7: links[0].macsec.keys: found 'mka', which is {NOT_YET}, expected one of static",
    ),
    "keys": (
        on_link("macsec: {keys: dynamic}"),
        "7: links[0].macsec.keys: found 'dynamic', expected one of static",
    ),
    "validate": (
        on_link("macsec: {validate: null}"),
        '7: links[0].macsec.validate: found nothing, expected strict, check, disabled, or "null" in quotes',
    ),
    "offset of none": (
        on_link("macsec: {confidentiality_offset: 31}"),
        "7: links[0].macsec.confidentiality_offset: found 31, expected one of 0, 30, 50",
    ),
    "bypass": (
        on_link('macsec: {bypass: ["88cc"]}'),
        "7: links[0].macsec.bypass[0]: found '88cc', expected lldp, or an EtherType such as \"0x88cc\"",
    ),
    "bypass of EAPOL": (
        on_link('macsec: {bypass: [lldp, "0x888e"]}'),
        "7: links[0].macsec.bypass[1]: found '0x888e', which MACsec itself or EAPOL uses, "
        "expected another EtherType",
    ),
    "short salt": (
        on_link("macsec: {salt: 5a5a}"),
        f"7: links[0].macsec.salt: {HIDDEN}, expected a salt as 24 hex digits in quotes",
    ),
    "cak": (on_link("macsec: {cak: 00112233}"), f"7: links[0].macsec.cak: {NOT_YET}"),
    "ckn": (on_link("macsec: {ckn: 00112233}"), f"7: links[0].macsec.ckn: {NOT_YET}"),
    "replay_window": (
        on_link("macsec: {replay_window: -1}"),
        "7: links[0].macsec.replay_window: found -1, expected a whole number from 0 to 4294967295",
    ),
    "sak": (on_link("macsec: {sak: abcd}"), f"7: links[0].macsec.sak: {HIDDEN}, {SAK}"),
    "sak without a blank": (
        on_link(f"macsec: {{sak:{'5a' * 32}}}"),
        "7: links[0].macsec['sak...']: unknown key, expected one of cipher, keys, encrypt, "
        "confidentiality_offset, send_sci, end_station, validate, protect, replay_protect, replay_window, "
        "detect_duplicates, clear_tags, bypass, cipher_library, sak, salt, next_pn, peer_sci, cak, ckn",
    ),
    "password without a blank": (
        changed(3, "  r1: {bgp: password:hunter2}"),
        f"3: nodes.r1.bgp: {HIDDEN}, expected a mapping",
    ),
    "sak of digits": (on_link(f"macsec: {{sak: {'12' * 32}}}"), f"7: links[0].macsec.sak: {HIDDEN}, {SAK}"),
    "macsec on plain": (
        on_link("type: plain, macsec: {replay_window: 1}"),
        "7: links[0].macsec: found on a plain link, expected type macsec",
    ),
    # addresses
    "address of a stranger": (
        on_link("addresses: {h1: [10.0.0.1/24]}"),
        "7: links[0].addresses.h1: found 'h1', expected a node of this link: r1 or r2",
    ),
    "address without length": (
        on_link("addresses: {r1: [10.0.0.1]}"),
        f"7: links[0].addresses.r1[0]: found '10.0.0.1', {ADDRESS}",
    ),
    "address with zone": (
        on_link('addresses: {r1: ["fe80::1%eth0/64"]}'),
        f"7: links[0].addresses.r1[0]: found 'fe80::1%eth0/64', {ADDRESS}",
    ),
    "link-local address": (
        on_link('addresses: {r1: ["fe80::1/64"]}'),
        "7: links[0].addresses.r1[0]: found 'fe80::1/64', "
        "expected an address that is not link-local; every interface has one of those already",
    ),
    "multicast address": (
        on_link("addresses: {r1: [224.0.0.5/24]}"),
        "7: links[0].addresses.r1[0]: found '224.0.0.5/24', expected a unicast address",
    ),
    "network address": (
        on_link("addresses: {r1: [10.0.0.0/24]}"),
        "7: links[0].addresses.r1[0]: found '10.0.0.0/24', "
        "expected an address inside 10.0.0.0/24, not the subnet's own",
    ),
    "broadcast address": (
        on_link("addresses: {r1: [10.0.0.255/24]}"),
        "7: links[0].addresses.r1[0]: found '10.0.0.255/24', "
        "expected an address inside 10.0.0.0/24, not its broadcast address",
    ),
    "address twice": (
        on_link("addresses: {r1: [10.0.0.1/24], r2: [10.0.0.1/24]}"),
        "7: links[0].addresses.r2[0]: found '10.0.0.1/24', which r1 has already",
    ),
    "address used up": (
        on_link("addresses: {r1: [10.0.0.1/32]}"),
        "7: links[0]: no free address is left in 10.0.0.1/32 for the other end",
    ),
    "no prefix for a host": (
        on_r1(),
        "8: links[1]: r1 announces no prefix to plan addresses from, expected `announce` or `addresses`",
    ),
    "prefix too small": (
        on_r1("announce: [10.1.0.0/28]"),
        "8: links[1]: 10.1.0.0/28 of r1 is too small to plan a /24 from, expected `addresses`",
    ),
    "prefix used up": (
        changed(3, "  r1: {bgp: {asn: 64512, announce: [10.1.0.0/24]}}")
        + '  - {type: plain, endpoints: ["h1:eth1", "r1:lan2"]}\n',
        "9: links[2]: no free /24 is left in 10.1.0.0/24 for this link, expected `addresses`",
    ),
    # defaults: the line and path of the default, once
    "default": (
        PAIR + "defaults: {link: {macsec: {cipher: gcm}}}\n",
        f"9: defaults.link.macsec.cipher: found 'gcm', expected one of {CIPHERS}",
    ),
    "unknown default": (
        PAIR + "defaults: {links: {}}\n",
        "9: defaults.links: unknown key, nearest is 'link'",
    ),
    "misspelt default": (
        PAIR + "defaults: {link: {mcsec: x}}\n",
        "9: defaults.link.mcsec: unknown key, nearest is 'macsec'",
    ),
    # YAML
    "duplicate key": (PAIR + "name: pair\n", "9: name: duplicate key, first on line 1"),
    "merge key": (
        changed(5, "  h1: {<<: {mtu: 9000}}"),
        "5: nodes.h1.<<: found a merge key, which YAML 1.2 does not have; use `defaults`",
    ),
    "tag": (
        changed(5, "  h1: !!python/object:os.system {}"),
        "5: nodes.h1: found a YAML tag, expected a plain value",
    ),
    "list as key": (
        changed(5, "  ? [a]\n  : {}"),
        "5: nodes: found a list or mapping as a key, expected a name",
    ),
    "tab": ("name: x\n\tnodes: {}\n", "2: YAML syntax: found character '\\t' that cannot start any token"),
    "empty": ("", "1: found an empty file, expected a topology"),
    "two documents": ("name: x\n---\nname: y\n", "2: YAML syntax: but found another document"),
    "undefined alias": ("name: *hunter2\n", "1: YAML syntax: found undefined alias"),
    "anchor in itself": ("a: &a [*a]\n", "1: found more than 32 levels, expected fewer"),
}


@pytest.mark.parametrize(("text", "expected"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_names_place_found_and_expected(text: str, expected: str) -> None:
    assert refusals(text) == [f"t.yaml:{expected}"]


def test_all_problems_are_reported_at_once_in_line_order() -> None:
    text = PAIR.replace("name: pair", "name: PAIR").replace("h1: {}", "h1: {exec: a}")
    text = text.replace('"r2:eth1"', '"r2:eth1:"').replace("h1:eth0", "h2:eth0")
    assert [line.split(" ")[0] for line in refusals(text)] == [
        "t.yaml:1:",
        "t.yaml:5:",
        "t.yaml:7:",
        "t.yaml:8:",
    ]


def test_addresses_must_share_a_subnet() -> None:
    assert refusals(on_link("addresses: {r1: [10.0.0.1/24], r2: [10.0.1.2/24]}")) == [
        "t.yaml:7: links[0].addresses.r1[0]: found '10.0.0.1/24', "
        "expected a subnet of r2 on this link: 10.0.1.0/24",
        "t.yaml:7: links[0].addresses.r2[0]: found '10.0.1.2/24', "
        "expected a subnet of r1 on this link: 10.0.0.0/24",
    ]


def test_one_node_has_a_subnet_on_one_link_only() -> None:
    text = on_link("addresses: {r1: [10.0.0.1/24], r2: [10.0.0.2/24]}")
    text = text.replace('"r1:lan"]', '"r1:lan"], addresses: {h1: [10.0.0.130/25], r1: [10.0.0.129/25]}')
    assert refusals(text) == [
        "t.yaml:8: links[1].addresses.h1[0]: found '10.0.0.130/25', "
        "which overlaps 10.0.0.0/24 of links[0] on the same node r1",
        "t.yaml:8: links[1].addresses.r1[0]: found '10.0.0.129/25', "
        "which overlaps 10.0.0.0/24 of links[0] on the same node r1",
    ]


def test_different_passwords_on_one_link_are_refused_without_showing_them() -> None:
    text = PAIR.replace("asn: 64512", "password: alpha, asn: 64512").replace(
        "asn: 64513", "password: beta, asn: 64513"
    )
    assert refusals(text) == [
        "t.yaml:7: links[0]: r1 and r2 have different BGP passwords, expected the same or only one"
    ]
