"""Every SecY on this machine: the reference, and the native one over each cipher library that it can use."""

from collections.abc import Callable

import pytest
from hypothesis import settings

from dataplane.macsec.native import NativeSecY, cipher_libraries
from dataplane.macsec.reference import ReferenceSecY
from dataplane.macsec.secy import SecY, SecYConfig

SecYMaker = Callable[[SecYConfig], SecY]

# A slow machine is no failure.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(params=cipher_libraries(), scope="session")
def make_native(request: pytest.FixtureRequest) -> SecYMaker:
    """Makes a native SecY over one cipher library."""
    return lambda config: NativeSecY(config, cipher_library=request.param)


@pytest.fixture(params=("reference", *cipher_libraries()), scope="session")
def make_secy(request: pytest.FixtureRequest) -> SecYMaker:
    """Makes a SecY of one implementation."""
    if request.param == "reference":
        return ReferenceSecY
    return lambda config: NativeSecY(config, cipher_library=request.param)
