"""What the stopwatch recorded of one act under probes, in memory and as the files that `--save` keeps."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from dataplane.captures.memory import CaptureWire
from dataplane.probes.flows import Flow
from dataplane.probes.records import Records
from netns_lab.coverage import Path as LinkPath
from netns_lab.directory import LabError
from netns_lab.plan import LabPlan
from netns_lab.probe_flows import Way
from netns_lab.state import decode

FORMAT = 1
RECORDING, PACKETS = "recording.json", "packets.npz"
_ARRAYS = ("sent", "received", "sightings")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Probes from `begin_ns`, an act at t_ns and what followed, to until_ns: CLOCK_MONOTONIC nanoseconds."""

    plan: LabPlan
    what: str
    """The act, in words."""
    time: str
    """When it was, on the wall clock."""
    begin_ns: int
    t_ns: int
    until_ns: int
    flows: tuple[Flow, ...]
    reference: Flow
    packets_per_s_and_flow: float
    possible_paths: Mapping[Way, frozenset[LinkPath]]
    """By what the kernels of the routers would do, before the act."""
    prefixes: int
    """Which the routers had heard, both families, before the act; of the router with most."""
    sent: Records
    received: Records
    """Of the packets that were sent meanwhile."""
    wires: tuple[CaptureWire, ...]
    sightings: Records
    """Probes as they entered `wires`, clear, as in netns_lab.coverage."""
    readable: Mapping[str, int]
    """By MACsec link, probes that could be read on the wire."""
    capture_dropped: int
    """Frames that the capture had no room for."""
    events: tuple[Mapping[str, Any], ...]
    """Of the lab, from begin_ns on, in order of time."""
    instrument_lost: int
    """Probes that arrived and that the receiver lost: where it is not 0, loss is no proof of an outage."""
    unread: Mapping[str, int] = field(default_factory=dict)
    """By sending node and link, frames of any kind that the engine had no time to read."""

    def between(self, t_ns: int, until_ns: int) -> Self:
        """The same with the act at another time, and ended earlier; what came before stays."""
        return replace(
            self,
            t_ns=t_ns,
            until_ns=until_ns,
            sent=self.sent[self.sent["tx_ns"] < until_ns],
            received=self.received[self.received["tx_ns"] < until_ns],
            events=tuple(event for event in self.events if event["t_ns"] < until_ns),
        )

    def save(self, directory: Path) -> None:
        """Keeps everything but the plan's secrets."""
        directory.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(directory / PACKETS, **{name: getattr(self, name) for name in _ARRAYS})
        document = {
            "format": FORMAT,
            **{field.name: getattr(self, field.name) for field in fields(self) if field.name not in _ARRAYS},
            "plan": self.plan.as_json(),
            "flows": list(map(asdict, self.flows)),
            "reference": asdict(self.reference),
            "wires": list(map(asdict, self.wires)),
            "possible_paths": [[way, sorted(paths)] for way, paths in self.possible_paths.items()],
        }
        (directory / RECORDING).write_text(json.dumps(document, indent=1))

    @classmethod
    def load(cls, directory: Path) -> Self:
        """The inverse; LabError where the directory holds none, or one of another version of quadlink."""
        try:
            document = json.loads((directory / RECORDING).read_text())
            with np.load(directory / PACKETS, allow_pickle=False) as packets:
                arrays = {name: packets[name] for name in _ARRAYS}
        except OSError as error:
            raise LabError(
                f"{error.filename}: {error.strerror}; expected what `measure --save` wrote"
            ) from error
        try:
            return cls._decoded(document, arrays)
        except (KeyError, TypeError, ValueError) as error:
            raise LabError(f"{directory / RECORDING}: written by another version of quadlink") from error

    @classmethod
    def _decoded(cls, document: dict[str, Any], arrays: Mapping[str, Records]) -> Self:
        if document.pop("format") != FORMAT:
            raise ValueError
        rest = {
            "plan": decode(LabPlan, document["plan"]),
            "flows": tuple(Flow(**flow) for flow in document["flows"]),
            "reference": Flow(**document["reference"]),
            "wires": tuple(CaptureWire(**wire) for wire in document["wires"]),
            "possible_paths": {
                Way(*way): frozenset(map(tuple, paths)) for way, paths in document["possible_paths"]
            },
            "events": tuple(document["events"]),
        }
        return cls(**{**document, **rest, **arrays})


def refuse_taken(directory: Path) -> None:
    """Raises LabError where a measurement saved there would be mixed with other files."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise LabError(f"--save {directory}: expected a directory that is new or empty")
