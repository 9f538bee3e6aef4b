"""The field types of a router's `bgp`: timers, prefix ranges, communities. They read as those of `fields`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from control.bgp.model import DecodeError, parse_community
from control.bgp.policy import MAXIMUM_32_BIT, MAXIMUM_PREPENDING, MAXIMUM_RESTART_TIME_S, PrefixRange
from netns_lab.fields import text, whole
from netns_lab.units import DURATION_PATTERN, duration_us

US_PER_S = 1_000_000
COMMUNITIES = '"64512:666" or no-export'


def _whole(value: object, unit_us: int, bounds: tuple[int, int], expected: str) -> int:
    """A duration as a whole number of its unit, within bounds."""
    try:
        number = duration_us(value) / unit_us if isinstance(value, str) else 0.5
    except ValueError:
        raise ValueError(expected) from None
    least, most = bounds
    if not (number.is_integer() and least <= number <= most):
        raise ValueError(expected)
    return int(number)


def _hold_time_s(value: object) -> int:
    """RFC 4271 section 4.2: whole seconds, 0 or at least 3. 0 would mean a dead peer is never noticed."""
    return _whole(value, US_PER_S, (3, 65535), "expected whole seconds of at least 3s, such as 3s")


def _restart_time_s(value: object) -> int:
    expected = f"expected whole seconds from 1s to {MAXIMUM_RESTART_TIME_S}s, such as 120s"
    return _whole(value, US_PER_S, (1, MAXIMUM_RESTART_TIME_S), expected)


def _bfd_interval_us(value: object) -> int:
    expected = "expected a duration from 3ms to 60s in whole microseconds, such as 50ms"
    return _whole(value, 1, (3_000, 60 * US_PER_S), expected)


def _prefix_range(value: object) -> PrefixRange:
    if not isinstance(value, str):
        raise ValueError('expected a prefix in quotes, such as "10.2.0.0/16 le 24"')
    try:
        return PrefixRange.parse(value)
    except ValueError as error:  # which says what it found, as whoever reports it does, too
        raise ValueError(str(error).partition(", found ")[0]) from None


def _community(value: object) -> int:
    try:
        return parse_community(value if isinstance(value, str) else "")
    except DecodeError:
        raise ValueError(f"expected a community in quotes, such as {COMMUNITIES}") from None


HoldTime = Annotated[
    int,
    BeforeValidator(_hold_time_s),
    text("BGP hold time (RFC 4271): whole seconds of at least 3s, such as 3s", DURATION_PATTERN),
]
RestartTime = Annotated[
    int,
    BeforeValidator(_restart_time_s),
    text("how long a restarting neighbor's paths are kept (RFC 4724), such as 120s", DURATION_PATTERN),
]
BfdInterval = Annotated[
    int,
    BeforeValidator(_bfd_interval_us),
    text("between two BFD packets (RFC 5880), from 3ms, such as 50ms", DURATION_PATTERN),
]
BfdMultiplier = Annotated[int, whole(1, 255, "BFD packets that may be lost, plus one")]
RangeOfPrefixes = Annotated[
    PrefixRange,
    BeforeValidator(_prefix_range),
    text(
        'prefixes, such as "10.2.0.0/16 le 24": PREFIX [ge LENGTH] [le LENGTH]',
        "[0-9A-Fa-f:.]+/[0-9]{1,3}( ge [0-9]{1,3})?( le [0-9]{1,3})?",
    ),
]
Community = Annotated[
    int,
    BeforeValidator(_community),
    text(f"community, such as {COMMUNITIES}", "([0-9]+:[0-9]+|[a-z-]+)"),
]
Preference = Annotated[int, whole(0, MAXIMUM_32_BIT, "LOCAL_PREF, the higher the better")]
Med = Annotated[int, whole(0, MAXIMUM_32_BIT, "MULTI_EXIT_DISC, the lower the better")]
Prepending = Annotated[int, whole(1, MAXIMUM_PREPENDING, "times that the nearest AS is put before the path")]
PrefixCount = Annotated[int, whole(1, MAXIMUM_32_BIT, "prefixes")]
Cost = Annotated[int, whole(1, 65535, "cost of a link between routers of one AS")]
