"""The JSON Schema of topology files takes what the reader takes, and refuses what an editor can refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from netns_lab import templates
from netns_lab.schema import topology_schema
from netns_lab.source import parse_source
from netns_lab.topology import TopologyError, parse_topology

SCHEMA = topology_schema()
# Every key that the format has, each with a value of every form it takes.
FULL = """\
name: full
engine: {workers: 2, busy_poll: true}
defaults:
  node: {mtu: 1500, env: {A: b}, sysctl: {net.ipv4.ip_default_ttl: 9}, bgp: {password: secret, bfd: false}}
  link: {type: macsec, peer: true, port: packet, mtu: 1400, macsec: {keys: static}, impair: {loss: 1%}}
groups: {facility-a: {mtu: 1400, cost: 10, impair: {delay: 5ms}}}
nodes:
  r1:
    kind: router
    mtu: 9000
    loopback: [10.255.0.9/32, "fd00:255::9/128"]
    env: {A: 1, B: two}
    sysctl: {net.ipv4.tcp_rmem: "4096 131072 6291456"}
    bgp:
      asn: 64512
      announce: [10.1.0.0/16, "fd01::/48"]
      password: secret
      hold_time: 3s
      daemon: exabgp
      profile: aws
      bfd: false
      graceful_restart: 120s
      neighbors:
        r2:
          import:
            - prefixes: [10.2.0.0/16 le 24, "fd02::/48"]
              communities: ["64513:666", graceful-shutdown]
              links: [ch2]
              action: accept
              local_preference: 200
              med: 5
              prepend: 2
              add_communities: [no-export]
              remove_communities: ["64513:666"]
          export: [{action: reject}]
          maximum_prefixes: {count: 1000, action: warn}
          next_hop_self: false
          route_reflector_client: false
  r2:
    groups: [facility-a]
    bgp:
      asn: 64513
      announce: [10.2.0.0/16]
      bfd: {interval: 10ms, multiplier: 3}
      neighbors: {r1: {maximum_prefixes: 10}}
  h1:
    kind: host
    exec: [date]
    services: [{name: web, cmd: httpd -f}]
    files: {/etc/app.conf: "key = value"}
  h2:
links:
  - name: ch1
    type: macsec
    endpoints: ["r1:eth1", "r2:eth.1"]
    addresses: {r1: [169.254.1.1/30], r2: [169.254.1.2/30]}
    mtu: 1400
    port: xdp
    peer: false
    macsec:
      cipher: gcm-aes-xpn-256
      keys: static
      encrypt: false
      confidentiality_offset: 0
      send_sci: false
      end_station: true
      validate: "null"
      protect: false
      replay_protect: true
      replay_window: 0
      detect_duplicates: true
      clear_tags: 2
      bypass: [lldp, "0x8809", 0x88F7]
      cipher_library: openssl
      sak: "SAK"
      salt: "SALT"
      next_pn: 4294967296
  - name: ch2
    endpoints: r1-r2
    impair:
      loss: 0.1%
      r1-r2: {loss: 2.5 %, loss_model: gilbert-elliott, enter_burst: 1%, leave_burst: 25%, loss_in_burst: 0}
      r2-r1: {delay: 5ms, jitter: 0, jitter_model: pareto, duplicate: none, reorder: 1%, reorder_frames: 3}
  - {endpoints: r1-r2, groups: [facility-a, b], impair: {corrupt: 0.01%, rate: 1.5gbit, queue: 256kB}}
  - {type: plain, endpoints: r1-h1}
  - {type: plain, endpoints: r2-h2}
  - {endpoints: ["h2:eth9", "ethernet:enp3s0"], macsec: {sak: "SAK", peer_sci: "02000000000A0001"}}
""".replace("SALT", "0e" * 12).replace("SAK", "0f" * 32)


def errors(text: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return [error.message for error in validator.iter_errors(parse_source(text, "t.yaml").plain())]


def keys_of(schema: Any) -> set[str]:  # noqa: ANN401 - any JSON
    """Every key that a schema knows by name, however deep."""
    if isinstance(schema, list):
        return set().union(*map(keys_of, schema))
    if not isinstance(schema, dict):
        return set()
    return set(schema.get("properties", {})).union(*map(keys_of, schema.values()))


def test_it_is_a_schema_itself() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", sorted(templates.SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_it_takes_the_topologies_that_ship(path: Path) -> None:
    assert errors(path.read_text()) == []


def test_it_takes_every_key_that_the_reader_takes() -> None:
    parse_topology(FULL)
    assert errors(FULL) == []
    missing = {key for key in keys_of(SCHEMA) if f"{key}:" not in FULL}
    assert missing == set(), "FULL must show every key"


WRONG = {
    "top key": ("links:", "link:"),
    "node key": ("kind: host", "knd: host"),
    "bgp key": ("asn: 64513", "asm: 64513"),
    "bfd": ("{interval: 10ms", "{interval: 10"),
    "term key": ("prepend: 2", "prepent: 2"),
    "prefix range": ("10.2.0.0/16 le 24", "10.2.0.0/16 lt 24"),
    "link key": ("peer: false", "pear: false"),
    "macsec key": ("replay_window: 0", "window: 0"),
    "defaults key": ("  link: {type", "  lnk: {type"),
    "announce among defaults": ("bgp: {password: secret, bfd", "bgp: {announce: [], bfd"),
    "impairment": ("loss: 0.1%", "los: 0.1%"),
    "impairment of a direction": ("{delay: 5ms", "{dely: 5ms"),
    "delay without unit": ("{delay: 5ms", "{delay: 5"),
    "key of a group": ("facility-a: {mtu", "facility-a: {mtv"),
    "group name": ("[facility-a, b", "['facility a', b"),
    "no asn": ("      asn: 64513\n", ""),
    "no endpoints": ("endpoints: r1-h1", "mtu: 1400"),
    "three ends": ('"r2:eth.1"', '"r2:eth.1", "r3:eth1"'),
    "no interface": ('"r2:eth.1"', "r2"),
    "one node": ("r1-h1", "r1"),
    "long interface": ("eth.1", "eth.123456789012"),
    "reserved node": ("h1:\n", "engine:\n"),
    "number as text": ("mtu: 9000", 'mtu: "9000"'),
    "mtu too small": ("mtu: 9000", "mtu: 1279"),
    "hold time without unit": ("hold_time: 3s", "hold_time: 3"),
    "short sak": ("0f0f", "0f"),
    "short salt": ("0e0e", "0e"),
    "offset": ("confidentiality_offset: 0", "confidentiality_offset: 31"),
    "EtherType": ('"0x8809"', '"0x09"'),
    "not supported yet": ("keys: static\n", "keys: mka\n"),
    "nothing behind a key": ("daemon: exabgp", "daemon:"),
    "no nodes": ("nodes:", "nodes: {}\nx:"),
    "machine-wide sysctl": ("net.ipv4.tcp_rmem", "vm.swappiness"),
    "relative file": ("/etc/app", "etc/app"),
    "service without a name": ("{name: web, cmd", "{cmd"),
    "lab name": ("name: full", "name: Full"),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_it_refuses_what_the_reader_refuses(change: tuple[str, str]) -> None:
    assert change[0] in FULL
    wrong = FULL.replace(*change, 1)
    with pytest.raises(TopologyError):
        parse_topology(wrong)
    assert errors(wrong) != []


def test_ranges_and_texts_with_units_are_described() -> None:
    def undescribed(schema: Any) -> list[Any]:  # noqa: ANN401 - any JSON
        if isinstance(schema, list):
            return [found for item in schema for found in undescribed(item)]
        if not isinstance(schema, dict):
            return []
        bare = schema.get("type") == "integer" and "description" not in schema
        return [schema] * bare + [found for item in schema.values() for found in undescribed(item)]

    assert undescribed(SCHEMA) == []
    assert "whole seconds" in SCHEMA["$defs"]["Bgp"]["properties"]["hold_time"]["description"]
