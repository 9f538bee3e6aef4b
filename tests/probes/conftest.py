"""What the tests of the probes share."""

from collections.abc import Iterator

import pytest

from tests.probes.two_namespaces import joined_by_veth


@pytest.fixture
def veth() -> Iterator[tuple[str, str]]:
    """Two namespaces, joined_by_veth."""
    with joined_by_veth() as names:
        yield names
