"""A lab that a benchmark builds for itself, without a word, and that is ready when it begins."""

from collections.abc import Iterator
from contextlib import contextmanager

from netns_lab.builder import RunningLab, built_lab
from netns_lab.directory import NotReady
from netns_lab.topology import parse_topology

READY_TIMEOUT_S = 60.0


@contextmanager
def ready_lab(topology: str) -> Iterator[RunningLab]:
    """The lab of a topology file's text for the time of a block. Raises LabError."""
    with built_lab(parse_topology(topology), quietly, READY_TIMEOUT_S, keep=False) as lab:
        check_ready(lab.missing)
        yield lab


def quietly(text: str) -> None:
    """What building a lab says is not what a benchmark has to say."""


def check_ready(missing: list[str]) -> None:
    """Raises NotReady where a lab lacks something."""
    if missing:
        raise NotReady(f"the lab is not ready: {'; '.join(missing)}")
