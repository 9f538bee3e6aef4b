"""A BGP session as a router sees it, and what it tells its owner of one."""

from dataclasses import dataclass


@dataclass(slots=True)
class Session:
    """One BGP session as this router sees it; `since_ns` is when it last came up or went down.

    It goes over any of `ifindexes`. `held`: shut down, by an operator or for more prefixes than were agreed,
    until it is reset. `warning` says what else is wrong with it.
    """

    neighbor: str
    peer_node: str
    link: str
    interface: str
    ifindexes: frozenset[int]
    up: bool = False
    since_ns: int = 0
    reason: str = "not established yet"
    held: bool = False
    warning: str = ""

    def is_of(self, other: "Session") -> bool:
        """Whether both are the same session, whatever its state."""
        return (self.neighbor, self.peer_node, self.link, self.interface, self.ifindexes) == (
            other.neighbor,
            other.peer_node,
            other.link,
            other.interface,
            other.ifindexes,
        )


@dataclass(frozen=True, slots=True)
class SessionChange:
    """A session came up or went down, as `Router` tells its owner."""

    session: Session
    up: bool
    reason: str
