"""Commands as a user types them, timed."""

import subprocess
import sys
import time
from pathlib import Path

from netns_lab.directory import LabError


def timed_command(*words: str) -> float:
    """Seconds that a quadlink command takes, from the shell and back; LabError where it fails."""
    command = [str(Path(sys.executable).with_name("quadlink")), *words]
    start = time.monotonic()
    answer = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if answer.returncode != 0:
        raise LabError(f"quadlink {' '.join(words)} failed: {answer.stderr.decode(errors='replace')}")
    return time.monotonic() - start
