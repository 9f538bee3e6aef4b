"""The engine's counters in shared memory, for whoever reads them from another process."""

import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np


def map_counters(path: Path) -> "np.ndarray[Any, np.dtype[np.uint64]]":
    """A read-only live view, uint64, of an engine's counters: LINK_SLOTS for each slot of a LinkState."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return np.frombuffer(mmap.mmap(descriptor, 0, prot=mmap.PROT_READ), dtype=np.uint64)
    finally:
        os.close(descriptor)
