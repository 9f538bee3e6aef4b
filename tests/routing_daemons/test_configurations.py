"""What BIRD and FRR are told: the whole of it for one router that has everything, and that both accept it."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from netns_lab.debian_packages import PackagesUnavailable, fetch_program
from netns_lab.plan import InteriorRoute, LabPlan, NextHop
from netns_lab.planning import plan_lab
from netns_lab.routing_daemons.bird import bird_configuration
from netns_lab.routing_daemons.frr import frr_configurations
from netns_lab.topology import load_topology

EXPECTED = Path(__file__).with_name("expected")
TOPOLOGY = """
name: golden
nodes:
  r1: {bgp: {asn: 64512, announce: [10.1.0.0/16], password: secret}}
  r2:
    bgp:
      daemon: DAEMON
      asn: 64513
      announce: [10.2.0.0/16, "fd02::/48"]
      hold_time: 9s
      bfd: {interval: 300ms, multiplier: 5}
      neighbors:
        r1:
          maximum_prefixes: 100
          import:
            - prefixes: ["10.1.0.0/16 ge 20 le 24", "fd01::/48 le 64"]
              communities: ["64512:666"]
              action: reject
            - {prefixes: ["10.1.0.0/16"], local_preference: 200, med: 5, prepend: 2,
               add_communities: ["64513:1"], remove_communities: ["64512:1", "64512:2"]}
          export:
            - {prefixes: ["fd02::/48"], med: 10}
        r3: {maximum_prefixes: {count: 5, action: warn}}
  r3: {bgp: {asn: 64514, announce: [10.3.0.0/16], password: other, bfd: false}}
links:
  - name: ch1
    endpoints: ["r1:ch1", "r2:ch1"]
    addresses: {r1: [169.254.1.1/30, "fd00:1::1/64"], r2: [169.254.1.2/30, "fd00:1::2/64"]}
  - name: ch3
    endpoints: ["r3:ch3", "r2:ch3"]
    addresses: {r3: [169.254.3.1/30], r2: [169.254.3.2/30]}
"""


def _plan(folder: Path, daemon: str) -> LabPlan:
    path = folder / "golden.yaml"
    path.write_text(TOPOLOGY.replace("DAEMON", daemon))
    return plan_lab(load_topology(path), bytes)


def _expect(name: str, text: str) -> None:
    assert text == (EXPECTED / name).read_text()


def test_bird_is_told_all_that_a_router_is_to_do(tmp_path: Path) -> None:
    plan = _plan(tmp_path, "bird")
    interior = InteriorRoute(
        "10.255.0.9/32", (NextHop("169.254.1.1", "ch1"), NextHop("169.254.3.1", "ch3")), 20
    )
    text = bird_configuration(plan, replace(plan.node("r2"), interior=(interior,)))
    _expect("bird.conf", text)
    _accepts("sbin/bird", "bird2", ["-p", "-c"], tmp_path / "bird.conf", text)


def test_the_daemons_of_frr_are_told_all_that_a_router_is_to_do(tmp_path: Path) -> None:
    plan = _plan(tmp_path, "frr")
    texts = frr_configurations(plan, plan.node("r2"))
    assert list(texts) == ["zebra", "staticd", "bfdd", "bgpd"]
    _expect("frr.conf", "".join(f"! {name}\n{text}" for name, text in texts.items()))
    _accepts("lib/frr/bgpd", "frr", ["-S", "-C", "-f"], tmp_path / "bgpd.conf", texts["bgpd"])


def _accepts(program: str, package: str, arguments: list[str], path: Path, text: str) -> None:
    """Has the program itself read a configuration, without running it."""
    path.write_text(text)
    try:
        found = fetch_program(program, package)
    except PackagesUnavailable as missing:
        pytest.skip(f"needs Debian's package {package}: {missing}")
    done = subprocess.run(
        [found.path, *arguments, str(path)],
        env=dict(found.environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "error" not in (done.stdout + done.stderr).lower()
