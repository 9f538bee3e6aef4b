"""`quadlink doctor`: what quadlink needs of this machine, found out by trying it, each lack with its remedy.

This is the model and the order of the checks; `doctor_kernel` and `doctor_machine` hold the probes.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """FAIL: quadlink needs what is missing. WARN: it can do without, or the check could not look."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `fix` is the command that mends it, None where nothing is wrong."""

    area: str
    check: str
    status: Status
    found: str
    fix: str | None = None


class Lacking(Exception):
    """What a probe looked for is not there or not enough. `fix` where it is another than the check's."""

    def __init__(self, found: str, fix: str | None = None) -> None:
        super().__init__(found)
        self.fix = fix


class Unchecked(Exception):
    """A probe could not look; the text says why."""

    def __init__(self, reason: str, fix: str | None = None) -> None:
        super().__init__(reason)
        self.fix = fix


def need_root() -> None:
    """Raises Unchecked for any other user."""
    if os.geteuid() != 0:
        raise Unchecked("needs root", "sudo quadlink doctor")


@dataclass(frozen=True, slots=True)
class Check:
    """A probe that returns what it found, or raises Lacking, Unchecked or OSError."""

    area: str
    name: str
    probe: Callable[[], str]
    fix: str
    needed: bool = True

    def run(self) -> Finding:
        try:
            return Finding(self.area, self.name, Status.OK, self.probe())
        except Unchecked as reason:
            return self.not_checked(str(reason), reason.fix)
        except Lacking as lack:
            return self._lacking(str(lack), lack.fix)
        except OSError as error:
            return self._lacking(error.strerror or str(error))

    def not_checked(self, reason: str, fix: str | None) -> Finding:
        return Finding(self.area, self.name, Status.WARN, f"not checked: {reason}", fix)

    def _lacking(self, found: str, fix: str | None = None) -> Finding:
        return Finding(
            self.area, self.name, Status.FAIL if self.needed else Status.WARN, found, fix or self.fix
        )


def examine() -> list[Finding]:
    """All findings, in the order in which a user should mend them. Leaves nothing behind."""
    from netns_lab.doctor_kernel import IN_NAMESPACE, NEW_NAMESPACE
    from netns_lab.doctor_machine import LEFTOVERS, LIMITS, PERMISSIONS, SOFTWARE

    findings = [check.run() for check in PERMISSIONS]
    # The namespace has no name and ends with its thread: whatever the probes make in it goes with it.
    with ThreadPoolExecutor(1) as visitor:
        findings += visitor.submit(_in_new_namespace, NEW_NAMESPACE, IN_NAMESPACE).result()
    return findings + [check.run() for check in (*LIMITS, *SOFTWARE, *LEFTOVERS)]


def _in_new_namespace(new_namespace: Check, inside: Sequence[Check]) -> list[Finding]:
    first = new_namespace.run()
    if first.status is Status.OK:
        return [first, *(check.run() for check in inside)]
    return [first, *(check.not_checked("there is no namespace to try it in", first.fix) for check in inside)]
