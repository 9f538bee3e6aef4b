"""What only the native SecY has: the choice of a cipher library, counters in memory of others, a handle."""

import sys
import threading
from dataclasses import replace
from multiprocessing.shared_memory import SharedMemory

import numpy as np
import pytest

from dataplane._core import ffi, lib
from dataplane.frames import FrameBatch
from dataplane.macsec import native
from dataplane.macsec.counters import COUNTER_SLOTS, counters_by_name
from dataplane.macsec.native import NativeSecY, cipher_libraries
from dataplane.macsec.sak import Sak
from dataplane.macsec.secy import (
    BYPASS_LIMIT,
    CLEAR_TAG_LIMIT,
    DUPLICATE_WINDOW_LIMIT,
    RECEIVE_CHANNEL_LIMIT,
    SecYConfig,
    SecYError,
)
from dataplane.macsec.suites import CIPHER_SUITES, ICV_OCTETS, SALT_OCTETS

CONFIG = SecYConfig(bytes.fromhex("0200000000010001"))
PEER = bytes.fromhex("0200000000020001")
FRAME = bytes(range(64))
BAD_SAKS: tuple[dict[str, int], ...] = ({}, {"confidentiality_offset": 31}, {"encrypt": 2})


def test_the_best_library_is_taken_unless_one_is_named() -> None:
    assert cipher_libraries()[-1] == "openssl"
    assert NativeSecY(CONFIG).cipher_library == cipher_libraries()[0]
    for library in cipher_libraries():
        assert NativeSecY(CONFIG, cipher_library=library).cipher_library == library


def test_an_unknown_library_is_refused() -> None:
    with pytest.raises(
        SecYError, match=r"cipher library 'rot13' is not usable here, expected one of .*openssl"
    ):
        NativeSecY(CONFIG, cipher_library="rot13")


def test_counters_in_shared_memory() -> None:
    memory = SharedMemory(create=True, size=COUNTER_SLOTS * 8)
    try:
        secy = NativeSecY(CONFIG, np.ndarray(COUNTER_SLOTS, np.uint64, memory.buf))
        secy.install_transmit_sa(0, Sak(bytes(32)))
        secy.protect(FrameBatch.from_frames([FRAME]))
        reader = SharedMemory(memory.name)
        assert counters_by_name(np.ndarray(COUNTER_SLOTS, np.uint64, reader.buf))["OutPktsEncrypted"] == 1
        reader.close()
        del secy
    finally:
        memory.close()
        memory.unlink()


@pytest.mark.parametrize(
    "counters", [np.zeros(39, np.uint64), np.zeros(40, np.int64), np.zeros((2, 40), np.uint64)]
)
def test_counters_of_another_shape_are_refused(counters: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected uint64 \(40,\)"):
        NativeSecY(CONFIG, counters)


def test_no_reference_to_a_key_is_kept() -> None:
    secy = NativeSecY(CONFIG)
    key = bytes(bytearray(32))
    references = sys.getrefcount(key)
    secy.install_transmit_sa(0, Sak(key))
    secy.install_receive_sa(PEER, 0, Sak(key))
    assert sys.getrefcount(key) == references


@pytest.mark.parametrize(
    ("offset", "length"), [(4096, 1), (4097, 0), (0, 4097), (2**32 - 1, 2**32 - 1), (15, 64)]
)
def test_c_leaves_a_frame_outside_its_arena_alone(offset: int, length: int) -> None:
    secy = NativeSecY(CONFIG)
    secy.install_transmit_sa(0, Sak(bytes(32)))
    arrays = ffi.new("uint8_t[]", 4096), ffi.new("uint32_t[]", [offset]), ffi.new("uint32_t[]", [length])
    verdict = ffi.new("uint8_t[]", 1)
    batch = ffi.new("ql_batch *", (arrays[0], 4096, 1, arrays[1], arrays[2], verdict))
    lib.ql_secy_protect(secy.handle, batch)
    assert verdict[0] == lib.QL_NO_ROOM
    lib.ql_secy_validate(secy.handle, batch)
    assert verdict[0] == (lib.QL_NO_ROOM if offset != 15 else lib.QL_IN_PKTS_NO_TAG)
    assert (arrays[1][0], arrays[2][0]) == (offset, length)


def test_c_protects_no_frame_whose_length_would_overflow() -> None:
    secy = NativeSecY(CONFIG)
    secy.install_transmit_sa(0, Sak(bytes(32)))
    arena, verdict = ffi.new("uint8_t[]", 64), ffi.new("uint8_t[]", 1)
    offset, length = ffi.new("uint32_t[]", [16]), ffi.new("uint32_t[]", [2**32 - 32])
    batch = ffi.new("ql_batch *", (arena, 2**33, 1, offset, length, verdict))
    lib.ql_secy_protect(secy.handle, batch)
    assert (verdict[0], length[0]) == (lib.QL_NO_ROOM, 2**32 - 32)


def test_c_has_room_for_what_python_allows() -> None:
    sizes = (
        lib.QL_SECY_RECEIVE_CHANNELS,
        lib.QL_SECY_DUPLICATE_WINDOW,
        lib.QL_SECY_CLEAR_TAGS,
        lib.QL_SECY_BYPASSES,
    )
    assert sizes == (RECEIVE_CHANNEL_LIMIT, DUPLICATE_WINDOW_LIMIT, CLEAR_TAG_LIMIT, BYPASS_LIMIT)
    assert max(suite.sak_octets for suite in CIPHER_SUITES.values()) == lib.QL_SECY_SAK_OCTETS
    assert (SALT_OCTETS, ICV_OCTETS) == (lib.QL_SALT_OCTETS, lib.QL_ICV_OCTETS)


def test_c_refuses_parameters_out_of_range() -> None:
    secy = NativeSecY(CONFIG).handle
    key = ffi.new("uint8_t[32]")
    sak, bad_offset, bad_encrypt = (ffi.new("ql_sak *", {"key": key, **fields}) for fields in BAD_SAKS)
    transmit, receive = lib.ql_secy_install_transmit_sa, lib.ql_secy_install_receive_sa
    for an, with_sak, pn in [
        (4, sak, 1),
        (0, sak, 0),
        (0, sak, 2**32),
        (0, bad_offset, 1),
        (0, bad_encrypt, 1),
    ]:
        assert transmit(secy, an, with_sak, pn, 2**32 - 1) == lib.QL_SECY_BAD_PARAMETER
        assert receive(secy, PEER, an, with_sak, pn) == lib.QL_SECY_BAD_PARAMETER
    assert lib.ql_secy_remove_transmit_sa(secy, 4) == lib.QL_SECY_BAD_PARAMETER
    assert lib.ql_secy_remove_receive_sa(secy, PEER, 4) == lib.QL_SECY_BAD_PARAMETER
    assert lib.ql_secy_extend_transmit_sa(secy, 4, 1) == lib.QL_SECY_BAD_PARAMETER


def test_the_alarm_goes_off_once() -> None:
    secy = NativeSecY(CONFIG)
    secy.install_transmit_sa(0, Sak(bytes(32)))
    secy.set_alarm_pn(3)
    alarms = []
    for _ in range(4):
        secy.protect(FrameBatch.from_frames([FRAME]))
        alarms.append(lib.ql_secy_take_alarm(secy.handle))
    assert alarms == [0, 1, 0, 0]


def test_two_threads_that_configure_leave_the_parameters_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    secy = NativeSecY(CONFIG)
    other = threading.Thread(target=lambda: secy.configure(replace(CONFIG, mtu=2)))

    class Core:
        """The core, whose first call of `configure` gives the other thread time for its own."""

        def __getattr__(self, name: str) -> object:
            return getattr(lib, name)

        def ql_secy_configure(self, *arguments: object) -> int:
            result: int = lib.ql_secy_configure(*arguments)
            if other.ident is None:
                other.start()
                other.join(timeout=0.1)
            return result

    monkeypatch.setattr(native, "lib", Core())
    secy.install_transmit_sa(0, Sak(bytes(32)))
    secy.configure(replace(CONFIG, mtu=1500))
    other.join()
    batch = FrameBatch.from_frames([FRAME])
    secy.protect(batch)
    assert secy.config.mtu == 2
    assert batch.verdict.tolist() == [lib.QL_OUT_PKTS_TOO_LONG]
