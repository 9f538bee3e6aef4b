"""The command that looks at the machine rather than at a lab."""

from dataclasses import asdict

import typer

from netns_lab.options import EXIT_FAIL, FormatOption, output


def doctor(format: FormatOption = None) -> None:
    """Find out whether labs can run here.

    Tries what quadlink needs of the kernel, in a namespace that is thrown away, and looks at permissions,
    limits, software and what other tools or dead labs have left. Whatever is wrong comes with the command
    that mends it. Exit 1 when something is missing that quadlink needs.

    \b
    Example:
      sudo ./quadlink doctor
    """
    from netns_lab.doctor import Status, examine

    findings = examine()
    ok = all(finding.status is not Status.FAIL for finding in findings)
    output(format).table(
        {"ok": ok, "findings": [asdict(finding) for finding in findings]},
        ("area", "check", "status", "found", "fix"),
        [(each.area, each.check, each.status, each.found, each.fix) for each in findings],
    )
    if not ok:
        raise typer.Exit(EXIT_FAIL)
