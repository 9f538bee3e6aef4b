"""Which neighbors restart gracefully, and until when their paths are kept (RFC 4724 section 4.2).

A session that ends by a NOTIFICATION, or that this router itself ends, is no restart.
"""

from control.bgp.model import EndOfRib, Event, RestartCapability, SessionDown, SessionUp
from control.bgp.notifications import was_notified

NS_PER_S = 1_000_000_000


class Restarts:
    """Neighbors that have lost their sessions and are waited for, for the time that their OPENs asked for.

    Once back, a neighbor has as long again to tell what it knows.
    """

    def __init__(self) -> None:
        self._capabilities: dict[str, RestartCapability] = {}
        self._until_ns: dict[str, int] = {}

    def keeps(self, event: Event, now_ns: int) -> bool:
        """Take an event in; whether the neighbor's paths stay though its session ended, or began."""
        match event:
            case RestartCapability(neighbor):
                self._capabilities[neighbor] = event
            case SessionDown(neighbor, reason):
                if was_notified(reason):
                    self.forget(neighbor)
                elif neighbor not in self._until_ns:
                    self._wait(neighbor, now_ns)
                return neighbor in self._until_ns
            case SessionUp(neighbor) if self._until_ns.pop(neighbor, 0):
                if self._capabilities[neighbor].forwarding:
                    self._wait(neighbor, now_ns)
                return neighbor in self._until_ns
            case EndOfRib(neighbor):
                self.forget(neighbor)
        return False

    def waits_for(self, neighbor: str) -> bool:
        """Whether paths of the neighbor are kept from a session before."""
        return neighbor in self._until_ns

    def forget(self, neighbor: str) -> None:
        """Wait no longer."""
        self._until_ns.pop(neighbor, None)

    def next_deadline_ns(self) -> int | None:
        """When `expired` is to be asked next; None: nobody is waited for."""
        return min(self._until_ns.values(), default=None)

    def expired(self, now_ns: int) -> list[str]:
        """The neighbors that were waited for long enough; they are told once."""
        late = [neighbor for neighbor, until_ns in self._until_ns.items() if until_ns <= now_ns]
        for neighbor in late:
            self.forget(neighbor)
        return late

    def _wait(self, neighbor: str, now_ns: int) -> None:
        capability = self._capabilities.get(neighbor)
        if capability is not None and capability.restart_time_s:
            self._until_ns[neighbor] = now_ns + capability.restart_time_s * NS_PER_S
