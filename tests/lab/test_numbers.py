"""Live numbers: rates in `inspect links`, and what `metrics` answers while a lab breaks and comes back."""

import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.lab.harness import QUADLINK, Lab, quadlink
from tests.lab.two_hosts import DATAGRAMS, cross, two_hosts, up
from tests.waiting import eventually

pytestmark = pytest.mark.lab

SEND = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


@contextmanager
def exporter() -> Iterator[str]:
    """The URL that `metrics` answers at, for the time of a block."""
    command = [str(QUADLINK), "metrics", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        yield process.stderr.readline().removeprefix("metrics: ").strip()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


def scrape(url: str, lab: str) -> Series:
    """Every series of a lab."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, frozenset(sample.labels.items() - {("lab", lab)})): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels["lab"] == lab
    }


def of(series: Series, name: str, **labels: str) -> float | None:
    """The one with these labels; None where there is none."""
    found = [
        value
        for (each, its), value in series.items()
        if each == f"quadlink_{name}" and labels.items() <= dict(its).items()
    ]
    assert len(found) <= 1, f"{name} {labels}"
    return found[0] if found else None


def test_metrics_follow_a_lab_that_breaks_ends_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / f"n{os.getpid()}.yaml"
    links = {"ch1": "{}", "ch2": "{}, impair: {delay: 5s}"}
    with two_hosts(path, links) as lab, exporter() as url:
        assert cross(lab, "ch1") == DATAGRAMS
        there = {"link": "ch1", "direction": "a->b"}
        series = scrape(url, lab.name)
        (told,) = (way for way in lab.link("ch1")["directions"] if way["from"] == "a")
        frames = of(series, "link_frames_total", **there)
        assert frames is not None
        assert DATAGRAMS <= frames <= told["rx_frames"]
        assert of(series, "link_latency_seconds_count", **there)
        assert of(series, "link_carrier", link="ch1", node="b") == 1
        assert (
            of(series, "macsec_counter_total", link="ch1", node="a", counter="OutPktsEncrypted") or 0
        ) >= 3
        for process in ("engine", "guard", "controller"):
            assert of(series, "process_up", process=process) == 1

        far = lab.plan.link("ch2").ends[1].addresses[0].partition("/")[0]
        sent = lab.run(
            "exec", "a", "--", "python3", "-c", f"{SEND} [s.sendto(b'', ('{far}', 9)) for _ in 'abc']"
        )
        assert sent.returncode == 0, sent.stderr
        # What has to find out the neighbor first is on the link for five seconds.
        eventually(lambda: of(scrape(url, lab.name), "link_queue_frames", link="ch2", direction="a->b"), 20)
        eventually(lambda: lab.link("ch2")["directions"][0]["queue_octets"], 20)

        lab.run("fail", "link", "ch1")
        eventually(lambda: of(scrape(url, lab.name), "link_carrier", link="ch1", node="b") == 0)
        assert of(scrape(url, lab.name), "link_carrier", link="ch2", node="b") == 1

        text = path.read_text()
        path.write_text("".join(line for line in text.splitlines(True) if "ch1" not in line))
        assert quadlink("up", str(path)).returncode == 0
        series = scrape(url, lab.name)  # the plan has changed
        assert of(series, "link_carrier", link="ch1", node="b") is None
        assert of(series, "link_carrier", link="ch2", node="b") == 1

        controller = lab.json("inspect", "links")["pids"]["controller"]
        os.kill(controller, signal.SIGSTOP)
        try:
            series = scrape(url, lab.name)
        finally:
            os.kill(controller, signal.SIGCONT)
        assert of(series, "process_up", process="controller") == 0
        assert of(series, "link_carrier", link="ch2", node="b") == 1

        os.kill(lab.json("inspect", "links")["pids"]["engine"], signal.SIGKILL)
        eventually(lambda: of(scrape(url, lab.name), "process_up", process="engine") == 0)
        assert of(scrape(url, lab.name), "link_carrier", link="ch2", node="b") is None
        assert quadlink("down", "--name", lab.name).returncode == 0
        assert scrape(url, lab.name) == {}
        lab = up(path, {"ch1": "{}"})
        assert of(scrape(url, lab.name), "link_carrier", link="ch1", node="b") == 1


def test_sessions_and_prefixes_are_counted_and_links_tell_rates(quad: Lab) -> None:
    with exporter() as url:
        series = scrape(url, quad.name)
    sessions = [value for (name, _), value in series.items() if name == "quadlink_bgp_session_up"]
    assert sessions == [1] * 16
    assert of(series, "bgp_session_prefixes", node="aws", link="ch1", neighbor="169.254.1.1") == 1
    # Keepalives and probes of the kernel are enough for a rate.
    eventually(lambda: quad.link("ch1")["directions"][0]["frames_per_s"], 20)
    eventually(lambda: quad.link("ch1")["directions"][0]["latency_us"], 20)
    assert quad.link("ch1")["directions"][1]["rate_mbps"] is not None
    table = quad.run("inspect", "links").stdout.splitlines()
    assert "frames/s" in table[0]
    assert quadlink("metrics", "--once", "--name", quad.name).stdout.startswith("# HELP quadlink_process_up ")
