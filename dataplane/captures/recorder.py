"""The engine's end of a capture: memory that nobody can shrink under it, and the wires that write there."""

import errno
import fcntl
import mmap
import os
from collections.abc import Mapping

from dataplane._core import ffi, lib
from dataplane.captures.memory import (
    MAXIMUM_CAPTURE_OCTETS,
    MAXIMUM_SNAP_OCTETS,
    RING_UNIT_OCTETS,
    CaptureMemory,
    CapturePoint,
    CaptureWire,
)
from dataplane.interface import LinkError
from dataplane.links.link import check_core

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class Recorder:
    """A running capture. It costs the engine nothing but its memory: whoever maps that reads by itself."""

    def __init__(
        self,
        engine: object,
        id: int,
        wires: Mapping[CaptureWire, int],
        points: CapturePoint,
        snap_octets: int,
        ring_octets: int,
    ) -> None:
        """wires have the core's ids, and ring_octets each. Raises LinkError for what no capture can be."""
        _check(len(wires), points, snap_octets, ring_octets)
        self._engine = engine
        self._wires = dict(wires)
        self._captures: dict[CaptureWire, object] = {}
        self._file = os.memfd_create("quadlink-capture", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            each_octets = lib.QL_CAPTURE_HEADER_OCTETS + ring_octets
            os.ftruncate(self._file, len(wires) * each_octets)
            fcntl.fcntl(self._file, fcntl.F_ADD_SEALS, _SEALS)
            self._memory = mmap.mmap(self._file, len(wires) * each_octets)
            start = ffi.from_buffer("uint8_t *", self._memory)
            for number, (place, wire) in enumerate(wires.items()):
                capture = lib.ql_capture_new(start + number * each_octets, ring_octets, snap_octets, points)
                if capture == ffi.NULL:
                    raise MemoryError("no memory for a capture")
                self._captures[place] = capture
                self._attach(place.link, wire, capture)
        except BaseException:
            self.close()
            raise
        self.memory = CaptureMemory(id, f"/proc/{os.getpid()}/fd/{self._file}", ring_octets, tuple(wires))

    def forget(self, link: str) -> None:
        """Stops listening to a link that goes away, and tells the reader."""
        for place in [place for place in self._captures if place.link == link]:
            capture = self._captures.pop(place)
            lib.ql_engine_remove_capture(self._engine, self._wires[place], capture)
            lib.ql_capture_free(capture)

    def close(self) -> None:
        """Ends the capture. What the reader has not read yet stays there for it."""
        for link in {place.link for place in self._captures}:
            self.forget(link)
        os.close(self._file)

    def _attach(self, link: str, wire: int, capture: object) -> None:
        try:
            check_core(lib.ql_engine_add_capture(self._engine, wire, capture))
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            raise LinkError(
                f"link {link}: {lib.QL_CAPTURE_LIMIT} captures run on it, which is as many as it can have"
            ) from None


def _check(wires: int, points: int, snap_octets: int, ring_octets: int) -> None:
    every = sum(CapturePoint)
    for found, expected, right in (
        (f"{wires} wires", "at least one", wires > 0),
        (f"points {points}", f"1 to {every}", 1 <= points <= every),
        (
            f"snap length {snap_octets}",
            f"1 to {MAXIMUM_SNAP_OCTETS} octets",
            1 <= snap_octets <= MAXIMUM_SNAP_OCTETS,
        ),
        (
            f"rings of {ring_octets} octets",
            f"a multiple of {RING_UNIT_OCTETS}, at most {MAXIMUM_CAPTURE_OCTETS} in all",
            ring_octets > 0
            and ring_octets % RING_UNIT_OCTETS == 0
            and wires * ring_octets <= MAXIMUM_CAPTURE_OCTETS,
        ),
    ):
        if not right:
            raise LinkError(f"capture: found {found}, expected {expected}")
