"""Whether a lab fits into the machine's neighbor tables: Linux has one a family for all namespaces together.

A lab that overflows one loses packets, and so does every other lab on the machine. Only the machine's own
namespace may raise the limit.
"""

from pathlib import Path

from netns_lab.plan import LabPlan

LIMITS = ("net.ipv4.neigh.default.gc_thresh3", "net.ipv6.neigh.default.gc_thresh3")


def shortages(plan: LabPlan, root: Path = Path("/proc/sys")) -> list[str]:
    """A sentence, with the command that helps, for each table too small once all nodes of the lab talk."""
    needed = 2 * len(plan.links)  # each end of a link has the other for a neighbor
    found = []
    for name in LIMITS:
        try:
            limit = int((root / name.replace(".", "/")).read_text())
        except FileNotFoundError:  # not shown in a container, or a kernel without IPv6
            continue
        if needed > limit:
            found.append(
                f"up to {needed} neighbors of this lab do not fit into the machine's table of {limit}, "
                f"and packets of all labs may be lost: `sysctl -w {name}={2 * needed}`"
            )
    return found
