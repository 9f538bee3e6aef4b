"""Which part of a busy machine a process gets.

Left out: real-time policies, under which a worker whose ports are never empty would keep those from running
that fill and empty them.
"""

import os
from pathlib import Path

NICENESS = -10
"""Nine times the weight of a process that has the usual niceness of 0 (sched(7))."""
_AUTOGROUP = Path("/proc/self/autogroup")


def come_first(*, alone: bool = False) -> None:
    """Gives every thread of this process nine times the part of an ordinary one; unless `alone`, also the
    threads and children that it will have.

    Linux may give each session a part of its own (kernel.sched_autogroup_enabled), and niceness then ranks
    only within a session: so that of a session which this process leads is raised, too. Raises
    PermissionError without CAP_SYS_NICE.
    """
    for thread in os.listdir("/proc/self/task"):
        os.setpriority(os.PRIO_PROCESS, int(thread), NICENESS)
    if alone:
        os.sched_setscheduler(0, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))
    if os.getsid(0) == os.getpid() and _AUTOGROUP.exists():
        _AUTOGROUP.write_text(str(NICENESS))
