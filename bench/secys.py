"""SecYs that understand each other, and batches of frames that go from one to the other."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataplane._core import lib
from dataplane.frames import FrameBatch
from dataplane.macsec.counters import Verdict
from dataplane.macsec.native import NativeSecY
from dataplane.macsec.sak import Sak
from dataplane.macsec.secy import ASSOCIATION_NUMBERS, SecYConfig
from dataplane.macsec.suites import GCM_AES_256, SALT_OCTETS, CipherSuite

SCI, PEER_SCI = bytes.fromhex("0200000000010001"), bytes.fromhex("0200000000020001")
HEADER = bytes.fromhex("020000000002 020000000001 88b5")
"""Addresses and an EtherType that nothing takes apart."""
SSCI = 1
STRIDE = int(lib.QL_YARDSTICK_STRIDE)
"""From the number of a frame's SA to that of the next one's; odd, so that of a power of two all come."""
WINDOW_OF_ALL = (1 << 32) - 1
"""A replay window in which a frame may come any number of times."""


def frames_of(sizes: Iterable[int]) -> list[bytes]:
    """Frames of so many octets."""
    return [HEADER + bytes(size - len(HEADER)) for size in sizes]


def key(number: int, octets: int = GCM_AES_256.sak_octets) -> bytes:
    """A different one for each number."""
    return (number + 1).to_bytes(octets)


@dataclass(frozen=True, slots=True)
class Variant:
    """How frames are protected."""

    suite: CipherSuite = GCM_AES_256
    encrypt: bool = True
    confidentiality_offset: int = 0

    def sak(self) -> Sak:
        """Key and all that goes with it."""
        salt = bytes(SALT_OCTETS) if self.suite.xpn else b""
        return Sak(key(0, self.suite.sak_octets), salt, self.encrypt, self.confidentiality_offset)


class RoundTrip:
    """A batch that one SecY protects and another validates, and that is then as it was before."""

    def __init__(
        self, batch: FrameBatch, variant: Variant = Variant(), cipher_library: str | None = None
    ) -> None:
        self.batch = batch
        self.sender = NativeSecY(SecYConfig(SCI, variant.suite.name), cipher_library=cipher_library)
        self.receiver = NativeSecY(SecYConfig(PEER_SCI, variant.suite.name), cipher_library=cipher_library)
        ssci = SSCI if variant.suite.xpn else None
        self.sender.install_transmit_sa(0, variant.sak(), ssci=ssci)
        self.receiver.install_receive_sa(SCI, 0, variant.sak(), ssci=ssci)

    def protect(self) -> None:
        self.sender.protect(self.batch)

    def validate(self) -> None:
        self.receiver.validate(self.batch)


class Population:
    """A SecY with many receive SAs, four to an SC, and frames of the first few of them.

    From a frame's SA to that of the next it is STRIDE, modulo their number. Frames are validated any number
    of times, each time after `prepare`.
    """

    def __init__(self, batch: FrameBatch, installed: int, receiving: int) -> None:
        self.receiver = NativeSecY(SecYConfig(PEER_SCI, replay_window=WINDOW_OF_ALL))
        self.batch = batch
        owner = np.arange(len(batch)) * STRIDE % receiving
        for first in range(0, installed, ASSOCIATION_NUMBERS):
            sci = (first + (1 << 62)).to_bytes(8)
            sender = NativeSecY(SecYConfig(sci))
            for an in range(min(ASSOCIATION_NUMBERS, installed)):
                sak = Sak(key(first + an))
                self.receiver.install_receive_sa(sci, an, sak)
                sender.install_transmit_sa(an, sak)
                self._protect(sender, np.flatnonzero(owner == first + an))
        self._protected = self.batch.copy()

    def _protect(self, sender: NativeSecY, which: NDArray[Any]) -> None:
        batch = self.batch
        part = FrameBatch.over(batch.arena, batch.offset[which], batch.length[which])
        sender.protect(part)
        batch.offset[which], batch.length[which] = part.offset, part.length

    def prepare(self) -> None:
        """Brings the frames back, and into the cache what validating them does."""
        self._restore()
        self.validate()
        self._restore()

    def _restore(self) -> None:
        for name in ("arena", "offset", "length"):
            np.copyto(getattr(self.batch, name), getattr(self._protected, name))

    def validate(self) -> None:
        self.receiver.validate(self.batch)


def check_valid(batch: FrameBatch) -> None:
    """Raises RuntimeError unless every frame was delivered as valid."""
    wrong = np.flatnonzero(batch.verdict != Verdict.InPktsOK)
    if wrong.size:
        verdict = Verdict(batch.verdict[wrong[0]]).name
        raise RuntimeError(f"{wrong.size} of {len(batch)} frames did not come back, the first: {verdict}")
