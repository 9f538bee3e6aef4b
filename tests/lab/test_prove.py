"""A proof of a lab with a link that does less than the graph says: what survives, what parts, the finding."""

import json
import signal
import subprocess
from pathlib import Path

import pytest
from netns_lab.completion import lab_names
from netns_lab.proof.run import lab_name

from tests.lab.harness import QUADLINK, processes_of, quadlink
from tests.waiting import eventually

pytestmark = pytest.mark.lab

# ch2 is the spare. r2 does not forward what comes over it in IPv4, which neither BGP nor BFD can see.
MISMODELLED = """\
name: spare
nodes:
  r1: {bgp: {asn: 64512, announce: [10.1.0.0/16, "fd01::/48"], neighbors: {r2: {import: [&spare {links: [ch2], local_preference: 50}]}}}}
  r2:
    bgp: {asn: 64513, announce: [10.2.0.0/16, "fd02::/48"], neighbors: {r1: {import: [*spare]}}}
    exec: [echo 0 > /proc/sys/net/ipv4/conf/ch2/forwarding]
  h1: {}
  h2: {}
links:
  - {name: ch1, endpoints: ["r1:ch1", "r2:ch1"]}
  - {name: ch2, endpoints: ["r1:ch2", "r2:ch2"]}
  - {name: lan1, type: plain, endpoints: ["r1:lan", "h1:eth0"]}
  - {name: lan2, type: plain, endpoints: ["r2:lan", "h2:eth0"]}
"""  # noqa: E501


def test_a_link_that_carries_less_than_the_graph_says_is_a_finding(tmp_path: Path) -> None:
    file = tmp_path / "spare.yaml"
    file.write_text(MISMODELLED)
    answer = quadlink("prove", str(file), "--observe", "300ms", "--format", "json", timeout_s=110)
    assert answer.returncode == 1, answer.stderr
    proof = json.loads(answer.stdout)
    by_failure = {verdict["failure"]: verdict for verdict in proof["verdicts"]}
    assert len(by_failure) == 1 + 4 + 2
    assert by_failure["none"]["survived"]
    assert by_failure["link ch2"]["survived"]
    assert by_failure["link ch1"]["findings"] == ["h1 to h2 (ipv4): predicted to be reachable, but dark"]
    assert proof["findings"] == 1
    assert proof["partitioning"] == ["link lan1", "link lan2", "router r1", "router r2"]
    assert {"source": "h2", "destination": "h1", "family": "ipv6"} in by_failure["router r1"]["partitioned"]


def test_an_interruption_ends_labs_that_are_being_built(tmp_path: Path) -> None:
    file = tmp_path / "early.yaml"
    file.write_text(MISMODELLED.replace("name: spare", "name: early"))
    command = [str(QUADLINK), "prove", str(file), "--jobs", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as run:
        labs = [lab_name("early", run.pid, number) for number in range(2)]
        eventually(lambda: any(map(processes_of, labs)), 60)
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=30)
    assert run.returncode == 128 + signal.SIGINT
    assert "prove: ending the trials, removing their labs" in said
    assert not any(map(processes_of, labs))
    assert not {*labs} & {*lab_names()}
