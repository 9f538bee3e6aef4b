"""A running quad for tests that look and break."""

import os
from collections.abc import Iterator

import pytest
from netns_lab.directory import LabDirectory
from netns_lab.state import load_plan

from dataplane.client import EngineClient
from tests.lab.harness import Lab, quadlink, write_quad
from tests.waiting import eventually


@pytest.fixture(scope="session")
def shared_quad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A quad for the whole session."""
    name = f"q{os.getpid()}"
    path = write_quad(tmp_path_factory.mktemp("topologies"), name)
    directory = LabDirectory(name)
    try:
        up = quadlink("up", str(path))
        assert up.returncode == 0, up.stderr
        yield Lab(directory, load_plan(directory))
    finally:
        quadlink("down", "--name", name)


@pytest.fixture
def quad(shared_quad: Lab) -> Iterator[Lab]:
    """The session's quad, whole before and after the test."""
    eventually(shared_quad.whole, 20)
    yield shared_quad
    shared_quad.heal()


@pytest.fixture
def engine(quad: Lab) -> Iterator[EngineClient]:
    """The quad's engine."""
    client = EngineClient(quad.directory.engine_socket)
    yield client
    client.close()
