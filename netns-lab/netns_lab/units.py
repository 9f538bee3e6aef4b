"""Values with units, as files and command lines write them: `2ms`, `0.1%`, `10gbit`.

Each function returns a number in the unit its name says and raises `ValueError` with one sentence otherwise.
A number without a unit is refused, because `3` means seconds to one reader and milliseconds to the next.
"""

from __future__ import annotations

import re
from decimal import Decimal

_DURATION_S = {"us": Decimal("1e-6"), "ms": Decimal("1e-3"), "s": Decimal(1), "m": Decimal(60)}
_RATE_MBPS = {"kbit": Decimal("1e-3"), "mbit": Decimal(1), "gbit": Decimal(1000)}
_SHARE = {"%": Decimal("0.01")}
_SIZE_OCTETS = {"B": Decimal(1), "kB": Decimal(1000), "MB": Decimal(10**6), "GB": Decimal(10**9)}

DURATION_PATTERN = r"[0-9.]+ ?(us|ms|s|m)"
"""Of a duration, for a JSON Schema."""
_NUMBER_AND_UNIT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,20})?) ?([a-zA-Z%]+)", re.ASCII)


def duration_s(text: str) -> float:
    """Seconds of `3s`, `50ms`, `200us` or `1m`."""
    return float(_duration_s(text))


def duration_us(text: str) -> float:
    """Microseconds of a duration."""
    return float(_duration_s(text) * 1_000_000)


def rate_mbps(text: str) -> float:
    """Megabits per second of `10gbit`, `100mbit` or `64kbit`."""
    return float(_read(text, _RATE_MBPS, "a rate such as 10gbit, 100mbit or 64kbit"))


def share(text: str) -> float:
    """The share, 0 to 1, that `0.1%` stands for."""
    value = _read(text, _SHARE, "a share such as 0.1%")
    if value > 1:
        raise ValueError(f"found {text!r}, expected at most 100%")
    return float(value)


def size_octets(text: str) -> int:
    """Whole octets of `1500B`, `256kB` (256,000), `4MB` or `1GB`."""
    expected = "a size in whole octets such as 256kB"
    value = _read(text, _SIZE_OCTETS, expected)
    if value != int(value):
        raise ValueError(f"found {text!r}, expected {expected}")
    return int(value)


def duration_text(us: float) -> str:
    """A duration as `duration_us` reads it, in the largest unit up to seconds that it fills."""
    return _text(us, {unit: scale * 1_000_000 for unit, scale in _DURATION_S.items() if unit != "m"})


def rate_text(mbps: float) -> str:
    """A rate as `rate_mbps` reads it."""
    return _text(mbps, _RATE_MBPS)


def share_text(share: float) -> str:
    """A share as `share` reads it."""
    return _text(share, _SHARE)


def size_text(octets: int) -> str:
    """A size as `size_octets` reads it."""
    return _text(octets, _SIZE_OCTETS)


def _duration_s(text: str) -> Decimal:
    return _read(text, _DURATION_S, "a duration such as 3s, 50ms or 200us")


def _read(text: str, units: dict[str, Decimal], expected: str) -> Decimal:
    match = _NUMBER_AND_UNIT.fullmatch(text) if isinstance(text, str) else None
    if match is None or match[2] not in units:
        raise ValueError(f"found {text!r}, expected {expected}")
    return Decimal(match[1]) * units[match[2]]


def _text(value: float, units: dict[str, Decimal]) -> str:
    """Every digit that tells the value from its neighbors, in the largest of the units, which rise."""
    exact = Decimal(repr(value))
    unit = next((unit for unit in reversed(units) if exact >= units[unit]), next(iter(units)))
    number = f"{exact / units[unit]:f}"
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number}{unit}"
