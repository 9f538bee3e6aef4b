"""A link in the engine: two ports, a SecY in each unless it is plain, and a wire in each direction."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataplane._core import ffi, lib
from dataplane.links.secys import SecureEnd
from dataplane.links.signal import LinkSignal
from dataplane.links.specification import MACSEC_OCTETS, Impairment, JitterModel, LinkSpecification, LossModel
from dataplane.macsec.counters import COUNTER_SLOTS
from dataplane.ports.port import Port

WIRE_SLOTS: int = lib.QL_WIRE_COUNTERS
WIRE_COUNTERS = (
    "tx_frames",
    "tx_octets",
    "rx_frames",
    "rx_octets",
    "drop_fault",
    "drop_loss",
    "drop_eapol",
    "drop_runt",
    "drop_too_long",
    "drop_protect",
    "drop_validate",
    "drop_port",
    "drop_segment",
    "drop_queue",
    "drop_memory",
    "duplicated",
    "reordered",
    "corrupted",
    "queue_frames",
    "queue_octets",
    "tx_super_frames",
    "rx_super_frames",
    "latency_ns",
    "drop_unread",
)
"""The first slots of a wire; from LATENCY_SLOT on, how many frames took how long in the engine."""
DROP_REASONS = {name: name.removeprefix("drop_") for name in WIRE_COUNTERS if name.startswith("drop_")}
"""What the counters of frames that were not delivered say of them, by counter."""
UNREAD_SLOT: int = lib.QL_WIRE_DROP_UNREAD
"""The one counter of a wire that no worker writes: see Engine.count_unread."""
LATENCY_SLOT: int = lib.QL_WIRE_LATENCY_BUCKETS
"""Slot LATENCY_SLOT + i counts frames that took less than 2^i us, the last one those that took longer."""
# Two wires, then two SecYs; the rest keeps the next link on a cache line of its own.
LINK_SLOTS = 192
Counters = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class LinkCounters:
    """Live views, uint64, of one link's counters: per direction (by sending end) and per end."""

    wires: tuple[Counters, Counters]
    secys: tuple[Counters, Counters]

    @classmethod
    def of(cls, slots: Counters) -> "LinkCounters":
        """Views into the LINK_SLOTS slots of a link."""
        wires = slots[: 2 * WIRE_SLOTS].reshape(2, WIRE_SLOTS)
        secys = slots[2 * WIRE_SLOTS :][: 2 * COUNTER_SLOTS].reshape(2, COUNTER_SLOTS)
        return cls((wires[0], wires[1]), (secys[0], secys[1]))

    @classmethod
    def at(cls, counters: Counters, slot: int) -> "LinkCounters":
        """Those of the link in a slot of the engine's counters."""
        return cls.of(counters[slot * LINK_SLOTS : (slot + 1) * LINK_SLOTS])


@dataclass(slots=True)
class Link:
    """What the engine holds of a link.

    `wires`, the core's ids, and `impairments`, brownouts aside, are by sending end; `monitored` are the
    namespaces that are watched for it.
    """

    specification: LinkSpecification
    ports: Sequence[Port]
    counters: LinkCounters
    slot: int
    secys: list[SecureEnd] = field(default_factory=list)
    wires: list[int] = field(default_factory=list)
    signal: LinkSignal = field(default_factory=LinkSignal)
    carrier: list[bool] = field(default_factory=lambda: [False, False])
    monitored: list[str] = field(default_factory=list)
    impairments: list[Impairment] = field(default_factory=lambda: [Impairment(), Impairment()])
    in_effect: list[Impairment] = field(default_factory=lambda: [Impairment(), Impairment()])
    """What the core does to each direction."""
    settled_ns: int = 0
    """When wires and carriers were last made what the signal says."""

    def impairment(self, sender: int) -> Impairment:
        """What a direction does to its frames: its impairment, and over it that of every brownout."""
        impairment = self.impairments[sender]
        for fault in self.signal.faults.values():
            if fault.sender in (None, sender):
                impairment = replace(impairment, **fault.impairment)
        return impairment

    def changed(self, changes: tuple[Mapping[str, Any], Mapping[str, Any]]) -> tuple[Impairment, Impairment]:
        """What its impairments are with these changes, by sending end; TypeError or ValueError."""
        one, other = self.impairments
        return replace(one, **changes[0]), replace(other, **changes[1])

    def secy_handle(self, end: int) -> object:
        """The core's SecY at an end; NULL on a plain link and at a raw end, which is the last."""
        return self.secys[end].secy.handle if end < len(self.secys) else ffi.NULL


def add_wires(engine: object, link: Link) -> None:
    """Starts both directions in the core; they carry frames from now on."""
    for sender in (0, 1):
        config = ffi.new("ql_wire_config *")
        config.sending = link.ports[sender].handle
        config.receiving = link.ports[1 - sender].handle
        config.frame_octets = link.specification.frame_octets
        if link.specification.ends[sender].raw and link.secys:
            config.frame_octets += MACSEC_OCTETS
        config.transmit = link.secy_handle(sender)
        config.receive = link.secy_handle(1 - sender)
        config.seed = link.specification.seed(sender)
        config.counters = ffi.from_buffer("uint64_t *", link.counters.wires[sender])
        link.wires.append(check_core(lib.ql_engine_add_wire(engine, config)))


def block_wires(engine: object, link: Link, now_ns: int) -> None:
    """Has the core lose what faults lose at that moment."""
    for direction, wire in enumerate(link.wires):
        check_core(lib.ql_engine_block_wire(engine, wire, link.signal.blocked(direction, now_ns)))


def impair_wires(engine: object, link: Link) -> None:
    """Has the core impair both directions of a link as they are to be, from the next frame on."""
    for sender, wire in enumerate(link.wires):
        impairment = link.impairment(sender)
        if impairment != link.in_effect[sender]:  # else a burst of losses, or a rate's clock, goes on
            check_core(lib.ql_engine_impair_wire(engine, wire, core_impairment(impairment)))
            link.in_effect[sender] = impairment


def core_impairment(impairment: Impairment) -> object:
    """The same for the core: whole nanoseconds, octets and bits a second."""
    return ffi.new(
        "ql_impairment *",
        {
            "delay_ns": round(impairment.delay_us * 1000),
            "jitter_ns": round(impairment.jitter_us * 1000),
            "jitter_model": _JITTER_MODELS[impairment.jitter_model],
            "loss_model": _LOSS_MODELS[impairment.loss_model],
            "loss": impairment.loss,
            "enter_burst": impairment.enter_burst,
            "leave_burst": impairment.leave_burst,
            "loss_in_burst": impairment.loss_in_burst,
            "duplicate": impairment.duplicate,
            "reorder": impairment.reorder,
            "reorder_frames": impairment.reorder_frames,
            "corrupt": impairment.corrupt,
            "rate_bps": round(impairment.rate_mbps * 1e6),
            "queue_octets": impairment.queue_octets,
            "queue_ns": round(impairment.queue_us * 1000),
        },
    )


_LOSS_MODELS = {
    LossModel.INDEPENDENT: lib.QL_LOSS_INDEPENDENT,
    LossModel.GILBERT_ELLIOTT: lib.QL_LOSS_GILBERT_ELLIOTT,
}
_JITTER_MODELS = {
    JitterModel.UNIFORM: lib.QL_JITTER_UNIFORM,
    JitterModel.NORMAL: lib.QL_JITTER_NORMAL,
    JitterModel.PARETO: lib.QL_JITTER_PARETO,
}


def check_core(result: int) -> int:
    """Turns the core's -1 with errno into OSError."""
    if result < 0:
        raise OSError(ffi.errno, os.strerror(ffi.errno))
    return result
