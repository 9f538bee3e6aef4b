"""The SecY of the C core behind the interface of `secy`; work per frame is done in C, without the GIL."""

from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataplane._core import ffi, lib
from dataplane.frames import FrameBatch
from dataplane.macsec.counters import CHANNEL_COUNTERS, COUNTER_SLOTS, new_counters
from dataplane.macsec.sak import Sak
from dataplane.macsec.secy import (
    ReceiveState,
    SecYConfig,
    SecYError,
    TransmitState,
    ValidateFrames,
    check_an,
    check_association,
    check_last_pn,
    check_pn,
    check_reconfiguration,
    check_sci,
    duplicates_change,
    no_such_channel,
    no_such_sa,
    other_salt,
    own_sci,
    packet_number_used,
    shorter_reservation,
    ssci_taken,
    too_many_channels,
)

_VALIDATE_FRAMES = {
    ValidateFrames.NULL: lib.QL_VALIDATE_NULL,
    ValidateFrames.DISABLED: lib.QL_VALIDATE_DISABLED,
    ValidateFrames.CHECK: lib.QL_VALIDATE_CHECK,
    ValidateFrames.STRICT: lib.QL_VALIDATE_STRICT,
}


def cipher_libraries() -> tuple[str, ...]:
    """The libraries of this build that this machine can use, best first."""
    names: list[str] = []
    while (name := lib.ql_cipher_library_name(len(names))) != ffi.NULL:
        names.append(ffi.string(name).decode())
    return tuple(names)


class NativeSecY:
    """A `dataplane.macsec.secy.SecY` in C.

    `counters`: 40 uint64 that another process may read, zero for a new SecY; by default its own.
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
        self._config = config
        self._configuring = Lock()
        self.counters = new_counters() if counters is None else counters
        if self.counters.dtype != np.uint64 or self.counters.shape != (COUNTER_SLOTS,):
            found = f"{self.counters.dtype} {self.counters.shape}"
            raise ValueError(f"counters are {found}, expected uint64 ({COUNTER_SLOTS},)")
        self._counters_memory = ffi.from_buffer("uint64_t[]", self.counters, require_writable=True)
        name = ffi.NULL if cipher_library is None else cipher_library.encode()
        secy = lib.ql_secy_new(_native_config(config), name, self._counters_memory)
        if secy == ffi.NULL:
            raise MemoryError("no memory for a SecY")
        self.handle: Any = ffi.gc(secy, lib.ql_secy_free)
        """The C `ql_secy *`, for the engine; valid as long as this object."""

    @property
    def config(self) -> SecYConfig:
        return self._config

    @property
    def cipher_library(self) -> str:
        """The library that computes AES-GCM."""
        return str(ffi.string(lib.ql_secy_cipher_library(self.handle)).decode())

    def configure(self, config: SecYConfig) -> None:
        with self._configuring:
            check_reconfiguration(self._config, config)
            if lib.ql_secy_configure(self.handle, _native_config(config)) != 0:
                raise duplicates_change()
            self._config = config

    def install_transmit_sa(
        self, an: int, sak: Sak, next_pn: int = 1, ssci: int | None = None, last_pn: int | None = None
    ) -> None:
        suite = self._config.suite
        check_association(suite, an, sak, next_pn, ssci)
        last_pn = suite.pn_end - 1 if last_pn is None else last_pn
        check_last_pn(suite, next_pn, last_pn)
        key = ffi.from_buffer("uint8_t[]", sak.key)
        native = _native_sak(sak, key, ssci)
        result = lib.ql_secy_install_transmit_sa(self.handle, an, native, next_pn, last_pn)
        if result == lib.QL_SECY_SSCI_TAKEN and ssci is not None:
            raise ssci_taken(ssci)
        if result == lib.QL_SECY_OTHER_SALT:
            raise other_salt()
        _raise_for(result, an, next_pn)

    def extend_transmit_sa(self, an: int, last_pn: int) -> None:
        check_an(an)
        check_pn(self._config.suite, last_pn)
        _raise_for(lib.ql_secy_extend_transmit_sa(self.handle, an, last_pn), an, last_pn)

    def remove_transmit_sa(self, an: int) -> None:
        check_an(an)
        _raise_for(lib.ql_secy_remove_transmit_sa(self.handle, an), an)

    def install_receive_sa(
        self, sci: bytes, an: int, sak: Sak, lowest_pn: int = 1, ssci: int | None = None
    ) -> None:
        check_sci(sci)
        check_association(self._config.suite, an, sak, lowest_pn, ssci)
        key = ffi.from_buffer("uint8_t[]", sak.key)
        result = lib.ql_secy_install_receive_sa(self.handle, sci, an, _native_sak(sak, key, ssci), lowest_pn)
        if result == lib.QL_SECY_SSCI_TAKEN and ssci is not None:
            raise ssci_taken(ssci)
        if result == lib.QL_SECY_OWN_SCI:
            raise own_sci(sci)
        _raise_for(result, an, lowest_pn)

    def remove_receive_sa(self, sci: bytes, an: int) -> None:
        check_sci(sci)
        check_an(an)
        _raise_for(lib.ql_secy_remove_receive_sa(self.handle, sci, an), an)

    def export_sak(self) -> bytes:
        """The key in use for transmission. Raises SecYError where there is none."""
        key = ffi.new("uint8_t[]", lib.QL_SECY_SAK_OCTETS)
        if lib.ql_secy_export_sak(self.handle, key) != 0:
            raise SecYError("no transmit SA is in use, expected one to export")
        exported = bytes(ffi.buffer(key, self._config.suite.sak_octets))
        ffi.memmove(key, bytes(len(key)), len(key))
        return exported

    def close(self) -> None:
        """Wipes all keys. No thread may be using the SecY, and nothing can be done with it afterwards."""
        ffi.release(self.handle)

    @property
    def operational(self) -> bool:
        return bool(lib.ql_secy_operational(self.handle))

    @property
    def transmit_state(self) -> TransmitState | None:
        state = ffi.new("ql_transmit_state *")
        lib.ql_secy_transmit_state(self.handle, state)
        if state.an < 0:
            return None
        return TransmitState(state.an, state.next_pn or 1 << 64, state.last_pn)

    def receive_state(self, sci: bytes, an: int) -> ReceiveState:
        check_sci(sci)
        check_an(an)
        state = ffi.new("ql_receive_state *")
        _raise_for(lib.ql_secy_receive_state(self.handle, sci, an, state), an)
        return ReceiveState(state.next_pn or 1 << 64, state.lowest_pn)

    def channel_counters(self, sci: bytes) -> dict[str, int]:
        check_sci(sci)
        counters = ffi.new("uint64_t[]", lib.QL_SECY_CHANNEL_COUNTERS)
        if lib.ql_secy_channel_counters(self.handle, sci, counters) != 0:
            raise no_such_channel(sci)
        return dict(zip(CHANNEL_COUNTERS, counters, strict=True))

    def set_alarm_pn(self, pn: int | None) -> None:
        """Asks a link's worker to tell its engine, once, that the next packet number has come to `pn`."""
        lib.ql_secy_set_alarm(self.handle, pn or 0)

    def protect(self, batch: FrameBatch) -> None:
        lib.ql_secy_protect(self.handle, native_batch(batch))

    def validate(self, batch: FrameBatch) -> None:
        lib.ql_secy_validate(self.handle, native_batch(batch))


def _native_config(config: SecYConfig) -> object:
    native = ffi.new("ql_secy_config *")
    native.sci = config.sci
    native.sak_octets = config.suite.sak_octets
    native.xpn = config.suite.xpn
    native.validate_frames = _VALIDATE_FRAMES[config.validate_frames]
    native.protect_frames = config.protect_frames
    native.replay_protect = config.replay_protect
    native.detect_duplicates = config.detect_duplicates
    native.always_include_sci = config.always_include_sci
    native.use_es = config.use_es
    native.use_scb = config.use_scb
    native.clear_tags = config.clear_tags
    native.bypass_count = len(config.bypass)
    native.bypass[0 : len(config.bypass)] = config.bypass
    native.replay_window = config.replay_window
    native.mtu = config.mtu or 0
    return native


def _native_sak(sak: Sak, key: object, ssci: int | None) -> object:
    """A `ql_sak` over the memory of `key`, which must outlive it."""
    native = ffi.new("ql_sak *")
    native.key = key
    native.salt = sak.salt
    native.ssci = ssci or 0
    native.encrypt = sak.encrypt
    native.confidentiality_offset = sak.confidentiality_offset
    return native


def native_batch(batch: FrameBatch) -> object:
    """A `ql_batch` over the memory of `batch`. Raises ValueError where that does not fit together."""
    batch.check_arrays()
    native = ffi.new("ql_batch *")
    native.arena = ffi.from_buffer("uint8_t[]", batch.arena)
    native.arena_size = batch.arena.size
    native.count = len(batch)
    native.offset = ffi.from_buffer("uint32_t[]", batch.offset)
    native.length = ffi.from_buffer("uint32_t[]", batch.length)
    native.verdict = ffi.from_buffer("uint8_t[]", batch.verdict)
    if not lib.ql_batch_fits(native):  # where numpy would take longer, and by AVX-512 slow down the cipher
        batch.check()
    return native


def _raise_for(result: int, an: int, pn: int = 0) -> None:
    """Turns what the C core refused into its exception."""
    if result == lib.QL_SECY_PN_USED:
        raise packet_number_used(pn)
    if result == lib.QL_SECY_SHORTER:
        raise shorter_reservation(pn)
    if result == lib.QL_SECY_TOO_MANY_CHANNELS:
        raise too_many_channels()
    if result == lib.QL_SECY_NO_SUCH_SA:
        raise no_such_sa(an)
    if result != 0:
        raise MemoryError("no memory for an SA")
