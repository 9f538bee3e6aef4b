"""What waiting in a link costs a frame, in memory and on one core: without ports, on time that is made up.

A frame is protected, waits on the line and is validated, in bursts as the engine's worker has them. The calls
from Python are in the figures. What is compared is timed in turn.
"""

import numpy as np

from bench.figures import Figure, figure
from bench.running import Say
from bench.sampling import Work, interleaved, on_one_core
from bench.secys import HEADER, PEER_SCI, SCI, Variant
from dataplane._core import ffi, lib
from dataplane.links.link import WIRE_SLOTS, core_impairment
from dataplane.links.specification import MACSEC_OCTETS, Impairment
from dataplane.macsec.native import NativeSecY
from dataplane.macsec.secy import SecYConfig

SIZES = (64, 594, 1500)
QUEUED = 10_000
QUEUED_GOAL = 1.2
ROUNDS = 101
FRAME_NS = 100
"""From one frame to the next, on made-up time."""
BURST: int = lib.QL_BURST
BURSTS = 160
"""In a sample; more than wait."""


class Way:
    """Frames of one size from SecY to SecY over a line on which so many of them wait."""

    def __init__(self, octets: int, queued: int, secure: bool) -> None:
        self._room = lib.QL_HEADROOM + octets + MACSEC_OCTETS + lib.QL_TAILROOM
        frame = HEADER + bytes(octets - len(HEADER))
        slot = bytes(lib.QL_HEADROOM) + frame + bytes(self._room - lib.QL_HEADROOM - octets)
        self._arena = ffi.new("uint8_t[]", slot * BURST)
        self._burst = ffi.new("ql_burst *", {"arena": self._arena, "stride": self._room})
        places = [lib.QL_HEADROOM + i * self._room for i in range(BURST)]
        self._fresh = ffi.new("uint32_t[]", places), ffi.new("uint32_t[]", [octets] * BURST)
        self._batch = ffi.new("ql_batch *", {"arena": self._arena, "arena_size": self._room * BURST})
        for name in ("offset", "length", "verdict"):
            setattr(self._batch, name, getattr(self._burst, name))
        self._secys = self._pair() if secure else ()
        self._counters = np.zeros(WIRE_SLOTS, np.uint64)
        line = lib.ql_line_new(0, ffi.from_buffer("uint64_t *", self._counters))
        self._line = ffi.gc(line, lib.ql_line_free)
        lib.ql_line_impair(self._line, core_impairment(Impairment(delay_us=queued * FRAME_NS / 1000)))
        self._now_ns = 0
        self.wrong = 0

    @staticmethod
    def _pair() -> tuple[NativeSecY, NativeSecY]:
        sender, receiver = NativeSecY(SecYConfig(SCI)), NativeSecY(SecYConfig(PEER_SCI))
        sender.install_transmit_sa(0, Variant().sak())
        receiver.install_receive_sa(SCI, 0, Variant().sak())
        return sender, receiver

    def carry(self) -> None:
        """BURSTS enter, and as many leave once so many wait as should."""
        burst, batch, line = self._burst, self._batch, self._line
        for _ in range(BURSTS):
            ffi.memmove(burst.offset, self._fresh[0], 4 * BURST)
            ffi.memmove(burst.length, self._fresh[1], 4 * BURST)
            burst.count = batch.count = BURST
            if self._secys:
                lib.ql_secy_protect(self._secys[0].handle, batch)
            lib.ql_line_enter(line, burst, self._now_ns)
            self._now_ns += BURST * FRAME_NS
            lib.ql_line_leave(line, burst, self._now_ns)
            batch.count = burst.count
            if self._secys and batch.count:
                lib.ql_secy_validate(self._secys[1].handle, batch)
                self.wrong += not lib.ql_verdict_passes(batch.verdict[0])


def run(say: Say, sizes: tuple[int, ...] = SIZES, rounds: int = ROUNDS) -> list[Figure]:
    """Times a frame with one burst on the line and with many. Raises RuntimeError where frames went wrong."""
    figures = []
    with on_one_core() as core:
        for octets in sizes:
            say(f"bench: frames of {octets} B, on core {core}")
            ways = {
                (secure, queued): Way(octets, queued, secure)
                for secure in (True, False)
                for queued in (BURST, QUEUED)
            }
            works = {_name(octets, *key): Work(way.carry, BURST * BURSTS) for key, way in ways.items()}
            samples = interleaved(works, rounds)
            if wrong := sum(way.wrong for way in ways.values()):
                raise RuntimeError(f"{wrong} bursts came out wrong")
            for secure in (True, False):
                first, many = (_name(octets, secure, queued) for queued in (BURST, QUEUED))
                reference = figure(first, "ns/frame", samples[first])
                goal = QUEUED_GOAL if secure else None
                figures += [
                    reference,
                    figure(many, "ns/frame", samples[many], goal, "ratio at most", reference),
                ]
    return figures


def _name(octets: int, secure: bool, queued: int) -> str:
    way = "protect, wait, validate" if secure else "the line alone"
    return f"{octets} B, {way}: {queued} frames wait"
