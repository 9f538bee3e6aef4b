"""A proof as a table for people: every failure, who it cut off, how long the rest was dark, the findings."""

from netns_lab.output import table_text
from netns_lab.proof.run import Proof
from netns_lab.proof.verdict import Verdict, cut_off_text

COLUMNS = ("failure", "result", "dark ms, median", "dark ms, most", "lost", "cut off, as predicted")


def proof_text(proof: Proof) -> str:
    """The table, the findings under it, and a summary."""
    rows = [_row(verdict, proof.hosts) for verdict in proof.verdicts]
    lines = [table_text(COLUMNS, rows), ""]
    for verdict in proof.verdicts:
        lines += [f"finding, {verdict.failure}: {finding}" for finding in verdict.findings]
    return "\n".join([*lines, _summary(proof)])


def _row(verdict: Verdict, hosts: tuple[str, ...]) -> tuple[object, ...]:
    result = "finding" if verdict.findings else "partitioned" if verdict.partitions else "survived"
    return (
        verdict.failure,
        result,
        f"{verdict.outage_ms_median:.1f}",
        f"{verdict.outage_ms_max:.1f}",
        verdict.lost,
        cut_off_text(verdict.cut_off, hosts),
    )


def _summary(proof: Proof) -> str:
    failures = proof.verdicts[1:]
    partitioning = sum(verdict.partitions for verdict in failures)
    worst = max(failures, key=lambda verdict: verdict.outage_ms_max, default=None)
    parts = [f"{len(failures)} failures: {len(failures) - partitioning} should leave every host reachable"]
    parts.append(f"{partitioning} cut hosts off")
    if worst and worst.outage_ms_max:
        parts.append(f"longest dark {worst.outage_ms_max:.1f} ms ({worst.failure})")
    findings = sum(bool(verdict.findings) for verdict in proof.verdicts)
    parts.append(f"{findings} differ from the prediction" if findings else "all as predicted")
    return "; ".join(parts)
