"""Which part of a busy machine a process gets.

Left out: real-time policies, under which a worker whose ports are never empty would keep those from running
that fill and empty them.
"""

import os
from pathlib import Path

NICENESS = -10
"""Nine times the weight of a process that has the usual niceness of 0 (sched(7))."""
_AUTOGROUP = Path("/proc/self/autogroup")


def come_first() -> None:
    """Gives every thread of this process, and those to come, nine times the part of an ordinary one.

    Linux may give each session a part of its own (kernel.sched_autogroup_enabled), and niceness then ranks
    only within a session: so that of a session which this process leads is raised, too. Raises
    PermissionError without CAP_SYS_NICE.
    """
    for thread in os.listdir("/proc/self/task"):
        os.setpriority(os.PRIO_PROCESS, int(thread), NICENESS)
    if os.getsid(0) == os.getpid() and _AUTOGROUP.exists():
        _AUTOGROUP.write_text(str(NICENESS))
