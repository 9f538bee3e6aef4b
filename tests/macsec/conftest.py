"""Every SecY on this machine: the reference, and the native one over each cipher library that it can use."""

import pytest

from dataplane.macsec.native import NativeSecY, cipher_libraries
from dataplane.macsec.reference import ReferenceSecY
from dataplane.macsec.secy import SecY, SecYConfig
from tests.macsec.traffic import PEER, SAK, SCI, SecYMaker


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


@pytest.fixture
def sender(make_secy: SecYMaker) -> SecY:
    """Encrypts with SAK under AN 0."""
    secy = make_secy(SecYConfig(SCI))
    secy.install_transmit_sa(0, SAK)
    return secy


@pytest.fixture
def receiver(make_secy: SecYMaker) -> SecY:
    """Accepts what `sender` sends."""
    secy = make_secy(SecYConfig(PEER))
    secy.install_receive_sa(SCI, 0, SAK)
    return secy
