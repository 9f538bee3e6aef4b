"""The sockets of a single-hop BFD session, RFC 5881 sections 4 and 5: one to send, one to receive.

Both are bound to the session's address and to its interface: links may have equal addresses.
"""

import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from control.routes.model import family_of
from dataplane.heartbeats import HOP_LIMIT
from dataplane.namespace import run_in_namespace

PORT = 3784
SOURCE_PORTS = range(49152, 65536)
IP_RECVTTL = 12  # linux/in.h
CLASS_CS6 = 0xC0
"""The DSCP of network control: what waits in a full queue is not what keeps the link alive."""
RECEIVE_OCTETS = 16_384
"""A few packets: what has waited longer says nothing of now."""
_ATTEMPTS = 64


@dataclass(frozen=True, slots=True)
class SessionSockets:
    """Both sockets of one end."""

    sending: socket.socket
    receiving: socket.socket

    def close(self) -> None:
        self.sending.close()
        self.receiving.close()


def open_sockets(
    namespace: str, interface: str, address: str, peer: str, source_ports: Iterator[int]
) -> SessionSockets:
    """The sockets of the session between two addresses of one link.

    `source_ports` go on for ever; the first that is free is the session's. Raises OSError, FileNotFoundError
    where there is no such namespace.
    """
    return run_in_namespace(namespace, lambda: _open(interface, address, peer, source_ports))


def _open(interface: str, address: str, peer: str, source_ports: Iterator[int]) -> SessionSockets:
    receiving = _socket(interface, address)
    try:
        receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_OCTETS)
        if receiving.family is socket.AF_INET:
            receiving.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        else:
            receiving.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        receiving.bind((address, PORT))
        return SessionSockets(_open_sending(interface, address, peer, source_ports), receiving)
    except BaseException:
        receiving.close()
        raise


def _open_sending(interface: str, address: str, peer: str, source_ports: Iterator[int]) -> socket.socket:
    sending = _socket(interface, address)
    try:
        if sending.family is socket.AF_INET:
            sending.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, HOP_LIMIT)
            sending.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, CLASS_CS6)
        else:
            sending.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, HOP_LIMIT)
            sending.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, CLASS_CS6)
        _bind_to_a_source_port(sending, address, source_ports)
        sending.connect((peer, PORT))
    except BaseException:
        sending.close()
        raise
    return sending


def _socket(interface: str, address: str) -> socket.socket:
    opened = socket.socket(family_of(address), socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    except BaseException:
        opened.close()
        raise
    return opened


def _bind_to_a_source_port(sending: socket.socket, address: str, source_ports: Iterator[int]) -> None:
    for _ in range(_ATTEMPTS):
        try:
            return sending.bind((address, next(source_ports)))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise OSError(errno.EADDRINUSE, f"no source port of {_ATTEMPTS} is free at {address}")
