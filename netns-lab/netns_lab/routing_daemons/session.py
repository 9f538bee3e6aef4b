"""What a routing daemon says of a BGP session."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DaemonSession:
    """One session as its daemon sees it.

    `since_ns` is the monotonic time of its last change, 0 where there was none; `prefixes` is how many it
    brought; `bfd` is the state of the BFD session that it goes by (RFC 5880), None where there is none.
    """

    up: bool = False
    since_ns: int = 0
    prefixes: int = 0
    reason: str = "not established yet"
    bfd: str | None = None
