"""`quadlink up`: a lab becomes what its topology says. Of one that runs, what stays notices nothing."""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dataplane.client import EngineClient, EngineGone
from dataplane.interface import LinkError
from netns_lab.adoption import adopt
from netns_lab.api import ControllerClient
from netns_lab.builder import built_lab
from netns_lab.claim import Claim
from netns_lab.difference import Change, Difference, plan_change
from netns_lab.directory import LabDirectory, LabError, running_labs
from netns_lab.keys import GivenKeys, given_keys
from netns_lab.making import clear_strangers, make, unmake
from netns_lab.plan import LabPlan
from netns_lab.readiness import POLL_INTERVAL_S, missing, wait_until_ready
from netns_lab.routing_daemons.daemon import fetch_daemons
from netns_lab.state import load_plan, save_plan
from netns_lab.teardown import bring_down
from netns_lab.topology import Topology, load_topology

Say = Callable[[str], None]
READY_TIMEOUT_S = 30.0
ROUTER_TIMEOUT_S = 1.0
Action = Literal["built", "rebuilt", "changed", "unchanged"]


@dataclass(frozen=True, slots=True)
class LabUp:
    """A lab that is as its topology says, what was done for that, and what it lacks after timeout_s."""

    directory: LabDirectory
    missing: list[str]
    action: Action
    changes: tuple[Change, ...]
    timeout_s: float


class HalfChanged(LabError):
    """A change of a lab did not come to its end."""

    exit_code = 1


def known_plan(name: str) -> LabPlan | None:
    """The plan of the lab of that name; None where there is none, or one that never came up.

    Raises LabError where it may not be read.
    """
    folder = LabDirectory(name).path
    if folder.exists() and not os.access(folder, os.R_OK | os.X_OK):
        raise LabError(f"lab {name} is there, and only root may see how; run it again with sudo")
    if name not in running_labs():
        return None
    try:
        return load_plan(LabDirectory(name))
    except LabError:
        return None


def why_not_changed(directory: LabDirectory) -> str:
    """Why a lab that is there has to be built anew; empty where it can be changed."""
    if known_plan(directory.name) is None:
        return f"lab {directory.name} never came up"
    try:
        EngineClient(directory.engine_socket).close()
    except EngineGone:
        return f"the engine of lab {directory.name} ended"
    return ""


def difference_of(topology: Topology) -> Difference:
    """What a topology, loaded with `known_plan`, makes of the lab of its name, which runs.

    Raises LabError where it has another engine: that would take every wire away.
    """
    running = load_plan(LabDirectory(topology.name))
    difference = plan_change(topology, running, secrets.token_bytes)
    if difference.wanted.engine != running.engine:
        name = topology.name
        raise LabError(
            f"lab {name}: its `engine` cannot change; `quadlink down --name {name}`, then up again"
        )
    return difference


@contextmanager
def lab_up(topology_file: Path, say: Say, ready_timeout_s: float | None) -> Iterator[LabUp]:
    """Makes the lab of a topology file what the file says, waits until it is ready, or for the time.

    Without a time it waits as long as a lab of that size may take.

    A lab that is not there is built, one whose engine ended is built anew, any other is changed. Raises
    TopologyError, LabError and, where a lab that runs was changed in part, HalfChanged.
    """
    topology = load_topology(topology_file, known_plan)
    directory = LabDirectory(topology.name)
    timeout_s = ready_timeout_s
    if timeout_s is None:
        routers = sum(node.is_router for node in topology.nodes.values())
        timeout_s = READY_TIMEOUT_S + routers * ROUTER_TIMEOUT_S
    action: Action = "built"
    if claim := _claim(directory):
        with claim:
            problem = why_not_changed(directory)
            if not problem:
                difference = difference_of(topology)
                fetch_daemons(difference.wanted, say)
                apply(difference, given_keys(topology), say, timeout_s)
                del topology  # which has the given SAKs
                say("waiting for sessions and prefixes")
                lacking = wait_until_ready(directory, timeout_s)
                action = "changed" if difference.changes else "unchanged"
                yield LabUp(directory, lacking, action, difference.changes, timeout_s)
                return
            say(f"{problem}: building it anew")
            action = "rebuilt"
            bring_down(directory)
        topology = load_topology(topology_file)
    building = built_lab(topology, say, timeout_s, keep=True)
    del topology
    with building as lab:
        yield LabUp(directory, lab.missing, action, (), timeout_s)


def _claim(directory: LabDirectory) -> Claim | None:
    """The right to change a lab, which one has at a time; None where there is no lab."""
    if directory.name not in running_labs():
        return None
    try:
        return Claim(directory.path)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        raise LabError(
            f"lab {directory.name} is being built or changed by another `quadlink up`; wait for its end, "
            f"or end the lab: `quadlink down --name {directory.name}`"
        ) from None


def apply(difference: Difference, keys: GivenKeys, say: Say, settle_timeout_s: float) -> None:
    """Changes the running lab, which the caller has claimed, step by step. `keys` are the given SAKs.

    Raises HalfChanged where a step fails: what was done before it stays, and the lab runs on by that.
    """
    directory = LabDirectory(difference.wanted.name)
    if started := adopt(directory):
        say(f"started what was missing: {', '.join(started)}")
    engine = EngineClient(directory.engine_socket)
    try:
        _go_through(difference, directory, engine, keys, say, settle_timeout_s)
    except (LabError, LinkError, OSError) as error:
        with suppress(LabError, LinkError, OSError):
            clear_strangers(directory, engine, load_plan(directory))
        raise HalfChanged(f"{_half_changed(directory)}: {error}") from error
    except BaseException:
        say(_half_changed(directory))
        raise
    finally:
        engine.close()


def _half_changed(directory: LabDirectory) -> str:
    return f"lab {directory.name} runs on, changed in part, and `quadlink up` again goes on from there"


def _go_through(
    difference: Difference,
    directory: LabDirectory,
    engine: EngineClient,
    keys: GivenKeys,
    say: Say,
    settle_timeout_s: float,
) -> None:
    clear_strangers(directory, engine, difference.running)
    before = difference.running
    with ControllerClient(directory) as controller:
        controller.call("reload")  # what an interrupted change may not have told it
        missing_before = set(missing(controller, directory))
        for after in difference.stages():
            make(directory, engine, before, after, keys, say)
            # The guard and the controller go by what is saved, also those that start now in their place.
            save_plan(directory, after)
            say("telling guard and controller")
            controller.call("reload")
            if after != difference.wanted and len(after.links) > len(before.links):
                say("waiting for the sessions over new links")
                _settle(controller, directory, missing_before, settle_timeout_s)
            unmake(directory, engine, before, after)
            before = after


def _settle(
    controller: ControllerClient, directory: LabDirectory, missing_before: set[str], timeout_s: float
) -> None:
    """Waits until nothing is missing that was not before the change, or for the time."""
    deadline_s = time.monotonic() + timeout_s
    while not missing_before.issuperset(missing(controller, directory)) and time.monotonic() < deadline_s:
        time.sleep(POLL_INTERVAL_S)
