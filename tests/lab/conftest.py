"""A running quad for tests that look and break."""

import os
from collections.abc import Iterator

import pytest

from dataplane.client import EngineClient
from tests.lab.harness import Lab, lab_of, write_quad
from tests.waiting import eventually


@pytest.fixture(scope="session")
def shared_quad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A quad for the whole session."""
    with lab_of(write_quad(tmp_path_factory.mktemp("topologies"), f"q{os.getpid()}")) as lab:
        yield lab


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
