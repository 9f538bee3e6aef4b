"""The SecY of the C core behind the interface of `secy`; work per frame is done in C, without the GIL."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataplane._core import ffi, lib
from dataplane.frames import FrameBatch
from dataplane.macsec.counters import COUNTER_NAMES, new_counters
from dataplane.macsec.secy import (
    SecYConfig,
    SecYError,
    check_an,
    check_association,
    check_sci,
    no_such_sa,
    packet_number_used,
    too_many_channels,
)


def cipher_libraries() -> tuple[str, ...]:
    """The libraries of this build that this machine can use, best first."""
    names: list[str] = []
    while (name := lib.ql_cipher_library_name(len(names))) != ffi.NULL:
        names.append(ffi.string(name).decode())
    return tuple(names)


class NativeSecY:
    """A `dataplane.macsec.secy.SecY` in C.

    `counters`: 24 uint64 that another process may read, zero for a new SecY; by default its own.
    `cipher_library`: one of `cipher_libraries()`; by default the first. Raises SecYError for any other.
    """

    def __init__(
        self,
        config: SecYConfig,
        counters: NDArray[np.uint64] | None = None,
        cipher_library: str | None = None,
    ) -> None:
        if cipher_library is not None and cipher_library not in cipher_libraries():
            usable = ", ".join(cipher_libraries())
            raise SecYError(f"cipher library {cipher_library!r} is not usable here, expected one of {usable}")
        self.config = config
        self.counters = new_counters() if counters is None else counters
        if self.counters.dtype != np.uint64 or self.counters.shape != (len(COUNTER_NAMES),):
            found = f"{self.counters.dtype} {self.counters.shape}"
            raise ValueError(f"counters are {found}, expected uint64 ({len(COUNTER_NAMES)},)")
        self._counters_memory = ffi.from_buffer("uint64_t[]", self.counters, require_writable=True)
        name = ffi.NULL if cipher_library is None else cipher_library.encode()
        secy = lib.ql_secy_new(config.sci, config.replay_window, name, self._counters_memory)
        if secy == ffi.NULL:
            raise MemoryError("no memory for a SecY")
        self.handle: Any = ffi.gc(secy, lib.ql_secy_free)
        """The C `ql_secy *`, for the engine; valid as long as this object."""

    @property
    def cipher_library(self) -> str:
        """The library that computes AES-GCM."""
        return str(ffi.string(lib.ql_secy_cipher_library(self.handle)).decode())

    def install_transmit_sa(self, an: int, sak: bytes, next_pn: int = 1) -> None:
        check_association(self.config.suite, an, sak, next_pn)
        _raise_for(lib.ql_secy_install_transmit_sa(self.handle, an, sak, next_pn), an, next_pn)

    def remove_transmit_sa(self, an: int) -> None:
        check_an(an)
        _raise_for(lib.ql_secy_remove_transmit_sa(self.handle, an), an)

    def install_receive_sa(self, sci: bytes, an: int, sak: bytes, lowest_pn: int = 1) -> None:
        check_sci(sci)
        check_association(self.config.suite, an, sak, lowest_pn)
        _raise_for(lib.ql_secy_install_receive_sa(self.handle, sci, an, sak, lowest_pn), an, lowest_pn)

    def remove_receive_sa(self, sci: bytes, an: int) -> None:
        check_sci(sci)
        check_an(an)
        _raise_for(lib.ql_secy_remove_receive_sa(self.handle, sci, an), an)

    def export_sak(self) -> bytes:
        """The SAK in use for transmission. Raises SecYError where there is none."""
        sak = ffi.new("uint8_t[]", lib.QL_SECY_SAK_OCTETS)
        if lib.ql_secy_export_sak(self.handle, sak) != 0:
            raise SecYError("no transmit SA is in use, expected one to export")
        return bytes(ffi.buffer(sak))

    def close(self) -> None:
        """Wipes all keys. No thread may be using the SecY, and nothing can be done with it afterwards."""
        ffi.release(self.handle)

    @property
    def encoding_sa(self) -> int | None:
        an = int(lib.ql_secy_encoding_sa(self.handle))
        return an if an >= 0 else None

    @property
    def next_pn(self) -> int:
        return int(lib.ql_secy_next_pn(self.handle))

    @property
    def operational(self) -> bool:
        return bool(lib.ql_secy_operational(self.handle))

    def protect(self, batch: FrameBatch) -> None:
        lib.ql_secy_protect(self.handle, _native_batch(batch))

    def validate(self, batch: FrameBatch) -> None:
        lib.ql_secy_validate(self.handle, _native_batch(batch))


def _native_batch(batch: FrameBatch) -> object:
    """A `ql_batch` over the memory of `batch`."""
    batch.check()
    native = ffi.new("ql_batch *")
    native.arena = ffi.from_buffer("uint8_t[]", batch.arena)
    native.arena_size = batch.arena.size
    native.count = len(batch)
    native.offset = ffi.from_buffer("uint32_t[]", batch.offset)
    native.length = ffi.from_buffer("uint32_t[]", batch.length)
    native.verdict = ffi.from_buffer("uint8_t[]", batch.verdict)
    return native


def _raise_for(result: int, an: int, pn: int = 0) -> None:
    """Turns what the C core refused into its exception."""
    if result == lib.QL_SECY_PN_USED:
        raise packet_number_used(pn)
    if result == lib.QL_SECY_TOO_MANY_CHANNELS:
        raise too_many_channels()
    if result == lib.QL_SECY_NO_SUCH_SA:
        raise no_such_sa(an)
    if result != 0:
        raise MemoryError("no memory for an SA")
