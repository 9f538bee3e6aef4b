"""From the monotonic clock, which every stamp of a lab is of, to the wall clock that people read."""

import time
from datetime import UTC, datetime

NS_PER_US = 1_000
US_PER_S = 1_000_000


def wall_offset_ns() -> int:
    """What to add to a monotonic time for nanoseconds since 1970, as both clocks go now."""
    return time.time_ns() - time.monotonic_ns()


def wall_time(t_ns: int) -> str:
    """A monotonic time as ISO 8601, in UTC and to the microsecond."""
    seconds, us = divmod((t_ns + wall_offset_ns()) // NS_PER_US, US_PER_S)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=us).isoformat(timespec="microseconds")


def local_time(time: str) -> str:
    """Such a time as people read it: HH:MM:SS.mmm in their own time zone."""
    return datetime.fromisoformat(time).astimezone().time().isoformat(timespec="milliseconds")
