"""A running quad for tests that look and break; what happened in labs whose test failed."""

import os
from collections.abc import Generator, Iterator

import pytest
from netns_lab.directory import RUN_DIRECTORY, LabDirectory

from dataplane.client import EngineClient
from tests.lab.harness import Lab, lab_of, last_events, write_quad
from tests.waiting import eventually


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Labs that outlive a failed test: their last events."""
    report = yield
    if report.failed and RUN_DIRECTORY.exists():
        for path in sorted(RUN_DIRECTORY.iterdir()):
            report.sections.append((f"events of {path.name}", last_events(LabDirectory(path.name))))
    return report


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
