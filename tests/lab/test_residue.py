"""Whatever ends `up`, and wherever: nothing of the lab is left, after SIGKILL once `gc` was there."""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from netns_lab.builder import running_lab
from netns_lab.directory import LabDirectory
from netns_lab.garbage import collect
from netns_lab.teardown import bring_down

from tests.lab.harness import processes_of, quadlink
from tests.lab.interrupting import Outcome
from tests.lab.look_alikes import look_alikes
from tests.lab.machine import machine_state
from tests.waiting import eventually

pytestmark = pytest.mark.lab

TOPOLOGY = """
name: {name}
nodes:
  a: {{bgp: {{asn: 64512, announce: [10.1.0.0/16]}}, exec: ["true"]}}
  b: {{bgp: {{asn: 64513, announce: [10.2.0.0/16]}}, files: {{/etc/quadlink-test: "x"}}}}
  h: {{}}
links:
  - {{name: ab, endpoints: ["a:ab", "b:ab"]}}
  - {{name: lan, type: plain, endpoints: ["h:eth0", "a:lan"]}}
"""
SPREAD = 6
"""How many of all steps the normal run tries for a signal."""


Run = Callable[[str], Outcome]
READY_TIMEOUT_S = 30.0
PAGE_OCTETS = os.sysconf("SC_PAGE_SIZE")
LEAK_OCTETS = 10_000
"""Of Python objects, in a round."""
RESIDENT_GROWTH_OCTETS = 2 << 20


@pytest.fixture(scope="module")
def topology(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small lab's file; the lab has the file's name."""
    path = tmp_path_factory.mktemp("topologies") / f"r{os.getpid()}.yaml"
    path.write_text(TOPOLOGY.format(name=path.stem))
    yield path
    quadlink("down", "--name", path.stem)  # of a test that ended in the middle


@contextmanager
def interrupting(topology: Path, number: signal.Signals) -> Iterator[Run]:
    """Runs `up` for each step it is given and sends it the signal there: see tests/lab/interrupting.py."""
    command = [sys.executable, "-m", "tests.lab.interrupting", str(topology), str(int(number))]
    log = topology.with_suffix(".log")
    with (
        log.open("wb") as said,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True
        ) as program,
    ):
        questions, answers = program.stdin, program.stdout
        assert questions is not None
        assert answers is not None

        def run(step: str) -> Outcome:
            questions.write(f"{step}\n")
            questions.flush()
            return Outcome(**json.loads(answers.readline()))

        yield run
        questions.close()


@pytest.fixture(scope="module")
def steps(topology: Path) -> list[str]:
    """Every step of an `up` that nothing interrupts."""
    with interrupting(topology, signal.SIGINT) as run:
        found = run("")
    bring_down(LabDirectory(topology.stem))
    assert found.status == 0
    return found.steps


def test_every_part_that_builds_a_lab_has_steps(steps: list[str]) -> None:
    parts = {step.split(":")[0] for step in steps}
    assert parts >= {"builder", "directory", "claim", "namespaces", "daemons", "node_network", "node_files"}
    assert len(steps) > 300


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name
)
@pytest.mark.parametrize(
    "every",
    [False, pytest.param(True, marks=[pytest.mark.long, pytest.mark.timeout(7200)])],
    ids=["some", "every"],
)
def test_up_that_ends_at_any_step_leaves_nothing(
    topology: Path, steps: list[str], number: signal.Signals, every: bool
) -> None:
    directory = LabDirectory(topology.stem)
    handed_over = next(index for index, step in enumerate(steps) if step.startswith("teardown:"))
    chosen = range(len(steps)) if every else range(number % SPREAD, len(steps), len(steps) // SPREAD)
    before = machine_state(directory.name)
    ends = {128 + number} if number != signal.SIGKILL else {-number}
    came = 0
    with interrupting(topology, number) as run:
        for index in chosen:
            outcome = run(steps[index])
            came += bool(outcome.steps)
            if index < handed_over and outcome.steps:
                assert outcome.status in ends, steps[index]
            if number == signal.SIGKILL:
                kept = directory.kept.exists()
                collect()
                assert directory.path.exists() == kept, steps[index]
            if outcome.status == 0 or directory.kept.exists():
                bring_down(directory)
            assert machine_state(directory.name) - before == set(), steps[index]
    assert came > len(chosen) * 3 // 4


def test_the_dead_go_and_the_living_and_the_foreign_stay(topology: Path, tmp_path: Path) -> None:
    """Two labs at once, of names that begin alike, among what only looks like theirs."""
    name = topology.stem
    living, dead = LabDirectory(name), LabDirectory(f"{name}-b")
    second = tmp_path / "second.yaml"
    second.write_text(TOPOLOGY.format(name=dead.name))
    with look_alikes(name) as processes:
        try:
            before = machine_state(name)
            assert quadlink("up", str(topology)).returncode == 0
            one_lab = machine_state(name)
            assert quadlink("up", str(second)).returncode == 0
            assert quadlink("gc").stdout == "nothing to remove\n"
            kill_all_of(dead.name)
            eventually(lambda: "no process of lab" in quadlink("--name", dead.name, "inspect").stderr)
            answer = quadlink("inspect", "--name", dead.name)
            assert (answer.returncode, answer.stdout) == (2, "")
            assert "`quadlink gc` removes what remains" in answer.stderr
            removed = json.loads(quadlink("gc", "--format", "json").stdout)["removed"]
            assert {part["lab"] for part in removed} == {dead.name}
            assert {f"{dead.name}-{node}" for node in "abh"} | {str(dead.path)} <= {
                part["what"] for part in removed
            }
            assert machine_state(name) == one_lab
            assert quadlink("inspect", "--name", name).returncode == 0
            assert quadlink("ping-all", "--name", name).returncode == 0
            assert quadlink("down", "--name", name).returncode == 0
            assert machine_state(name) == before
            assert [process.poll() for process in processes] == [None] * len(processes)
        finally:
            bring_down(living)
            bring_down(dead)


def kill_all_of(name: str) -> None:
    """Guard and controller start each other, so one look is not enough."""
    while pids := processes_of(name):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class Held(NamedTuple):
    """What this process holds: open descriptors, threads, octets of Python objects, octets of the process."""

    descriptors: int
    threads: int
    traced: int
    resident: int

    @classmethod
    def now(cls) -> "Held":
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        traced, _ = tracemalloc.get_traced_memory()
        return cls(len(os.listdir("/proc/self/fd")), threading.active_count(), traced, pages * PAGE_OCTETS)


@pytest.mark.parametrize("rounds", [3, pytest.param(20, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
def test_rounds_of_up_and_down_leak_nothing(topology: Path, rounds: int) -> None:
    """All in one process, as the demo and the benchmarks build labs."""
    before = machine_state(topology.stem)
    held = []
    tracemalloc.start()
    try:
        for _ in range(rounds):
            with running_lab(topology, lambda words: None, READY_TIMEOUT_S) as lab:
                assert lab.missing == []
            held.append(Held.now())
    finally:
        tracemalloc.stop()
    assert machine_state(topology.stem) == before
    first, last = held[1], held[-1]  # the round before these fills caches
    assert (last.descriptors, last.threads) == (first.descriptors, first.threads)
    assert last.traced - first.traced < LEAK_OCTETS * (rounds - 2)
    assert last.resident - first.resident < RESIDENT_GROWTH_OCTETS
