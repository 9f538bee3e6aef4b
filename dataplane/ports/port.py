"""A port: where the frames of one end of a link enter and leave the engine."""

from typing import Protocol, runtime_checkable


class Port(Protocol):
    """What the engine needs of a port. The port owns its descriptors until close()."""

    handle: object
    """The core's ql_port."""

    def set_carrier(self, up: bool) -> None:
        """Gives or takes the port's carrier, so that whoever uses it sees it at once."""
        ...

    def close(self) -> None:
        """Ends the port; its user sees it go away."""
        ...


@runtime_checkable
class InterfacePort(Port, Protocol):
    """A port that is a network device, with that index in its namespace."""

    ifindex: int

    def unread(self) -> int:
        """How many frames its user sent that the engine had no time to read. Raises OSError where the device
        is gone."""
        ...

    def leave(self) -> None:
        """Lets the device outlive close(), without carrier, until its namespace ends."""
        ...
