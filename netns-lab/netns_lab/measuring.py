"""One fault under probes, and the lab healed after it: what `measure` and the demo do."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from netns_lab.api import ControllerClient
from netns_lab.directory import LabDirectory, NotReady
from netns_lab.faults.model import FaultKind
from netns_lab.faults.request import read_fault
from netns_lab.measurement import Measurement
from netns_lab.plan import LabPlan
from netns_lab.processes import resume_process
from netns_lab.readiness import wait_until_ready
from netns_lab.stopwatch import Stopwatch

READY_TIMEOUT_S = 30.0
LEAST_OBSERVED_S = 1.0
SPEAKER_RESTART_S = 5.0
HOLD_TIMER_LATE_S = 2.0
"""ExaBGP counts hold times in whole seconds."""
UNTOLD_MODES = {"silent", "one-way", "frozen"}
"""Of which no carrier tells."""
US_PER_S = 1e6


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

    def check(self, plan: LabPlan) -> None:
        """Raises LabError where the controller would refuse it by the plan alone."""
        read_fault(plan, 0, self.kind, self.name, self.mode, self.for_s, self.options)

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


def observation_s(plan: LabPlan, fault: FaultRequest) -> float:
    """How long to watch until traffic has surely left what failed, or it is back by itself, and then some."""
    recovery_s = SPEAKER_RESTART_S if fault.mode == "speaker-killed" else 0.0
    if fault.mode in UNTOLD_MODES:
        recovery_s = detection_s(plan)
    return LEAST_OBSERVED_S + max(recovery_s, fault.for_s or 0.0)


def detection_s(plan: LabPlan) -> float:
    """Until the slowest session of the plan finds that nothing arrives, by BFD where its links have it."""
    slowest_s = 0.0
    for session in plan.sessions:
        bfd = [
            max(end.interval_us * end.multiplier for end in watched.ends) / US_PER_S
            for name in session.links
            for watched in plan.link(name).bfd
            if watched.family == session.family
        ]
        hold_s = max(end.hold_time_s for end in session.ends) + HOLD_TIMER_LATE_S
        slowest_s = max(slowest_s, max(bfd) if len(bfd) == len(session.links) else hold_s)
    return slowest_s


def measure_fault(
    stopwatch: Stopwatch, directory: LabDirectory, fault: FaultRequest, observe_s: float
) -> Measurement:
    """The fault, watched for observe_s and then healed, however that ends."""
    with ExitStack() as healing:

        def begin() -> int:
            t_ns = fault.begin(directory)
            healing.callback(fault.end, directory)
            return t_ns

        return stopwatch.measure(begin, observe_s, str(fault))
