"""A lab whose two hosts are joined outside of it: each has a MACsec link to a device of the machine."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from netns_lab.planning import plan_lab
from netns_lab.topology import parse_topology

from dataplane.macsec.ledger import Ledger
from dataplane.macsec.sak import Sak
from tests.lab.harness import Lab, lab_of, quadlink
from tests.lab.two_hosts import DATAGRAMS, datagrams_cross

pytestmark = pytest.mark.lab

NAME = f"raw{os.getpid()}"
DEVICES = {"a": f"ra{os.getpid()}", "b": f"rb{os.getpid()}"}
SAK = Sak(os.urandom(32))
"""Fresh, so that no two runs of this test meet in the ledger."""


def topology(peer_scis: dict[str, str]) -> str:
    lines = [f"name: {NAME}", "nodes: {a: {}, b: {}}", "links:"]
    for node, number in (("a", 1), ("b", 2)):
        lines += [
            f'  - name: out-{node}\n    endpoints: ["{node}:eth1", "ethernet:{DEVICES[node]}"]',
            f"    addresses: {{{node}: [192.0.2.{number}/24]}}\n    mtu: 1468",
            f"    macsec: {{sak: '{SAK.key.hex()}', peer_sci: '{peer_scis[node]}'}}",
        ]
    return "\n".join(lines) + "\n"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Up; each end is told the SCI that is planned for the other."""
    unknown = parse_topology(topology(dict.fromkeys(DEVICES, "0" * 16)))
    scis = {
        link.ends[0].node: bytes.fromhex(link.ends[0].mac.replace(":", "")) + b"\0\1"
        for link in plan_lab(unknown, os.urandom).links
    }
    path = tmp_path / f"{NAME}.yaml"
    path.write_text(topology({"a": scis["b"].hex(), "b": scis["a"].hex()}))
    subprocess.run(["ip", "link", "add", DEVICES["a"], "type", "veth", "peer", DEVICES["b"]], check=True)
    try:
        for device in DEVICES.values():
            Path(f"/proc/sys/net/ipv6/conf/{device}/disable_ipv6").write_text("1")
            subprocess.run(["ip", "link", "set", device, "up"], check=True)
        with lab_of(path) as lab:
            yield lab
    finally:
        subprocess.run(["ip", "link", "delete", DEVICES["a"]], check=True)
        for sci in scis.values():
            Ledger().file(SAK, sci, None).unlink(missing_ok=True)


def test_two_hosts_meet_over_macsec_outside_the_lab(lab: Lab) -> None:
    assert datagrams_cross(lab, lab.plan.link("out-a").ends[0], lab.plan.link("out-b").ends[0]) == DATAGRAMS
    secys = {secy["node"]: secy for secy in lab.json("inspect", "macsec")["secys"]}
    for node in ("a", "b"):
        assert secys[node]["counters"]["InPktsOK"] > 0
        assert lab.carriers(f"out-{node}") == [True, None]
    assert re.search(r"ethernet:\S+ +up +up/- ", lab.run("inspect", "links").stdout)
    assert "ethernet:" in lab.run("graph").stdout
    quadlink("down", "--name", NAME)
    for device in DEVICES.values():
        shown = subprocess.run(
            ["ip", "-d", "link", "show", device], capture_output=True, text=True, check=True
        )
        assert "xdp" not in shown.stdout
        assert "promiscuity 0" in shown.stdout
