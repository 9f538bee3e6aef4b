"""The link benchmark: that every part runs and yields its figures, and what it computes and reads."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from netns_lab.directory import LabError
from netns_lab.planning import plan_lab
from netns_lab.topology import parse_topology

from bench.consumption import cpu_s, run_time_s
from bench.figures import Bound, figure
from bench.iperf import received_gbps
from bench.link import PARTS, run
from bench.link_effort import QUICK
from bench.link_impairment import mbps, p99_error_us
from bench.link_lab import topology
from bench.one_way import highest_rate
from bench.sampling import in_turn
from dataplane.probes.histogram import HIGHEST_NS, SLOTS, Histogram


@pytest.mark.lab
@pytest.mark.parametrize("part", PARTS)
def test_every_part_runs_and_holds_its_figures_against_goals(part: str) -> None:
    if missing := [command for command in PARTS[part].commands if shutil.which(command) is None]:
        pytest.skip(f"needs {' and '.join(missing)}, which cannot be installed here")
    figures = run(lambda text: None, [part], QUICK)
    names = [figure.name for figure in figures]
    assert len(set(names)) == len(names)
    assert {figure.reference for figure in figures} - {None} <= set(names)
    assert all(figure.samples for figure in figures)
    assert part == "latency" or any(figure.goal is not None for figure in figures)
    assert all((figure.met is None) == (figure.goal is None) for figure in figures)


def test_an_unknown_part_is_refused_with_those_there_are() -> None:
    with pytest.raises(LabError, match="no part tpc; its parts are tcp, tcp-delay, "):
        run(lambda text: None, ["tcp", "tpc"], QUICK)


def test_a_command_that_is_missing_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda command: None)
    with pytest.raises(LabError, match="apt-get install iperf3 wireguard-go wireguard-tools"):
        run(lambda text: None, ["tcp"], QUICK)


def test_what_iperf3_says_is_read() -> None:
    ended = {"end": {"sum_sent": {"bits_per_second": 9e9}, "sum_received": {"bits_per_second": 4.5e9}}}
    assert received_gbps(ended) == 4.5
    with pytest.raises(LabError, match="iperf3 failed: unable to connect"):
        received_gbps({"error": "unable to connect", **ended})
    with pytest.raises(LabError, match="no result"):
        received_gbps({})


def test_the_lab_is_a_topology_with_the_links_asked_for() -> None:
    links: dict[str, dict[str, object]] = {"one": {}, "two": {"impair": {"loss": "1%"}}}
    text = topology(links, {}, {"sysctl": {"net.ipv4.ip_forward": "0"}})
    lab = parse_topology(text)
    assert [(link.name, link.type) for link in lab.links] == [("one", "macsec"), ("two", "macsec")]
    assert [impairment.loss for impairment in plan_lab(lab, bytes).links[1].impairments] == [0.01, 0.01]
    assert {endpoint.node for link in lab.links for endpoint in link.endpoints} == {"a", "b"}


@pytest.mark.parametrize(
    ("bound", "goal", "met"),
    [
        ("at most", 4, True),
        ("at least", 5, False),
        ("ratio at most", 1.9, False),
        ("ratio at least", 2, True),
    ],
)
def test_a_goal_bounds_the_median_or_its_ratio(bound: Bound, goal: float, met: bool) -> None:
    held = figure("held", "us", [9, 4, 1], goal, bound, figure("reference", "us", [2]))
    assert (held.value, held.ratio, held.met) == (4, 2, met)


def test_a_ratio_to_nothing_meets_no_goal() -> None:
    held = figure("held", "us", [1], 2, "ratio at most", figure("reference", "us", [0]))
    assert (held.ratio, held.met) == (None, False)


def test_measurements_are_taken_in_turn() -> None:
    taken: list[str] = []

    def take(name: str) -> int:
        taken.append(name)
        return len(taken)

    assert in_turn({"a": lambda: take("a"), "b": lambda: take("b")}, 2) == {"a": [1, 3], "b": [2, 4]}
    assert taken == ["a", "b", "a", "b"]


def test_run_time_is_what_all_threads_of_a_process_took() -> None:
    code = (
        "import signal, threading, time\n"
        "def burn():\n"
        "    while time.thread_time() < 0.2: pass\n"
        "    print(flush=True)\n"
        "    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})\n"
        "    signal.sigwait({signal.SIGUSR1})\n"
        "for _ in range(2): threading.Thread(target=burn).start()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            process.stdout.readline()
            assert 0.4 <= run_time_s(process.pid) <= cpu_s([process.pid]) + 0.1
        finally:
            process.kill()


def test_the_delay_error_is_the_distance_that_99_percent_keep() -> None:
    counts = np.zeros(SLOTS, np.uint64)
    for time_ns, times in ((10_000_000, 97), (9_800_000, 2), (12_000_000, 1)):
        counts[int(np.searchsorted(HIGHEST_NS, time_ns))] += times
    assert p99_error_us(Histogram(counts), 10_000) == pytest.approx(200, abs=10)
    assert p99_error_us(Histogram(counts), 9_900) == pytest.approx(100, abs=10)


def test_a_rate_is_that_of_the_frames_behind_the_first() -> None:
    arrivals_ns = np.array([5_000, 17_000, 29_000], np.int64)
    assert mbps(arrivals_ns, 1500) == pytest.approx(1000)


def test_the_highest_rate_carried_is_found() -> None:
    assert highest_rate(lambda rate: rate <= 123_456, 1000, 1_000_000, 20) == pytest.approx(123_456, rel=1e-3)
    assert highest_rate(lambda rate: False, 1000, 1_000_000, 20) == 1000
