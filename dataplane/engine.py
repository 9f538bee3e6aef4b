"""The engine: ports, SecYs and links wired together, carried by native threads, counted in shared memory.

Every method is quick and must be called from one thread; frames move in others. Whoever owns the engine waits
for the descriptors of `watched()` and calls `attend()` when one is readable or `next_deadline_ns()` has come.
"""

import contextlib
import errno
import heapq
import itertools
import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from dataplane._core import ffi, lib
from dataplane.captures.memory import CaptureMemory, CapturePoint, CaptureWire
from dataplane.captures.recorder import Recorder
from dataplane.counters import new_counters
from dataplane.interface import (
    CarrierEvent,
    EndState,
    EngineEvent,
    FaultEvent,
    ImpairmentChanges,
    LinkError,
    LinkState,
    PendingEvent,
)
from dataplane.link_state import get_link
from dataplane.links.active_faults import ActiveFaults
from dataplane.links.faults import FaultSpecification
from dataplane.links.link import (
    LINK_SLOTS,
    UNREAD_SLOT,
    Link,
    LinkCounters,
    add_wires,
    block_wires,
    check_core,
    impair_wires,
)
from dataplane.links.secys import SecureEnd, make_secys
from dataplane.links.specification import MAXIMUM_FRAME_OCTETS, FaultMode, Impairment, LinkSpecification
from dataplane.macsec.ledger import Ledger, LedgerError
from dataplane.macsec.sak import Sak
from dataplane.monitors import NamespaceMonitors
from dataplane.ports.opening import PortMaker
from dataplane.ports.port import InterfacePort, Port

MAXIMUM_LINKS = 4096
log = logging.getLogger("engine")
MTU_OCTETS = range(68, 65522)
"""What IPv4 needs at least (RFC 791) and what a TAP device can have at most."""
NS_PER_S = 1_000_000_000
RESERVE_AGAIN_NS = 5 * NS_PER_S
"""When the ledger is asked again that could not reserve packet numbers."""
GONE = (errno.EBADFD, errno.ENODEV)
"""What a TAP device and a veth pair answer once they are deleted."""


class Engine:
    """Carries the frames of a lab's links.

    `on_event` hears every change of a carrier and of a fault, and of packet numbers that run out; `ledger`
    is where the packet numbers of given SAKs are kept. `workers` threads, by default one for each CPU, carry
    the frames; with `busy_poll` they never sleep, so each takes a whole CPU and frames wait for no wake-up.
    """

    def __init__(
        self,
        workers: int | None = None,
        busy_poll: bool = False,
        counters_path: Path | None = None,
        ledger: Ledger | None = None,
        on_event: Callable[[EngineEvent], None] = lambda event: None,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._links: dict[str, Link] = {}
        self._monitors = NamespaceMonitors()
        self._ports = PortMaker()
        self._interfaces: dict[tuple[str, int], tuple[Link, int]] = {}
        self._free_slots = list(range(MAXIMUM_LINKS))  # a heap: the lowest is taken first
        self._captures: dict[int, Recorder] = {}
        self._capture_ids = itertools.count(1)
        self._faults = ActiveFaults()
        self._ledger = ledger or Ledger()
        self._reserve_at_ns: int | None = None
        self._on_event = on_event
        self._now_ns = now_ns
        self._counters = new_counters(MAXIMUM_LINKS * LINK_SLOTS, counters_path)
        self._core = lib.ql_engine_new(workers or os.cpu_count() or 1, busy_poll)
        if self._core == ffi.NULL:
            raise OSError(ffi.errno, f"no worker threads: {os.strerror(ffi.errno)}")

    def close(self) -> None:
        """Ends every capture, takes down every link and stops the workers."""
        for id in list(self._captures):
            self.stop_capture(id)
        for name in list(self._links):
            self.remove_link(name)
        self._ports.close()
        self._monitors.close()
        lib.ql_engine_free(self._core)
        self._core = ffi.NULL

    def add_link(
        self, specification: LinkSpecification, sak: Sak | None = None, ports: Sequence[Port] = ()
    ) -> LinkState:
        """Makes a link without carrier; carrier comes when both interfaces are up.

        ports default to new interfaces in the ends' namespaces; sak, of which key and salt count, to a
        random one. Raises LinkError where the name is taken, a port cannot be made, a SecY cannot be like
        that, or a given SAK's packet numbers are not to be had; nothing is left then.
        """
        name = specification.name
        if name in self._links:
            raise LinkError(f"link {name}: there is one already")
        if not self._free_slots:
            raise LinkError(f"no room for more than {MAXIMUM_LINKS} links")
        slot = heapq.heappop(self._free_slots)
        slots = self._counters[slot * LINK_SLOTS : (slot + 1) * LINK_SLOTS]
        slots[:] = 0
        opened: list[Port] = list(ports)
        link = Link(specification, opened, LinkCounters.of(slots), slot)
        try:
            if specification.mtu not in MTU_OCTETS:
                raise ValueError(
                    f"found mtu {specification.mtu}, expected {MTU_OCTETS[0]} to {MTU_OCTETS[-1]}"
                )
            if not ports:
                for end in (0, 1):
                    opened.append(self._open_port(link, end))
            link.secys = make_secys(specification, link.counters.secys, sak, self._ledger)
            add_wires(self._core, link)
        except BaseException as error:
            self._discard(link)
            if isinstance(error, OSError | ValueError):
                raise LinkError(f"link {name}: {error}") from error
            raise
        self._links[name] = link
        if ports:
            link.signal.admin_up = [True, True]
        self._look(link)
        return self._state(link)

    def remove_link(self, name: str) -> None:
        """Takes a link and its ports away, after the frames that its ports have taken already."""
        link = self._link(name)
        for capture in self._captures.values():
            capture.forget(name)
        del self._links[name]
        self._faults.forget(link)
        self._discard(link)

    def leave_devices(self) -> None:
        """Lets every device outlive this engine, for whoever deletes their namespaces next.

        The kernel takes all devices of dying namespaces away at once; one by one, as descriptors are closed,
        each costs it some milliseconds. It walks the whole IPv6 table for each: so that goes first.
        """
        self._monitors.flush_ipv6_routes()
        for link in self._links.values():
            for port in link.ports:
                if isinstance(port, InterfacePort):
                    port.leave()

    def fail(self, id: str, links: Sequence[str], fault: FaultSpecification) -> int:
        """Fails these links at once; returns the monotonic time in ns just before.

        `id` names the fault to whoever heals it; others on the same links stay what they are beside it.
        """
        failing = [self._link(name) for name in links]
        for link in failing:
            if fault.from_node is not None:
                self._end(link, fault.from_node)
        moment_ns = self._now_ns()
        self._faults.begin(id, failing, fault, moment_ns)
        self._settle_fault(id, failing, fault.mode, moment_ns)
        return moment_ns

    def heal(self, id: str) -> int:
        """Ends a fault; returns the monotonic time in ns. One that is not active changes nothing."""
        moment_ns = self._now_ns()
        if healed := self._faults.end(id):
            self._settle_fault(id, healed, None, moment_ns)
        return moment_ns

    def set_fault(
        self, name: str, mode: FaultMode, from_node: str | None = None, for_s: float | None = None
    ) -> int:
        """Fails one link, whose name is the fault's id."""
        if faults := self._link(name).signal.faults:
            modes = ", ".join(fault.mode for fault in faults.values())
            raise LinkError(f"link {name}: already failed ({modes}); heal it first")
        try:
            specification = FaultSpecification(mode, from_node, for_s)
        except ValueError as error:
            raise LinkError(f"link {name}: {error}") from error
        return self.fail(name, (name,), specification)

    def clear_fault(self, name: str) -> int:
        """Heals what `set_fault` did to a link; a link that is well stays so."""
        self._link(name)
        return self.heal(name)

    def impair(self, name: str, impairments: tuple[Impairment, Impairment]) -> None:
        """Gives both directions of a link, by sending end, their impairment, from the next frame on."""
        link = self._link(name)
        link.impairments = list(impairments)
        impair_wires(self._core, link)

    def change_impairments(
        self, name: str, changes: tuple[ImpairmentChanges, ImpairmentChanges]
    ) -> tuple[Impairment, Impairment]:
        """Changes what both directions of a link, by sending end, have now; what is not named stays.

        Returns what they have then.
        """
        try:
            changed = self._link(name).changed(changes)
        except (TypeError, ValueError) as error:
            raise LinkError(f"link {name}: {error}") from error
        self.impair(name, changed)
        return changed

    def links(self) -> list[LinkState]:
        """Every link as it is now, in the order they were made."""
        return [self._state(link) for link in self._links.values()]

    def count_unread(self) -> None:
        """Brings the counters `drop_unread` up to date, for which the kernel is asked, port by port."""
        for link in self._links.values():
            for wire, port in zip(link.counters.wires, link.ports, strict=True):
                with contextlib.suppress(OSError):  # the device is gone: what it last said stays
                    if isinstance(port, InterfacePort):
                        wire[UNREAD_SLOT] = port.unread()

    def counters(self, name: str) -> LinkCounters:
        """Live counters of a link, as views."""
        return self._link(name).counters

    def export_sak(self, name: str) -> Sak:
        """The SAK of a MACsec link, for whoever must decrypt a capture: the one way a key leaves the core.

        That it did is logged.
        """
        link = self._link(name)
        if not link.secys:
            raise LinkError(f"link {name}: plain, it has no SAK")
        log.warning("the SAK of link %s was exported", name)
        secure = link.secys[0]
        return Sak(secure.secy.export_sak(), secure.salt)

    def flip_bit(self, name: str, from_node: str, bit: int, frames: int = 1) -> None:
        """Inverts one bit of the next frames that from_node sends, counted from the destination address."""
        wire = self._wire(name, from_node)
        if not 0 <= bit < 8 * MAXIMUM_FRAME_OCTETS:
            raise LinkError(f"link {name}: found bit {bit}, expected 0 to {8 * MAXIMUM_FRAME_OCTETS - 1}")
        check_core(lib.ql_engine_flip_bit(self._core, wire, bit, frames))

    def inject(self, name: str, from_node: str, *frames: bytes) -> None:
        """Puts a stranger's frames on the wire, towards the end that is not from_node's."""
        wire = self._wire(name, from_node)
        for frame in frames:
            if not 1 <= len(frame) <= MAXIMUM_FRAME_OCTETS:
                expected = f"1 to {MAXIMUM_FRAME_OCTETS}"
                raise LinkError(f"link {name}: found a frame of {len(frame)} octets, expected {expected}")
        lengths = list(map(len, frames))
        check_core(lib.ql_engine_inject(self._core, wire, b"".join(frames), lengths, len(lengths)))

    def start_capture(
        self, wires: Sequence[CaptureWire], points: CapturePoint, snap_octets: int, ring_octets: int
    ) -> CaptureMemory:
        """Shows the frames of these wires, at these points, in memory that the caller maps (CaptureReader).

        snap_octets is what is kept of a frame; each wire has a ring of ring_octets. stop_capture ends it.
        """
        places = {wire: self._wire(wire.link, wire.from_node) for wire in wires}
        recorder = Recorder(self._core, next(self._capture_ids), places, points, snap_octets, ring_octets)
        self._captures[recorder.memory.id] = recorder
        return recorder.memory

    def stop_capture(self, id: int) -> None:
        """Ends a capture; what was not read yet can be read still."""
        if id not in self._captures:
            raise LinkError(f"capture {id}: there is none")
        self._captures.pop(id).close()

    def watched(self) -> list[int]:
        """The descriptors to wait for, the same for the engine's whole life."""
        return [lib.ql_engine_event_fd(self._core), self._monitors.fileno()]

    def next_deadline_ns(self) -> int | None:
        """When, in monotonic ns, there is something to attend to by itself; None where there is not."""
        deadlines_ns = [self._faults.next_change_ns(), self._reserve_at_ns]
        return min((at_ns for at_ns in deadlines_ns if at_ns is not None), default=None)

    def attend(self) -> None:
        """Acts on times that have come, interfaces that went up or down, ports that went away, SecYs that
        stopped sending."""
        now_ns = self._now_ns()
        for id in self._faults.ended(now_ns):
            self.heal(id)
        self._settle(*self._faults.changed(now_ns))
        for namespace, state in self._monitors.read():
            # By its index: a node may give its interface another name.
            link, end = self._interfaces.get((namespace, state.ifindex), (None, 0))
            if link is not None:
                raw = link.specification.ends[end].raw
                link.signal.admin_up[end] = state.usable if raw else state.admin_up
                self._settle(link)
        told = self._reserve_at_ns is not None and self._reserve_at_ns <= self._now_ns()
        with contextlib.suppress(BlockingIOError):
            os.read(lib.ql_engine_event_fd(self._core), 8)
            told = True
        if told:
            self.refresh()

    def refresh(self) -> None:
        """Looks at every port and SecY again, and gives or takes carriers accordingly."""
        self._reserve_at_ns = None
        for link in self._links.values():
            self._look(link)

    def _look(self, link: Link) -> None:
        for end, secure in enumerate(link.secys):
            self._look_at_packet_numbers(link, end, secure)
            link.signal.mac_operational[end] = secure.secy.operational
        for end, wire in enumerate(link.wires):
            if check_core(lib.ql_engine_port_gone(self._core, wire)):
                link.signal.admin_up[end] = False
        self._settle(link)

    def _look_at_packet_numbers(self, link: Link, end: int, secure: SecureEnd) -> None:
        name, node, now_ns = link.specification.name, link.specification.ends[end].node, self._now_ns()
        try:
            if secure.look(now_ns):
                self._on_event(PendingEvent(name, node, now_ns))
        except LedgerError as error:
            self._reserve_at_ns = now_ns + RESERVE_AGAIN_NS
            log.error("link %s: %s will fall silent: %s", name, node, error)

    def _link(self, name: str) -> Link:
        try:
            return self._links[name]
        except KeyError:
            raise LinkError(f"no link {name}; links are {', '.join(self._links) or 'none'}") from None

    def _end(self, link: Link, node: str) -> int:
        try:
            return link.specification.end_of(node)
        except KeyError:
            ends = " and ".join(end.node for end in link.specification.ends)
            raise LinkError(f"link {link.specification.name}: no end at {node}; it joins {ends}") from None

    def _wire(self, name: str, from_node: str) -> int:
        """The core's id of the direction that from_node sends in."""
        link = self._link(name)
        return link.wires[self._end(link, from_node)]

    def _open_port(self, link: Link, end: int) -> InterfacePort:
        """An interface, watched from before it is there, so that nothing that happens to it is missed."""
        where = link.specification.ends[end]
        netlink = self._monitors.add(where.namespace)
        link.monitored.append(where.namespace)
        port = self._ports.open(link.specification, end, netlink)
        self._interfaces[where.namespace, port.ifindex] = link, end
        if where.raw:
            state = get_link(netlink, port.ifindex)
            link.signal.admin_up[end] = state is not None and state.usable
        return port

    def _ifindex(self, link: Link, end: int) -> int:
        """The interface's number in its namespace; 0 for a port that is none."""
        port = link.ports[end]
        return port.ifindex if isinstance(port, InterfacePort) else 0

    def _settle_fault(self, id: str, links: list[Link], mode: FaultMode | None, moment_ns: int) -> None:
        """Makes links what a fault that began or ended leaves of them."""
        self._settle(*links)
        self._on_event(FaultEvent(id, tuple(link.specification.name for link in links), mode, moment_ns))

    def _settle(self, *links: Link) -> None:
        """Makes wires and carriers what the links' signals say they are: wires first, the kernel last."""
        now_ns = self._now_ns()
        for link in links:
            link.settled_ns = now_ns
            block_wires(self._core, link, now_ns)
            impair_wires(self._core, link)
        # All are told before the kernel is, which takes its time for each and may tell late (see TapPort).
        for link, end in [(link, end) for link in links for end in (0, 1) if self._tell_carrier(link, end)]:
            self._set_carrier(link, end)

    def _tell_carrier(self, link: Link, end: int) -> bool:
        """Tells of the carrier that an end is to have by the signal; whether it is another than before."""
        before, link.carrier[end] = link.carrier[end], link.signal.carrier(end, link.settled_ns)
        if link.carrier[end] != before:
            name, at = link.specification.name, link.specification.ends[end]
            self._on_event(CarrierEvent(name, at.node, at.interface, link.carrier[end], self._now_ns()))
        return link.carrier[end] != before

    def _set_carrier(self, link: Link, end: int) -> None:
        try:
            link.ports[end].set_carrier(link.carrier[end])
        except OSError as error:
            if error.errno not in GONE:
                raise
            link.signal.admin_up[end] = False  # the namespace, and the port with it, is gone
            self._settle(link)

    def _state(self, link: Link) -> LinkState:
        ends = []
        for index, end in enumerate(link.specification.ends):
            ifindex = self._ifindex(link, index)
            ends.append(EndState(end.node, end.interface, ifindex, link.carrier[index]))
        return LinkState(
            name=link.specification.name,
            type=link.specification.type,
            ends=(ends[0], ends[1]),
            state=link.signal.state(self._now_ns()),
            faults=tuple(link.signal.faults.values()),
            macsec=link.specification.macsec,
            secys=tuple(secure.state() for secure in link.secys),
            slot=link.slot,
            impairments=(link.impairments[0], link.impairments[1]),
        )

    def _discard(self, link: Link) -> None:
        for wire in link.wires:
            lib.ql_engine_remove_wire(self._core, wire)
        for secure in link.secys:
            try:
                secure.close()
            except LedgerError as error:
                log.error("link %s: %s", link.specification.name, error)
        for index, port in enumerate(link.ports):
            self._interfaces.pop((link.specification.ends[index].namespace, self._ifindex(link, index)), None)
            port.close()
        for namespace in link.monitored:
            self._monitors.release(namespace)
        heapq.heappush(self._free_slots, link.slot)
