"""One fault under probes, and the lab healed after it: what `measure` and the demo do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netns_lab.api import ControllerClient
from netns_lab.directory import LabDirectory, NotReady
from netns_lab.faults.model import FaultKind
from netns_lab.measurement import Measurement
from netns_lab.processes import resume_process
from netns_lab.readiness import wait_until_ready
from netns_lab.stopwatch import Stopwatch

READY_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class FaultRequest:
    """A fault as the controller is asked for it."""

    kind: str
    name: str
    mode: str
    for_s: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.thing} failed ({self.mode})"

    @property
    def thing(self) -> str:
        """What fails, in words."""
        return self.name if self.kind == self.name else f"{self.kind} {self.name}"

    def begin(self, directory: LabDirectory) -> int:
        """Fails it; when that was, in CLOCK_MONOTONIC nanoseconds. LabError where it cannot be."""
        with ControllerClient(directory) as controller:
            t_ns: int = controller.call(
                "fail",
                kind=self.kind,
                name=self.name,
                mode=self.mode,
                for_s=self.for_s,
                options=dict(self.options),
            )["t_ns"]
        return t_ns

    def end(self, directory: LabDirectory) -> None:
        """Heals it, and waits until the lab is as it was. NotReady where that takes too long."""
        with ControllerClient(directory) as controller:
            if self.kind == FaultKind.CONTROLLER:  # which may be stopped
                resume_process(controller.pid)
            controller.call("heal", kind=self.kind, name=self.name)
        if missing := wait_until_ready(directory, READY_TIMEOUT_S):
            raise NotReady(
                f"{self.thing} is healed, and after {READY_TIMEOUT_S:.0f} s the lab lacks: "
                f"{'; '.join(missing)}"
            )


def measure_fault(
    stopwatch: Stopwatch, directory: LabDirectory, fault: FaultRequest, observe_s: float
) -> Measurement:
    """The fault, watched for observe_s and then healed, however that ends."""
    begun = False

    def begin() -> int:
        nonlocal begun
        t_ns = fault.begin(directory)
        begun = True
        return t_ns

    try:
        return stopwatch.measure(begin, observe_s, str(fault))
    finally:
        if begun:
            fault.end(directory)
