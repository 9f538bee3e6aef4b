"""A process's claim on a directory: nobody else has it, and it ends with the process, however that ends."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self


class Claim:
    """An exclusive flock(2) on a directory itself, so that it stays with it when it is renamed."""

    def __init__(self, folder: Path, wait: bool = False) -> None:
        """Raises FileNotFoundError where there is no such directory, BlockingIOError where it is claimed."""
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BaseException:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the claim."""
        os.close(self._descriptor)
