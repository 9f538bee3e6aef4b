"""Filters of frames in the language of pcap-filter(7): libpcap compiles them and runs them as classic BPF."""

import ctypes
import os
from typing import Self

PACKAGE = "libpcap0.8"
_LIBRARIES = ("libpcap.so.0.8", "libpcap.so.1")
_DLT_EN10MB = 1
_NETMASK_UNKNOWN = 0xFFFFFFFF
_OPTIMIZE = 1


class FilterError(ValueError):
    """A filter that cannot be used, and why."""


class _Program(ctypes.Structure):
    """struct bpf_program."""

    _fields_ = (("length", ctypes.c_uint), ("instructions", ctypes.c_void_p))


class PacketFilter:
    """A compiled filter of Ethernet frames."""

    def __init__(self, expression: str, snap_octets: int) -> None:
        """Raises FilterError where the expression is none or libpcap is not here."""
        library = _load()
        handle = library.pcap_open_dead(_DLT_EN10MB, snap_octets)
        program = _Program()
        try:
            done = library.pcap_compile(
                handle, ctypes.byref(program), os.fsencode(expression), _OPTIMIZE, _NETMASK_UNKNOWN
            )
            if done < 0:
                reason = library.pcap_geterr(handle).decode(errors="replace")
                raise FilterError(f"found {expression!r}, expected a filter (pcap-filter(7)): {reason}")
        finally:
            library.pcap_close(handle)
        self._library, self._program = library, program
        self._run = library.bpf_filter
        self._instructions = program.instructions

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._library.pcap_freecode(ctypes.byref(self._program))

    def matches(self, data: bytes, length: int) -> bool:
        """Whether a frame of `length` octets passes, of which `data` was kept."""
        return bool(self._run(self._instructions, data, length, len(data)))


def _load() -> ctypes.CDLL:
    for name in _LIBRARIES:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        library.pcap_open_dead.restype = ctypes.c_void_p
        library.pcap_open_dead.argtypes = [ctypes.c_int, ctypes.c_int]
        library.pcap_close.argtypes = [ctypes.c_void_p]
        library.pcap_geterr.restype = ctypes.c_char_p
        library.pcap_geterr.argtypes = [ctypes.c_void_p]
        library.pcap_compile.argtypes = [
            ctypes.c_void_p,
            ctypes.c_void_p,
            ctypes.c_char_p,
            ctypes.c_int,
            ctypes.c_uint32,
        ]
        library.pcap_freecode.argtypes = [ctypes.c_void_p]
        library.bpf_filter.restype = ctypes.c_uint
        library.bpf_filter.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint, ctypes.c_uint]
        return library
    raise FilterError(f"a filter needs libpcap: apt-get install {PACKAGE}")
