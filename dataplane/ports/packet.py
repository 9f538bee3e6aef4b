"""The core's port that takes and delivers one frame a call of read(2) and write(2)."""

import os

from dataplane._core import ffi, lib


def packet_handle(descriptor: int) -> object:
    """A ql_port of a descriptor that does not block; it is freed with the last reference to it.

    Raises OSError where memory is short.
    """
    return owned(lib.ql_port_new_packet(descriptor))


def owned(port: object) -> object:
    """A ql_port that was just made, and is freed with the last reference. Raises OSError where it is none."""
    if port == ffi.NULL:
        raise OSError(ffi.errno, os.strerror(ffi.errno))
    return ffi.gc(port, lib.ql_port_free)
