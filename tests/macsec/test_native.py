"""What only the native SecY has: the choice of a cipher library, counters in memory of others, a handle."""

import sys
from multiprocessing.shared_memory import SharedMemory

import numpy as np
import pytest

from dataplane._core import ffi, lib
from dataplane.frames import FrameBatch
from dataplane.macsec.counters import counters_by_name
from dataplane.macsec.native import NativeSecY, cipher_libraries
from dataplane.macsec.secy import SecYConfig, SecYError

CONFIG = SecYConfig(bytes.fromhex("0200000000010001"))
FRAME = bytes(range(64))


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
    memory = SharedMemory(create=True, size=24 * 8)
    try:
        secy = NativeSecY(CONFIG, np.ndarray(24, np.uint64, memory.buf))
        secy.install_transmit_sa(0, bytes(32))
        secy.protect(FrameBatch.from_frames([FRAME]))
        reader = SharedMemory(memory.name)
        assert counters_by_name(np.ndarray(24, np.uint64, reader.buf))["OutPktsEncrypted"] == 1
        reader.close()
        del secy
    finally:
        memory.close()
        memory.unlink()


@pytest.mark.parametrize(
    "counters", [np.zeros(23, np.uint64), np.zeros(24, np.int64), np.zeros((2, 24), np.uint64)]
)
def test_counters_of_another_shape_are_refused(counters: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected uint64 \(24,\)"):
        NativeSecY(CONFIG, counters)


def test_no_reference_to_a_key_is_kept() -> None:
    secy = NativeSecY(CONFIG)
    sak = bytes(bytearray(32))
    references = sys.getrefcount(sak)
    secy.install_transmit_sa(0, sak)
    secy.install_receive_sa(CONFIG.sci, 0, sak)
    assert sys.getrefcount(sak) == references


@pytest.mark.parametrize(
    ("offset", "length"), [(4096, 1), (4097, 0), (0, 4097), (2**32 - 1, 2**32 - 1), (15, 64)]
)
def test_c_leaves_a_frame_outside_its_arena_alone(offset: int, length: int) -> None:
    secy = NativeSecY(CONFIG)
    secy.install_transmit_sa(0, bytes(32))
    arrays = ffi.new("uint8_t[]", 4096), ffi.new("uint32_t[]", [offset]), ffi.new("uint32_t[]", [length])
    verdict = ffi.new("uint8_t[]", 1)
    batch = ffi.new("ql_batch *", (arrays[0], 4096, 1, arrays[1], arrays[2], verdict))
    lib.ql_secy_protect(secy.handle, batch)
    assert verdict[0] == lib.QL_NO_ROOM
    lib.ql_secy_validate(secy.handle, batch)
    assert verdict[0] == (lib.QL_NO_ROOM if offset != 15 else lib.QL_IN_PKTS_NO_TAG)
    assert (arrays[1][0], arrays[2][0]) == (offset, length)


def test_the_handle_is_what_c_calls() -> None:
    secy = NativeSecY(CONFIG)
    secy.install_transmit_sa(2, bytes(32), 7)
    assert lib.ql_secy_next_pn(secy.handle) == 7
    assert lib.ql_secy_install_transmit_sa(secy.handle, 4, bytes(32), 1) == lib.QL_SECY_BAD_AN
    assert lib.ql_secy_install_transmit_sa(secy.handle, 0, bytes(32), 0) == lib.QL_SECY_BAD_PN
    assert lib.ql_secy_install_receive_sa(secy.handle, CONFIG.sci, 4, bytes(32), 1) == lib.QL_SECY_BAD_AN
    assert lib.ql_secy_install_receive_sa(secy.handle, CONFIG.sci, 0, bytes(32), 2**32) == lib.QL_SECY_BAD_PN
    assert lib.ql_secy_remove_transmit_sa(secy.handle, 4) == lib.QL_SECY_BAD_AN
    assert lib.ql_secy_remove_receive_sa(secy.handle, CONFIG.sci, 4) == lib.QL_SECY_BAD_AN
