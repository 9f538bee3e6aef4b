"""The namespaces that two routers live in while a test runs."""

from collections.abc import Iterator

import pytest

from tests.bgp.two_routers import two_namespaces


@pytest.fixture
def namespaces() -> Iterator[tuple[str, str]]:
    with two_namespaces() as names:
        yield names
