"""Large labs come up whole, carry traffic from end to end, and go again; the largest run with --long."""

import os
import select
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from netns_lab.templates import ring, star

from dataplane.probes.echo import EchoSocket
from tests.lab.harness import Lab, brought_up, processes_of, quadlink
from tests.waiting import eventually

UP_TIMEOUT_S = 400
pytestmark = [pytest.mark.lab, pytest.mark.timeout(2 * UP_TIMEOUT_S)]
LONG = pytest.mark.long


@pytest.fixture
def name() -> Iterator[str]:
    """The name of a lab that the test may bring up."""
    name = f"large{os.getpid()}"
    yield name
    quadlink("down", "--name", name)


def large(topology: str, folder: Path, name: str) -> Lab:
    path = folder / f"{name}.yaml"
    path.write_text(topology)
    return brought_up(path, "--timeout", f"{UP_TIMEOUT_S}s", timeout_s=UP_TIMEOUT_S)


def hears(lab: Lab, near: str, far: str) -> bool:
    """Whether an echo comes back, in both families."""
    pairs = zip(lab.plan.hosts[near], lab.plan.hosts[far], strict=True)
    return all(_answers(lab.plan.node(near).namespace, *pair) for pair in pairs)


def _answers(namespace: str, source: str, destination: str) -> bool:
    with closing(EchoSocket(namespace, source)) as echo:
        echo.ask(destination, 1)
        readable, _, _ = select.select([echo], [], [], 1)
        return bool(readable) and (destination, 1) in echo.answers()


def ended(lab: Lab) -> bool:
    """Takes the lab down; whether nothing of it is left."""
    assert quadlink("down", "--name", lab.name).returncode == 0
    left = list(Path("/run/netns").glob(f"{lab.name}-*"))
    return not left and not processes_of(lab.name) and not lab.directory.path.exists()


@pytest.mark.parametrize("routers", [10, pytest.param(100, marks=LONG)])
def test_a_ring_of_routers_carries_traffic_across_and_around_a_cut(
    tmp_path: Path, name: str, routers: int
) -> None:
    lab = large(ring(name, routers), tmp_path, name)
    assert lab.established() == 4 * routers  # at both ends, in both families
    eventually(lambda: hears(lab, "h1", f"h{routers // 2 + 1}"), UP_TIMEOUT_S)
    assert lab.run("fail", "link", "r1-r2").returncode == 0
    # The longer way round, and no longer than the 64 hops that the kernel gives an answer.
    eventually(lambda: hears(lab, "h1", f"h{routers * 45 // 100}"), UP_TIMEOUT_S)
    assert ended(lab)


@pytest.mark.parametrize("hosts", [150, pytest.param(1000, marks=LONG)])
def test_hosts_behind_one_router_reach_each_other(tmp_path: Path, name: str, hosts: int) -> None:
    lab = large(star(name, hosts), tmp_path, name)
    links = lab.json("inspect", "links")["links"]
    assert len(links) == hosts
    eventually(lambda: hears(lab, "h1", f"h{hosts}"), UP_TIMEOUT_S)
    assert ended(lab)
