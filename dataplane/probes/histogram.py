"""Histograms of times in HdrHistogram's layout (hdrhistogram.org): three significant digits, 1 ns to 10 s.

The native loops count into an array of SLOTS; the counts of two histograms may be added.
"""

import base64
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dataplane._core import lib

SLOTS: int = lib.QL_HISTOGRAM_SLOTS
SUB_BUCKETS = 2048
NS_PER_US = 1e3
_DIGITS, _LONGEST_NS = 3, 10_000_000_000
# EncodableHistogram of HdrHistogram: cookie, octets of payload, index offset, digits, lowest, highest, ratio.
_COOKIE, _COMPRESSED_COOKIE = 0x1C849303 | 0x10, 0x1C849304 | 0x10
_ENCODED = struct.Struct(">iiiiqqd")
_COMPRESSED = struct.Struct(">ii")

Counts = npt.NDArray[np.uint64]


def _highest_values() -> npt.NDArray[np.int64]:
    """The highest value, in ns, that is counted in each slot."""
    slots = np.arange(SLOTS, dtype=np.int64)
    half = SUB_BUCKETS // 2
    bucket = np.maximum(slots // half - 1, 0)
    highest: npt.NDArray[np.int64] = ((slots - bucket * half + 1) << bucket) - 1
    return highest


HIGHEST_NS = _highest_values()


@dataclass(frozen=True, slots=True)
class Histogram:
    """The counts of each slot, uint64 of shape (SLOTS,)."""

    counts: Counts

    @property
    def total(self) -> int:
        """How many values were counted."""
        return int(self.counts.sum())

    def percentile_us(self, percentile: float) -> float | None:
        """What `percentile` % of the values do not exceed, in us within a 1000th; None without values."""
        total = self.total
        if total == 0:
            return None
        rank = max(1, int(np.ceil(total * percentile / 100)))
        slot = int(np.searchsorted(np.cumsum(self.counts), rank))
        return float(HIGHEST_NS[slot]) / NS_PER_US

    def as_json(self) -> dict[str, Any]:
        """Number of values and percentiles in us; those of no values are left out."""
        points = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9, "max": 100.0}
        found = {f"{name}_us": self.percentile_us(at) for name, at in points.items()}
        percentiles = {name: us for name, us in found.items() if us is not None}
        return {"count": self.total, **percentiles, "hdr": self.encoded()}

    def encoded(self) -> str:
        """The counts in HdrHistogram's own encoding (V2, compressed, base64), values in ns, for its tools."""
        payload = b"".join(_zig_zag(number) for number in _runs(self.counts))
        header = _ENCODED.pack(_COOKIE, len(payload), 0, _DIGITS, 1, _LONGEST_NS, 1.0)
        compressed = zlib.compress(header + payload)
        return base64.b64encode(_COMPRESSED.pack(_COMPRESSED_COOKIE, len(compressed)) + compressed).decode()


def _runs(counts: Counts) -> Iterator[int]:
    """Each count up to the last that is not 0; zeros in succession as their negative number."""
    zeros = 0
    for count in np.trim_zeros(counts, "b").tolist():
        if count == 0:
            zeros += 1
            continue
        if zeros:
            yield -zeros
        zeros = 0
        yield count


def _zig_zag(number: int) -> bytes:
    """A number as ZigZag LEB128: seven bits an octet, the lowest first, the sign as the lowest bit."""
    rest = number << 1 if number >= 0 else (-number << 1) - 1
    octets = bytearray()
    while rest >= 128:
        octets.append(rest & 127 | 128)
        rest >>= 7
    octets.append(rest)
    return bytes(octets)
