"""Runs a proof: its trials in worker processes, each with a lab of its own, and nothing left at the end."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, ProcessPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from netns_lab.directory import LabDirectory
from netns_lab.models import Topology
from netns_lab.plan import LabPlan
from netns_lab.prediction import Failed, Pair, reachable
from netns_lab.proof.failures import Failure, failures_of
from netns_lab.proof.trial import Workshop, build
from netns_lab.proof.verdict import Observation, Verdict, judge
from netns_lab.teardown import bring_down

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

Predict = Callable[[LabPlan, Failed], frozenset[Pair]]
NOTHING_FAILS = Failure(())


@dataclass(frozen=True, slots=True)
class Proof:
    """Verdicts in the order of the failures; the first is that of the lab as it is, with nothing failed."""

    lab: str
    hosts: tuple[str, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def holds(self) -> bool:
        """Whether everything was as predicted."""
        return not any(verdict.findings for verdict in self.verdicts)

    def as_json(self) -> dict[str, Any]:
        """Everything, with a summary first."""
        failures = self.verdicts[1:]
        return {
            "lab": self.lab,
            "failures": len(failures),
            "survived": sum(verdict.survived for verdict in failures),
            "partitioning": [verdict.failure for verdict in failures if verdict.partitions],
            "findings": sum(len(verdict.findings) for verdict in self.verdicts),
            "verdicts": [verdict.as_json() for verdict in self.verdicts],
        }


class _Worker:
    """What a worker process works with: how to make its lab, and the lab once it is made."""

    topology: Topology
    workshop: Workshop | None = None
    ended: bool = False


def prove(
    topology: Topology,
    plan: LabPlan,
    at_once: int,
    observe_s: float,
    jobs: int,
    on_verdict: Callable[[int, int], None],
    say: Callable[[str], None],
    predict: Predict = reachable,
) -> Proof:
    """Takes every failure of `at_once` elements in turn; on_verdict hears how many of how many are done.
    What ends it early ends the trials under way, too, and `say` tells of that.

    `predict` tells who should be reachable while something has failed. Raises LabError where no lab comes
    up, or does not come back from a failure.
    """
    failures = [NOTHING_FAILS, *failures_of(plan, at_once)]
    before = predict(plan, NOTHING_FAILS.failed)
    verdicts: dict[int, Verdict] = {}
    with _workers(topology, jobs, say) as executor:
        running = {}
        for number, failure in enumerate(failures):
            expected = predict(plan, failure.failed)
            with _deaf_to_interrupts():  # a worker it starts, from its first moment on
                running[executor.submit(_try, failure, expected, observe_s)] = number, failure, expected
        for future in as_completed(running):
            number, failure, expected = running[future]
            verdicts[number] = judge(failure, future.result(), expected, before)
            on_verdict(len(verdicts), len(failures))
    hosts = tuple(node.name for node in plan.nodes if node.kind == "host")
    return Proof(plan.name, hosts, tuple(verdicts[number] for number in range(len(failures))))


@contextmanager
def _workers(topology: Topology, jobs: int, say: Callable[[str], None]) -> Iterator[Executor]:
    """Worker processes; their labs go at the end of the block, however that comes."""
    context = multiprocessing.get_context("spawn")
    labs = [lab_name(topology.name, os.getpid(), number) for number in range(jobs)]
    with ExitStack() as ending:
        taken: Synchronized[int] = context.Value("i", 0)
        executor = ProcessPoolExecutor(jobs, context, _prepare, (topology, labs, taken))
        ending.callback(_take_down, labs)
        ending.callback(executor.shutdown, wait=True, cancel_futures=True)
        others = set(multiprocessing.active_children())
        try:
            yield executor
        except BaseException:
            say("ending the trials, removing their labs")
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()  # see _prepare
            raise


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Ctrl-C is ignored, also by processes started meanwhile."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def lab_name(topology: str, owner: int, number: int) -> str:
    """A throw-away lab's name, of at most 20 characters, which no two workers share."""
    return f"{topology[:8].rstrip('-')}-{owner % 10**7}-{number}"


def _take_down(labs: list[str]) -> None:
    for name in labs:
        bring_down(LabDirectory(name))


def _prepare(topology: Topology, labs: list[str], taken: "Synchronized[int]") -> None:
    """In a worker: remembers what its lab is made of, and takes one of the names for it.

    Ctrl-C in a terminal reaches every process: whoever waits for the workers ends them by SIGTERM, and takes
    their labs down. An empty handler is not inherited by what they start.
    """
    signal.signal(signal.SIGINT, lambda number, frame: None)
    signal.signal(signal.SIGTERM, _end)
    with taken.get_lock():
        name = labs[taken.value]
        taken.value += 1
    _worker.topology = topology.model_copy(update={"name": name})


def _end(number: int, frame: object) -> NoReturn:
    """In a worker: leaves what it does, be it the building of its lab, and does nothing more."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _worker.ended = True
    sys.exit(128 + number)


def _try(failure: Failure, expected: frozenset[Pair], observe_s: float) -> Observation:
    """In a worker: one trial, in the lab that the first one made."""
    if _worker.ended:
        raise CancelledError
    if _worker.workshop is None:
        _worker.workshop = build(_worker.topology)
    return _worker.workshop.try_failure(failure, expected, observe_s)


_worker = _Worker()
