"""Builds a lab: engine, namespaces, links, addresses, controller. What fails is taken down again."""

import re
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dataplane.interface import EngineInterface, LinkError
from dataplane.links.specification import EndSpecification, LinkSpecification, MacsecSpecification
from netns_lab.daemons import start_controller, start_engine, start_guard
from netns_lab.directory import LabDirectory, LabError
from netns_lab.marks import new_mark
from netns_lab.namespaces import create_namespace
from netns_lab.node_commands import run_commands
from netns_lab.node_files import write_files
from netns_lab.node_network import configure_network
from netns_lab.plan import LabPlan, LinkPlan, plan_lab
from netns_lab.privileges import missing_capabilities
from netns_lab.readiness import wait_until_ready
from netns_lab.state import save_plan
from netns_lab.teardown import hand_over, remove
from netns_lab.topology import load_topology


@dataclass(frozen=True, slots=True)
class RunningLab:
    """A lab that was just built, and what it still lacks after the wait: empty when it is ready."""

    directory: LabDirectory
    plan: LabPlan
    missing: list[str]


@contextmanager
def running_lab(
    topology_file: Path, say: Callable[[str], None], ready_timeout_s: float, keep: bool = False
) -> Iterator[RunningLab]:
    """Builds the lab of a topology file and waits until it is ready, or for the time.

    At the end of the block the lab is taken down, unless it is to be kept and nothing went wrong; whatever
    ends the building or the block early, also Ctrl-C, leaves nothing. Raises TopologyError or LabError.
    """
    _check_place()
    _check_capabilities()
    topology = load_topology(topology_file)
    directory = LabDirectory(topology.name)
    mark = new_mark(topology.name)
    try:
        with directory.create(mark):
            plan = plan_lab(topology, secrets.token_bytes)
            save_plan(directory, plan)
            _build(directory, plan, say)
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


def _build(directory: LabDirectory, plan: LabPlan, say: Callable[[str], None]) -> None:
    _write_hosts(directory, plan)
    engine = start_engine(directory)
    try:
        say(f"making {len(plan.nodes)} nodes")
        for node in plan.nodes:
            create_namespace(node.namespace, directory.mark, node.sysctls)
        say(f"joining them by {len(plan.links)} links")
        for link in plan.links:
            _add_link(engine, plan, link)
    finally:
        engine.close()
    for node in plan.nodes:
        configure_network(node)
        write_files(directory, node)
    if with_commands := [node for node in plan.nodes if node.exec]:
        say(f"running the commands of {len(with_commands)} nodes")
        for node in with_commands:
            run_commands(directory, node)
    say("starting guard and controller")
    start_guard(directory)
    start_controller(directory)


def _write_hosts(directory: LabDirectory, plan: LabPlan) -> None:
    lines = ["127.0.0.1 localhost", "::1 localhost"]
    lines += [f"{address} {name}" for name, addresses in plan.hosts.items() for address in addresses]
    directory.hosts.write_text("\n".join(lines) + "\n")


def _add_link(engine: EngineInterface, plan: LabPlan, link: LinkPlan) -> None:
    first, second = (
        EndSpecification(
            end.node, plan.node(end.node).namespace, end.name, bytes.fromhex(end.mac.replace(":", ""))
        )
        for end in link.ends
    )
    macsec = MacsecSpecification(link.macsec.cipher, link.macsec.replay_window) if link.macsec else None
    sak = link.macsec.sak.reveal() if link.macsec and link.macsec.sak else None
    try:
        engine.add_link(LinkSpecification(link.name, (first, second), link.mtu, macsec), sak)
        engine.impair(link.name, link.impairments)
    except LinkError as error:
        raise LabError(str(error)) from error
