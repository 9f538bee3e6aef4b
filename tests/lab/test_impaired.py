"""Impaired links under probes: what is lost is the same in two runs, a delay is there, a rate is kept."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from dataplane.probes.flows import Flow
from dataplane.probes.load import Load
from dataplane.probes.records import ProbeRecords
from dataplane.probes.session import ProbeSession
from tests.lab.harness import Lab, brought_up, quadlink

pytestmark = pytest.mark.lab

IMPAIRMENTS = {
    "lossy": "{a-b: {loss: 5%}}",
    "bursty": "{loss_model: gilbert-elliott, enter_burst: 2%, leave_burst: 20%}",
    "late": "{a-b: {delay: 20ms, jitter: 5ms}}",
    "narrow": "{rate: 10mbit, queue: 10ms}",
}
PACKETS_PER_S = 2000
SIZE_OCTETS = 1000
ON_THE_WIRE = 14 + 20 + 8 + SIZE_OCTETS + 32
"""Ethernet, IPv4 and UDP headers, SecTAG and ICV."""


def up(path: Path) -> Lab:
    """Two hosts and a link for each impairment, on which no node says anything by itself."""
    quiet = "{sysctl: {net.ipv6.conf.default.disable_ipv6: 1}}"
    lines = [f"name: {path.stem}", f"nodes: {{a: {quiet}, b: {quiet}}}", "links:"]
    for number, (link, impairment) in enumerate(IMPAIRMENTS.items()):
        addresses = f"{{a: [10.9.{number}.1/30], b: [10.9.{number}.2/30]}}"
        lines.append(f"  - {{name: {link}, endpoints: a-b, addresses: {addresses}, impair: {impairment}}}")
    path.write_text("\n".join(lines) + "\n")
    return brought_up(path)


def send(lab: Lab, link: str) -> ProbeRecords:
    """Half a second of numbered packets from a to b, and nothing else on the link."""
    a, b = lab.plan.link(link).ends
    spaces = [lab.plan.node(end.node).namespace for end in (a, b)]
    there, here = (end.addresses[0].partition("/")[0] for end in (b, a))
    neighbor = ["neigh", "replace", there, "lladdr", b.mac, "dev", a.name, "nud", "permanent"]
    subprocess.run(["ip", "-n", spaces[0], *neighbor], check=True)
    flow = Flow(0, "a-b", 4, spaces[0], here, spaces[1], there, 22000, 23000)
    load = Load(packets_per_s=PACKETS_PER_S, size_octets=SIZE_OCTETS, duration_s=0.5)
    with ProbeSession([flow], load) as session:
        assert session.wait(20)
        return session.stop()


def lost(records: ProbeRecords) -> list[int]:
    return sorted({*records.sent["sequence"].tolist()} - {*records.received["sequence"].tolist()})


def test_the_same_packets_are_lost_in_two_runs_and_delay_and_rate_are_there(tmp_path: Path) -> None:
    path = tmp_path / f"i{os.getpid()}.yaml"
    runs = []
    try:
        for _ in range(2):
            lab = up(path)
            runs.append([lost(send(lab, link)) for link in ("lossy", "bursty")])
            if len(runs) == 1:
                expect_delay(send(lab, "late"))
                expect_rate(send(lab, "narrow"))
            assert lab.run("down").returncode == 0
    finally:
        quadlink("down", "--name", path.stem)
    assert runs[0] == runs[1]
    lossy, bursty = runs[0]
    assert 20 < len(lossy) < 100
    assert lossy != bursty
    assert np.mean(np.diff(bursty) == 1) > 0.5


def expect_delay(records: ProbeRecords) -> None:
    took_ns = records.received["rx_ns"].astype(np.int64) - records.received["tx_ns"].astype(np.int64)
    assert lost(records) == []
    assert took_ns.min() >= 15_000_000
    assert records.received["sequence"].tolist() == records.sent["sequence"].tolist()


def expect_rate(records: ProbeRecords) -> None:
    """What came is what the line can carry in the time, and what waited."""
    sent_s = float(records.sent["tx_ns"][-1] - records.sent["tx_ns"][0]) / 1e9
    carried_s = len(records.received) * ON_THE_WIRE * 8 / 10e6
    assert 0.7 * sent_s < carried_s < 1.1 * sent_s
