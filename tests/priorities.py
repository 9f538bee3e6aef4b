"""Which part of a busy machine the processes that a test started have."""

import os
from pathlib import Path


def niceness(pid: int) -> set[int]:
    """Of the threads of a process, and of its session where those have one."""
    found = {os.getpriority(os.PRIO_PROCESS, int(task.name)) for task in Path(f"/proc/{pid}/task").iterdir()}
    session = Path(f"/proc/{pid}/autogroup")
    return found | ({int(session.read_text().split()[-1])} if session.exists() else set())
