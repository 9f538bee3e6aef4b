"""What the SecY is compared with: a bare loop over the cipher library, a plain Python loop, and scapy."""

# mypy: disable-error-code="no-untyped-call"

import struct
from collections.abc import Iterable, Sequence
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from scapy.contrib.macsec import MACsecSA
from scapy.layers.l2 import Ether

from dataplane._core import ffi, lib
from dataplane.frames import FrameBatch
from dataplane.macsec.native import native_batch

ADDRESS_OCTETS = 12
HEADER_OCTETS = ADDRESS_OCTETS + 16
"""Addresses and a SecTAG with SCI."""
SHORT_LENGTH_LIMIT = 48
MACSEC = 0x88E5
ENCRYPTED_AN_0 = 0x2C
"""SC, E and C set, AN 0."""

_pack_sectag = struct.Struct("!HBBI8s").pack


class BareLoop:
    """AES-256-GCM by a cipher library's own calls, over the octets that SecY.protect would work on.

    Frame i takes the key QL_YARDSTICK_STRIDE * i modulo their number, a power of two. Offsets and lengths
    of the batch stay as they are.
    """

    def __init__(self, cipher_library: str, keys: Sequence[bytes], batch: FrameBatch) -> None:
        yardstick = lib.ql_yardstick_new(cipher_library.encode(), b"".join(keys), len(keys))
        if yardstick == ffi.NULL:
            raise MemoryError(f"no memory for {len(keys)} keys of {cipher_library}")
        self._yardstick = ffi.gc(yardstick, lib.ql_yardstick_free)
        self._batch = batch  # keeps the memory that the C struct points to
        self._native = native_batch(batch)

    def encrypt(self) -> None:
        lib.ql_yardstick_encrypt(self._yardstick, self._native)

    def decrypt(self) -> None:
        """Raises RuntimeError if an ICV is wrong."""
        right = lib.ql_yardstick_decrypt(self._yardstick, self._native)
        if right != len(self._batch):
            raise RuntimeError(f"{right} of {len(self._batch)} ICVs are right, expected all")


class PythonLoop:
    """Protects and validates frames one by one as plain Python does it: SecTAG, nonce, AESGCM, join."""

    def __init__(self, key: bytes, sci: bytes) -> None:
        self._cipher = AESGCM(key)
        self._sci = sci
        self._next_pn = 1

    def protect(self, frames: Iterable[bytes]) -> list[bytes]:
        encrypt, sci = self._cipher.encrypt, self._sci
        protected = []
        for pn, frame in enumerate(frames, self._next_pn):
            data = frame[ADDRESS_OCTETS:]
            short_length = len(data) if len(data) < SHORT_LENGTH_LIMIT else 0
            header = frame[:ADDRESS_OCTETS] + _pack_sectag(MACSEC, ENCRYPTED_AN_0, short_length, pn, sci)
            protected.append(header + encrypt(sci + header[16:20], data, header))
        self._next_pn += len(protected)
        return protected

    def validate(self, frames: Iterable[bytes]) -> list[bytes]:
        decrypt = self._cipher.decrypt
        delivered = []
        for frame in frames:
            header = frame[:HEADER_OCTETS]
            data = decrypt(header[20:28] + header[16:20], frame[HEADER_OCTETS:], header)
            delivered.append(header[:ADDRESS_OCTETS] + data)
        return delivered


class ScapyLoop:
    """The same by scapy's MACsec layer."""

    def __init__(self, key: bytes, sci: bytes) -> None:
        self._sa: Any = MACsecSA(sci=sci, an=0, pn=1, key=key, icvlen=16, encrypt=True, send_sci=True)

    def protect(self, frames: Iterable[bytes]) -> list[bytes]:
        protected = []
        for frame in frames:
            protected.append(bytes(self._sa.encrypt(self._sa.encap(Ether(frame)))))
            self._sa.pn += 1
        return protected

    def validate(self, frames: Iterable[bytes]) -> list[bytes]:
        return [bytes(self._sa.decap(self._sa.decrypt(Ether(frame)))) for frame in frames]
