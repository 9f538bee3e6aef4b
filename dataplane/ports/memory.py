"""A port in memory: the far side of a socket pair stands where a node's interface would."""

import socket

from dataplane.ports.packet import packet_handle


class MemoryPort:
    """A port that needs no namespace. `node` is the socket on which a test sends and receives."""

    def __init__(self) -> None:
        self._engine_side, self.node = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._engine_side.setblocking(False)
        self.handle = packet_handle(self._engine_side.fileno())
        self.carrier = False

    def set_carrier(self, up: bool) -> None:
        self.carrier = up

    def close(self) -> None:
        self._engine_side.close()
