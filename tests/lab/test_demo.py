"""The demo: both faults under traffic, measured, printed as documented, and nothing left."""

import json
import os
import signal
from pathlib import Path

import pytest
from netns_lab.directory import LabDirectory

from tests.lab.harness import interrupted, processes_of, quadlink, write_quad

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]


@pytest.fixture
def topology(tmp_path: Path) -> Path:
    return write_quad(tmp_path, f"d{os.getpid()}")


def test_the_demo_measures_both_faults_and_prints_one_document(topology: Path) -> None:
    answer = quadlink("demo", str(topology), "--format", "json")
    document = json.loads(answer.stdout)
    assert answer.returncode == 0, answer.stderr
    assert document["ok"] is True
    carrier, silent = document["faults"]
    assert (carrier["mode"], silent["mode"]) == ("carrier", "silent")
    for fault in document["faults"]:
        assert (
            set(fault["outage_ms"]) == set(fault["lost"]) == set(fault["flows"]) == {"aws->gcp", "gcp->aws"}
        )
        assert all(count > 0 for count in fault["flows"].values())
        times = [entry["t_ms"] for entry in fault["timeline"]]
        assert times == sorted(times)
        events = " ".join(entry["event"] for entry in fault["timeline"])
        assert fault["link"] in events
        for milestone in ("fault: ", "detected: ", "first packet on the new path: "):
            assert milestone in events
        assert "routes rewritten: " in events or "group replaced: " in events
        assert fault["plaintext"] == "none"
    assert all(lost > 0 for lost in silent["lost"].values())
    assert all(outage > carrier["outage_ms"][way] for way, outage in silent["outage_ms"].items())
    detections = [entry["event"] for entry in silent["timeline"] if entry["event"].startswith("detected")]
    assert all("BFD" in detection for detection in detections)
    assert any("loss of signal" in entry["event"] for entry in carrier["timeline"])


def test_an_interrupted_demo_leaves_nothing(topology: Path) -> None:
    demo = interrupted(signal.SIGINT, "failing", "demo", str(topology))
    assert demo.returncode == 128 + signal.SIGINT
    assert processes_of(topology.stem) == []
    assert not LabDirectory(topology.stem).path.exists()
    assert not list(Path("/run/netns").glob(f"{topology.stem}-*"))
