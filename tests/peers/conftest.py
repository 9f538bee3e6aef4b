"""The guest that tests of this folder share: one boot for all of a module."""

from collections.abc import Iterator

import pytest

from tests.peers.guest import Guest
from tests.peers.guest_image import GuestUnavailable, guest_image


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    """A guest that has booted; skips where there can be none."""
    try:
        image = guest_image()
    except GuestUnavailable as missing:
        pytest.skip(str(missing))
    with Guest(image) as guest:
        yield guest
