"""Builds a lab: engine, namespaces, links, addresses, controller. What fails is taken down again."""

import re
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from netns_lab.daemons import start_controller, start_engine, start_guard
from netns_lab.directory import LabDirectory, LabError
from netns_lab.keys import GivenKeys, given_keys
from netns_lab.making import make, nothing
from netns_lab.marks import new_mark
from netns_lab.neighbor_tables import shortages
from netns_lab.plan import LabPlan
from netns_lab.planning import plan_lab
from netns_lab.privileges import missing_capabilities
from netns_lab.readiness import wait_until_ready
from netns_lab.routing_daemons.daemon import fetch_daemons
from netns_lab.state import save_plan
from netns_lab.teardown import hand_over, remove
from netns_lab.topology import Topology, load_topology


@dataclass(frozen=True, slots=True)
class RunningLab:
    """A lab that was just built, and what it still lacks after the wait: empty when it is ready."""

    directory: LabDirectory
    plan: LabPlan
    missing: list[str]


@contextmanager
def running_lab(
    topology_file: Path, say: Callable[[str], None], ready_timeout_s: float
) -> Iterator[RunningLab]:
    """The lab of a topology file for the time of a block. Raises TopologyError, otherwise as `built_lab`."""
    with built_lab(load_topology(topology_file), say, ready_timeout_s, keep=False) as lab:
        yield lab


@contextmanager
def built_lab(
    topology: Topology, say: Callable[[str], None], ready_timeout_s: float, keep: bool
) -> Iterator[RunningLab]:
    """Builds the lab of a topology and waits until it is ready, or for the time.

    At the end of the block the lab is taken down, unless it is to be kept and nothing went wrong; whatever
    ends the building or the block early, also Ctrl-C, leaves nothing. Raises LabError.
    """
    _check_place()
    _check_capabilities()
    directory = LabDirectory(topology.name)
    mark = new_mark(topology.name)
    try:
        with directory.create(mark):
            plan, keys = plan_lab(topology, secrets.token_bytes), given_keys(topology)
            del topology  # which has the given SAKs, too
            fetch_daemons(plan, say)
            for shortage in shortages(plan):
                say(shortage)
            _build(directory, plan, keys, say)
            say("waiting for sessions and prefixes")
            yield RunningLab(directory, plan, wait_until_ready(directory, ready_timeout_s))
            if keep:
                hand_over(directory)
            else:
                remove(mark)
    except BaseException:
        remove(mark)
        raise


def _check_place() -> None:
    """ExaBGP's configuration names the interpreter, and cannot name every path."""
    if not re.fullmatch(r"[ !#-\[\]-~]+", sys.executable) or "'" in sys.executable:
        raise LabError(f"ExaBGP cannot run {sys.executable}; move the clone to a path of plain ASCII letters")


def _check_capabilities() -> None:
    if missing := missing_capabilities():
        lacking = " and ".join(missing)
        raise LabError(
            f"this root lacks {lacking}; run quadlink on the machine itself, or allow its container these"
        )


def _build(directory: LabDirectory, plan: LabPlan, keys: GivenKeys, say: Callable[[str], None]) -> None:
    engine = start_engine(directory, plan.engine)
    try:
        make(directory, engine, nothing(plan.name), plan, keys, say)
    finally:
        engine.close()
    save_plan(directory, plan)
    say("starting guard and controller")
    start_guard(directory)
    start_controller(directory)
