"""Probe flows and their sockets: ordinary UDP sockets, made inside the namespaces the flow runs between."""

import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_address
from typing import Literal, Self, TypeVar

from dataplane.namespace import run_in_namespace

SO_RCVBUFFORCE = 33  # asm-generic/socket.h
RECEIVE_BUFFER_OCTETS = 32 * 1024 * 1024
"""Room for some 40,000 small packets while another process has the receiver's CPU."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Flow:
    """One numbered stream of probe packets. A namespace is a name or a path; None is the caller's own."""

    id: int
    direction: str
    family: Literal[4, 6]
    source_namespace: str | None
    source_address: str
    destination_namespace: str | None
    destination_address: str
    source_port: int
    destination_port: int

    def __post_init__(self) -> None:
        if not 0 <= self.id < 1 << 16:
            raise ValueError(f"flow id {self.id}: expected 0 to {(1 << 16) - 1}")
        for address in (self.source_address, self.destination_address):
            if ip_address(address).version != self.family:
                raise ValueError(f"flow {self.id}: {address} is not an IPv{self.family} address")
        for port in (self.source_port, self.destination_port):
            if not 0 < port < 1 << 16:
                raise ValueError(f"flow {self.id}: port {port}, expected 1 to 65535")

    def __str__(self) -> str:
        source = f"{self.source_address} port {self.source_port}"
        return f"flow {self.id}, {source} to {self.destination_address} port {self.destination_port}"

    def fan(self, count: int) -> list[Self]:
        """`count` flows like this one, with successive ids and source ports, so that ECMP spreads them."""
        return [replace(self, id=self.id + n, source_port=self.source_port + n) for n in range(count)]


def open_senders(flows: Sequence[Flow], opened: ExitStack) -> list[socket.socket]:
    """A connected socket for each flow, in their order; `opened` closes them. OSError names the flow."""
    places = [flow.source_namespace for flow in flows]
    return _open_each(_open_sender, list(flows), places, opened)


def open_receivers(flows: Iterable[Flow], opened: ExitStack) -> list[socket.socket]:
    """A bound socket for each destination; flows to the same port of an address share it."""
    destinations = {(f.destination_namespace, f.destination_address, f.destination_port): f for f in flows}
    places = [flow.destination_namespace for flow in destinations.values()]
    return _open_each(_open_receiver, list(destinations.values()), places, opened)


def _open_each(
    open_one: Callable[[Flow], socket.socket],
    flows: list[Flow],
    places: list[str | None],
    opened: ExitStack,
) -> list[socket.socket]:
    """A socket for each flow, made in its place; each namespace is visited once, whatever their number."""
    sockets: dict[int, socket.socket] = {}

    def open_all_of(place: str | None) -> None:
        for number, flow in enumerate(flows):
            if places[number] == place:
                sockets[number] = opened.enter_context(open_one(flow))

    for place in dict.fromkeys(places):
        _inside(place, partial(open_all_of, place))
    return [sockets[number] for number in range(len(flows))]


def open_connected(flow: Flow, opened: ExitStack) -> tuple[socket.socket, socket.socket]:
    """The flow's two ends, each connected to the other, so that packets go both ways."""
    back = replace(
        flow,
        source_namespace=flow.destination_namespace,
        source_address=flow.destination_address,
        source_port=flow.destination_port,
        destination_namespace=flow.source_namespace,
        destination_address=flow.source_address,
        destination_port=flow.source_port,
    )
    near, far = open_senders([flow, back], opened)
    return near, far


def _inside(namespace: str | None, function: Callable[[], Result]) -> Result:
    return function() if namespace is None else run_in_namespace(namespace, function)


def _open_sender(flow: Flow) -> socket.socket:
    def prepare(sender: socket.socket) -> None:
        sender.bind((flow.source_address, flow.source_port))
        sender.connect((flow.destination_address, flow.destination_port))

    return _udp_socket(flow, prepare)


def _open_receiver(flow: Flow) -> socket.socket:
    def prepare(receiver: socket.socket) -> None:
        receiver.bind((flow.destination_address, flow.destination_port))
        try:
            receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_OCTETS)
        except PermissionError:  # not root: as much as net.core.rmem_max allows
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_OCTETS)

    return _udp_socket(flow, prepare)


def _udp_socket(flow: Flow, prepare: Callable[[socket.socket], None]) -> socket.socket:
    opened = socket.socket(socket.AF_INET if flow.family == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        prepare(opened)
    except OSError as error:
        opened.close()
        raise OSError(error.errno, f"{flow}: {error.strerror}") from None
    except BaseException:
        opened.close()
        raise
    return opened
