"""A Clos of routers: every leaf has a channel to every spine, and so a path over each to every other leaf."""

import time

from netns_lab.directory import LabDirectory, LabError
from netns_lab.plan import LabPlan
from netns_lab.state import load_plan
from netns_lab.templates import FIRST_ASN

from bench.kernel_watch import KernelWatch
from bench.shell import timed_command

SPINES, LEAVES = 4, 16
LIMIT_S = 120.0
POLL_INTERVAL_S = 0.05


def topology(name: str) -> str:
    """A topology file. Each leaf announces a prefix of either family; all are of ASes of their own."""
    nodes = [f"  s{n}: {{bgp: {{asn: {FIRST_ASN + n}}}}}" for n in range(1, SPINES + 1)]
    nodes += [
        f'  l{n}: {{bgp: {{asn: {FIRST_ASN + 100 + n}, announce: [10.{n}.0.0/16, "fd01:{n:x}::/32"]}}}}'
        for n in range(1, LEAVES + 1)
    ]
    links = [f"  - {{endpoints: s{s}-l{n}}}" for n in range(1, LEAVES + 1) for s in range(1, SPINES + 1)]
    return "\n".join([f"name: {name}", "nodes:", *nodes, "links:", *links, ""])


def convergence_s(name: str, file: str) -> float:
    """Seconds from `quadlink up` until every leaf's kernel has every other's prefixes over all spines.

    The lab is taken down afterwards. LabError where it does not come to that.
    """
    start = time.monotonic()
    try:
        timed_command("up", "--timeout", f"{LIMIT_S:.0f}s", file)
        plan = load_plan(LabDirectory(name))
        while not _converged(plan):
            if time.monotonic() - start > LIMIT_S:
                raise LabError(f"a Clos of {SPINES + LEAVES} routers did not converge in {LIMIT_S:.0f} s")
            time.sleep(POLL_INTERVAL_S)
        return time.monotonic() - start
    finally:
        timed_command("down", "--name", name)


def _converged(plan: LabPlan) -> bool:
    leaves = [node for node in plan.nodes if node.originate]
    prefixes = {prefix for node in leaves for prefix in node.originate}
    for node in leaves:
        with KernelWatch.of(node.namespace) as kernel:
            learned = kernel.learned()
        expected = prefixes - set(node.originate)
        if not all(len(learned.get(prefix, ())) == SPINES for prefix in expected):
            return False
    return True
