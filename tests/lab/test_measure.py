"""`measure` and `timeline`: one fault under probes, told, drawn, kept and drawn again."""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from netns_lab.kernel_forwarding import read_forwarding

from tests.lab.harness import Lab, interrupted, lab_of, quadlink
from tests.waiting import eventually

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

# What crosses c3 is protected and can be read.
TRIPLE = """
name: {name}
nodes:
  west: {{bgp: {{asn: 64512, announce: [10.1.0.0/16, "fd01::/48"]}}}}
  east: {{bgp: {{asn: 64513, announce: [10.2.0.0/16, "fd02::/48"]}}}}
  w: {{}}
  e: {{}}
links:
  - {{name: c1, endpoints: ["west:c1", "east:c1"]}}
  - {{name: c2, endpoints: ["west:c2", "east:c2"]}}
  - {{name: c3, endpoints: ["west:c3", "east:c3"], macsec: {{encrypt: false}}}}
  - {{name: wl, type: plain, endpoints: ["west:lan", "w:eth0"]}}
  - {{name: el, type: plain, endpoints: ["east:lan", "e:eth0"]}}
"""


@pytest.fixture
def triple(tmp_path: Path) -> Iterator[Lab]:
    path = tmp_path / f"m{os.getpid()}.yaml"
    path.write_text(TRIPLE.format(name=path.stem))
    with lab_of(path) as lab:
        yield lab


def test_a_fault_is_measured_told_healed_kept_and_drawn_again(triple: Lab, tmp_path: Path) -> None:
    eventually(lambda: triple.paths("west", "fd02::/48") == 3)
    forwarding = read_forwarding(triple.plan, ["10.2.0.2", "10.9.9.9", "10.1.0.2"])
    assert set(forwarding["west", "10.2.0.2"]) == {"c1", "c2", "c3"}
    assert forwarding["west", "10.9.9.9"] == ()
    assert forwarding["east", "10.2.0.2"] == ("lan",)

    kept = tmp_path / "kept"
    report = triple.json("measure", "link", "c1", "--observe", "1s", "--save", str(kept))
    assert report["survived"]
    assert report["uncovered"] == []
    carried = Counter((it["way"], it["family"], *it["path_before"]) for it in report["each_flow"])
    assert len(carried) == 2 * 2 * 3
    assert min(carried.values()) >= 3
    for way in report["ways"]:
        assert (way["links_before"], way["links_after"]) == (["c1", "c2", "c3"], ["c2", "c3"])
        assert way["hit"] >= 6
        assert way["outage_ms"]["max"] < 1000
        assert way["latency_us"]["before"]["p50"] > 0
    steps = [milestone["step"] for milestone in report["timeline"]]
    assert {"fault", "detected", "group replaced", "first packet on the new path"} <= set(steps)
    assert report["prefixes"] == 2
    assert report["host"]["jitter_ms"] > 0
    assert list(report["plaintext"]) == ["c3"]
    assert triple.established() == 12

    assert {file.name for file in kept.iterdir()} >= {"recording.json", "packets.npz", "timeline.png"}
    (kept / "timeline.svg").unlink()
    again = quadlink("timeline", str(kept), "--format", "json")
    assert json.loads(again.stdout) == report
    assert "c1 failed (carrier)" in (kept / "timeline.svg").read_text()

    unknown = triple.run("measure", "link", "c9")
    assert (unknown.returncode, "c9" in unknown.stderr) == (2, True)
    cut_off = triple.run("measure", "link", "el", "--observe", "500ms")
    assert cut_off.returncode == 0, cut_off.stderr
    assert "partitioned: w to e (ipv4)" in cut_off.stdout

    triple.run("fail", "link", "c2", "--mode", "silent")
    refused = triple.run("measure", "link", "c1")
    assert refused.returncode == 2
    assert "has failures already: link c2 (silent); `quadlink heal" in refused.stderr
    triple.run("heal")
    eventually(lambda: triple.paths("west", "fd02::/48") == 3, 20)
    triple.run("fail", "link", "c1", "--mode", "brownout", "delay=2ms")
    run = interrupted(signal.SIGINT, "flows under way", "measure", "link", "c1", "--name", triple.name)
    assert run.returncode == 128 + signal.SIGINT
    assert [(it["name"], it["mode"]) for it in triple.ask("faults")["faults"]] == [("c1", "brownout")]
