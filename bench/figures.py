"""A measured figure beside its goal and what it is compared with; printed as a table or as JSON."""

import math
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from netns_lab.output import Output

Bound = Literal["at most", "at least", "ratio at most", "ratio at least"]


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` is the median of `samples` in `unit`, or what its name says.

    `ratio` is against the reference's value, `goal` bounds either.
    """

    name: str
    value: float
    unit: str
    samples: list[float]
    reference: str | None = None
    ratio: float | None = None
    goal: float | None = None
    bound: Bound | None = None
    met: bool | None = None


def figure(
    name: str,
    unit: str,
    samples: Sequence[float],
    goal: float | None = None,
    bound: Bound = "at most",
    reference: Figure | None = None,
    of: Callable[[Sequence[float]], float] = statistics.median,
) -> Figure:
    """The median of the samples, or what else `of` says, held against a goal where there is one.

    Nothing has a ratio to 0.
    """
    value = of(samples)
    ratio = value / reference.value if reference and reference.value else None
    bounded = ratio if bound.startswith("ratio") else value
    met = None
    if goal is not None:
        met = bounded is not None and (bounded <= goal if bound.endswith("at most") else bounded >= goal)
    return Figure(
        name=name,
        value=round(value, 3),
        unit=unit,
        samples=[round(sample, 3) for sample in samples],
        reference=reference.name if reference else None,
        ratio=None if ratio is None else round(ratio, 3),
        goal=goal,
        bound=None if goal is None else bound,
        met=met,
    )


def p99(samples: Sequence[float]) -> float:
    """The smallest sample that 99 % do not exceed: of fewer than 100, the largest."""
    return sorted(samples)[math.ceil(0.99 * len(samples)) - 1]


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def report(figures: Sequence[Figure], output: Output) -> None:
    """Prints the figures."""
    output.table(
        {"machine": machine(), "figures": [asdict(entry) for entry in figures]},
        ("figure", "value", "min", "max", "n", "unit", "goal", "met", "against", "ratio"),
        [
            (
                entry.name,
                entry.value,
                min(entry.samples),
                max(entry.samples),
                len(entry.samples),
                entry.unit,
                None if entry.goal is None else f"{entry.bound} {entry.goal:g}",
                entry.met,
                entry.reference,
                entry.ratio,
            )
            for entry in figures
        ],
    )
