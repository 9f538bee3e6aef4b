"""Memory that a probe process writes its results into and its owner reads them from."""

import mmap
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from dataplane._core import ffi

ALIGNMENT_OCTETS = 64
"""A cache line: two writers never share one."""


class SharedMemory:
    """Named arrays in one anonymous file, all zero; pages cost nothing before they are written.

    The file ends with the last process that has it open or mapped, so there is nothing to clean up. Python
    keeps one descriptor of it as long as any of the arrays.
    """

    def __init__(self, arrays: Mapping[str, tuple[npt.DTypeLike, int]]) -> None:
        """`arrays` gives the type and number of elements of each."""
        self.offsets: dict[str, int] = {}
        size = 0
        for name, (dtype, count) in arrays.items():
            self.offsets[name] = size
            octets = np.dtype(dtype).itemsize * count
            size += -(-octets // ALIGNMENT_OCTETS) * ALIGNMENT_OCTETS
        self.descriptor = os.memfd_create("quadlink-probes")
        os.ftruncate(self.descriptor, max(size, 1))
        memory = mmap.mmap(self.descriptor, 0)
        self.arrays: dict[str, npt.NDArray[Any]] = {
            name: np.frombuffer(memory, dtype, count, self.offsets[name])
            for name, (dtype, count) in arrays.items()
        }

    def pointer(self, name: str, kind: str) -> Any:  # noqa: ANN401 - cffi has no types
        """Where an array begins, as a cffi pointer `kind`; valid as long as the array is."""
        return ffi.cast(kind, self.arrays[name].ctypes.data)

    def close(self) -> None:
        """Gives the descriptor back; the arrays stay."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
