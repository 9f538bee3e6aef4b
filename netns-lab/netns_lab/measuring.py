"""One fault under probes, and the lab healed after it: what `measure` and the demo do."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from netns_lab.api import ControllerClient
from netns_lab.directory import LabDirectory, LabError, NotReady
from netns_lab.faults.model import ATTACKS, FaultKind
from netns_lab.faults.request import read_fault
from netns_lab.measurement import Measurement
from netns_lab.plan import LabPlan
from netns_lab.processes import is_stopped, resume_process
from netns_lab.readiness import missing, wait_until_ready
from netns_lab.stopwatch import Stopwatch

READY_TIMEOUT_S = 30.0
LEAST_OBSERVED_S = 1.0
SPEAKER_RESTART_S = 5.0
HOLD_TIMER_LATE_S = 2.0
"""ExaBGP counts hold times in whole seconds."""
UNTOLD_MODES = {"silent", "one-way", "frozen"}
"""Of which no carrier tells."""
HARMLESS_MODES = {"brownout", *ATTACKS, "leak", "flood"}
"""Beside which traffic has every way that it has without: something else may be measured meanwhile."""
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

    def heal(self, directory: LabDirectory) -> None:
        """Heals it, and nothing else that the same thing suffers from."""
        with ControllerClient(directory) as controller:
            if self.kind == FaultKind.CONTROLLER:  # which may be stopped
                resume_process(controller.pid)
            controller.call("heal", kind=self.kind, name=self.name, mode=self.mode)


def await_whole(directory: LabDirectory, say: Callable[[str], None]) -> None:
    """Waits until a lab is as its topology says. Raises LabError at once where a fault that is active keeps
    it from that, and NotReady where it takes too long."""
    with ControllerClient(directory) as controller:
        if is_stopped(controller.pid):
            raise LabError("the lab's controller is stalled: `quadlink heal controller` has it go on")
        faults = controller.call("inspect", topic="faults")["faults"]
        lacking = missing(controller, directory)
    told = ", ".join(f"{fault['kind']} {fault['name']} ({fault['mode']})" for fault in faults)
    if faults and (lacking or any(fault["mode"] not in HARMLESS_MODES for fault in faults)):
        raise LabError(
            f"lab {directory.name} has failures already: {told}; `quadlink heal --name {directory.name}` "
            "ends them. What several do together a scenario tells: docs/scenarios.md"
        )
    if told:
        say(f"beside {told}")
    if lacking:
        say(f"waiting for the lab: {lacking[0]}")
        if lacking := wait_until_ready(directory, READY_TIMEOUT_S):
            raise NotReady(f"lab {directory.name} lacks after {READY_TIMEOUT_S:.0f} s: {'; '.join(lacking)}")


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
    """The fault, watched for observe_s and then healed, however that ends; only where it ends well the lab is
    waited for. NotReady where that takes too long."""
    with ExitStack() as healing:

        def begin() -> int:
            healing.callback(fault.heal, directory)  # an interruption may come before the answer
            try:
                return fault.begin(directory)
            except LabError:
                healing.pop_all()
                raise

        measurement = stopwatch.measure(begin, observe_s, str(fault))
    if lacking := wait_until_ready(directory, READY_TIMEOUT_S):
        raise NotReady(
            f"{fault.thing} is healed, and after {READY_TIMEOUT_S:.0f} s the lab lacks: {'; '.join(lacking)}"
        )
    return measurement
