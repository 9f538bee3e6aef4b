"""The core's ports on a device of the calling thread's network namespace: AF_XDP or packet sockets."""

import errno
import os
import time
from collections.abc import Callable

from dataplane._core import ffi, lib

XDP_FRAME_OCTETS: int = lib.QL_XDP_FRAME_OCTETS
"""The longest frame of an AF_XDP port."""
BUSY_TIMEOUT_S = 2.0
BUSY_INTERVAL_S = 0.01


def xdp_handle(ifindex: int) -> object:
    """A ql_port on an AF_XDP socket, freed with the last reference to it. Raises OSError."""
    return _handle("AF_XDP", lambda refused: lib.ql_port_new_xdp(ifindex, refused))


def packet_socket_handle(ifindex: int) -> object:
    """A ql_port on a packet socket, freed with the last reference to it. Raises OSError."""
    return _handle("AF_PACKET", lambda refused: lib.ql_port_new_socket(ifindex, refused))


def _handle(kind: str, make: Callable[[object], object]) -> object:
    """The kernel closes AF_XDP sockets in the background: one that is in the way may yet go."""
    refused = ffi.new("const char **")
    deadline_s = time.monotonic() + BUSY_TIMEOUT_S
    while (port := make(refused)) == ffi.NULL:
        number, what = ffi.errno, ffi.string(refused[0]).decode()
        if number != errno.EBUSY or time.monotonic() > deadline_s:
            raise OSError(f"no {kind} port: the kernel refuses {what}: {os.strerror(number)}")
        time.sleep(BUSY_INTERVAL_S)
    return ffi.gc(port, lib.ql_port_free)
