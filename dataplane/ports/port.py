"""A port: one file descriptor that takes and delivers one Ethernet frame, without FCS, a call."""

from typing import Protocol


class Port(Protocol):
    """What the engine needs of a port. The port owns its descriptor until close()."""

    def fileno(self) -> int:
        """The non-blocking descriptor."""
        ...

    def set_carrier(self, up: bool) -> None:
        """Gives or takes the port's carrier, so that whoever uses it sees it at once."""
        ...

    def close(self) -> None:
        """Ends the port; its user sees it go away."""
        ...
