"""The engine's counters in shared memory, for whoever reads them from another process."""

import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np

Counters = np.ndarray[Any, np.dtype[np.uint64]]


def new_counters(slots: int, path: Path | None) -> Counters:
    """So many of 0: in a new file, which other processes map, or in private memory. Raises OSError."""
    octets = slots * np.dtype(np.uint64).itemsize
    if path is None:
        return np.frombuffer(mmap.mmap(-1, octets), dtype=np.uint64)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        # A full file system must be an error here, not a signal at the first count.
        os.posix_fallocate(descriptor, 0, octets)
        return np.frombuffer(mmap.mmap(descriptor, octets), dtype=np.uint64)
    finally:
        os.close(descriptor)


def map_counters(path: Path) -> Counters:
    """A read-only live view, uint64, of an engine's counters: LINK_SLOTS for each slot of a LinkState."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return np.frombuffer(mmap.mmap(descriptor, 0, prot=mmap.PROT_READ), dtype=np.uint64)
    finally:
        os.close(descriptor)
