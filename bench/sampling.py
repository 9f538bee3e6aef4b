"""Times pieces of work in turn, so that what else the machine does meets all of them alike."""

import gc
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from netns_lab.directory import LabError

Result = TypeVar("Result")


def _nothing() -> None: ...


@dataclass(frozen=True, slots=True)
class Work:
    """Something done to so many frames, and what must be done before it each time and is not timed."""

    run: Callable[[], object]
    frames: int
    prepare: Callable[[], object] = _nothing


def interleaved(works: Mapping[str, Work], rounds: int) -> dict[str, list[float]]:
    """Nanoseconds a frame that each work took, one sample a round; a first round is not counted."""
    samples: dict[str, list[float]] = {name: [] for name in works}
    with _no_garbage_collection():
        for _ in range(1 + rounds):
            for name, work in works.items():
                work.prepare()
                start = time.perf_counter_ns()
                work.run()
                samples[name].append((time.perf_counter_ns() - start) / work.frames)
    return {name: taken[1:] for name, taken in samples.items()}


def in_turn(measurements: Mapping[str, Callable[[], Result]], rounds: int) -> dict[str, list[Result]]:
    """What each measurement gave, one sample a round."""
    samples: dict[str, list[Result]] = {name: [] for name in measurements}
    for _ in range(rounds):
        for name, measure in measurements.items():
            samples[name].append(measure())
    return samples


def two_cores() -> tuple[int, int]:
    """The first and the last core that this process may use; LabError where it is but one."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise LabError("this is measured on two cores, and there is but one here")
    return cores[0], cores[-1]


@contextmanager
def on_one_core() -> Iterator[int]:
    """Keeps this thread on the last of the cores that it may use, and tells which that is."""
    allowed = os.sched_getaffinity(0)
    core = max(allowed)
    os.sched_setaffinity(0, {core})
    try:
        yield core
    finally:
        os.sched_setaffinity(0, allowed)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
