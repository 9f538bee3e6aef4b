"""`quadlink demo`: the four-channel lab, a channel cut and then silenced under traffic, and the cost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from netns_lab.builder import running_lab
from netns_lab.directory import NotReady
from netns_lab.measurement import Measurement
from netns_lab.measurement_report import plaintext, timeline_lines
from netns_lab.measuring import READY_TIMEOUT_S, FaultRequest, measure_fault, observation_s
from netns_lab.output import Format, Output
from netns_lab.stopwatch import Stopwatch

QUAD = Path(__file__).resolve().parents[1] / "topologies" / "quad.yaml"
TRAFFIC_LIMIT_S = 120.0
MODES = {"carrier": "cut (carrier lost at both ends)", "silent": "silent (carrier stays, frames vanish)"}


def run_demo(file: Path | None, output: Output, say: Callable[[str], None]) -> bool:
    """Runs the demo and takes its lab down, however it ends; True when traffic survived both faults."""
    faults = []
    with running_lab(file or QUAD, say, READY_TIMEOUT_S) as lab:
        if lab.missing:
            raise NotReady(
                f"the lab did not become ready in {READY_TIMEOUT_S:.0f} s: {'; '.join(lab.missing)}"
            )
        sessions = len(lab.plan.sessions)
        say(f"{sessions} BGP sessions established, all prefixes installed")
        with Stopwatch(lab.directory, lab.plan, limit_s=TRAFFIC_LIMIT_S) as stopwatch:
            flows = len(stopwatch.flows)
            packets = flows * stopwatch.packets_per_s_and_flow
            say(f"{flows // 2} probe flows each way, {packets} packets a second")
            link = stopwatch.busiest_link()
            for mode in MODES:
                say(f"failing {link} ({mode})")
                request = FaultRequest("link", link, mode)
                observe_s = observation_s(lab.plan, request)
                measurement = measure_fault(stopwatch, lab.directory, request, observe_s)
                faults.append(_Fault(link, mode, measurement))
                say(f"{link} healed, all sessions established again")
    ok = all(fault.measurement.survived for fault in faults)
    if output.format is Format.JSON:
        output.document({"faults": [fault.as_json() for fault in faults], "ok": ok}, "")
    else:
        for fault in faults:
            _print_fault(fault)
        print("traffic survived both failures" if ok else "traffic did NOT survive")
    return ok


class _Fault(NamedTuple):
    link: str
    mode: str
    measurement: Measurement

    def as_json(self) -> dict[str, Any]:
        return {"link": self.link, "mode": self.mode, **self.measurement.as_json()}


def _print_fault(fault: _Fault) -> None:
    measurement = fault.measurement
    print(f"\n{fault.link} {MODES[fault.mode]}")
    for line in timeline_lines(measurement):
        print(line)
    for way in measurement.directions:
        outage = measurement.outage(way)
        print(
            f"  {way}: {outage.flows} flows used {fault.link}, dark for {outage.outage_ms_max:.1f} ms "
            f"(known to {outage.resolution_ms:.0f} ms), {outage.lost} packets lost"
        )
    print(f"  plaintext: {plaintext(measurement.readable)}")
    for doubt in measurement.doubts():
        print(f"  {doubt}")
