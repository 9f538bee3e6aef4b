"""Linux keeps an IPv6 socket on a route that is gone; one that ExaBGP writes to leaves it."""

# mypy: disable-error-code="import-untyped"

import os
import socket
import subprocess
from collections.abc import Iterator
from functools import partial

import pytest
from exabgp.protocol.family import AFI
from exabgp.reactor.network.connection import Connection

import control.bgp.exabgp
from control.routes.kernel import NetlinkKernel
from control.routes.model import (
    DeleteUnreachable,
    NextHop,
    PutGroup,
    PutNexthop,
    PutRoute,
    PutUnreachable,
)
from dataplane.namespace import run_in_namespace
from tests.waiting import eventually

pytestmark = pytest.mark.lab

SENDING, RECEIVING = "stale-a", "stale-b"
IFINDEX = 10
DESTINATION = "fd00:255::2"
UNRELATED = "2001:db8::/64"
CHANGES = 1000
PATIENCE_S = 0.1
COMMANDS = f"""
netns add {SENDING}
netns add {RECEIVING}
link add eth0 index {IFINDEX} netns {SENDING} type veth peer name eth0 index {IFINDEX + 1} netns {RECEIVING}
-n {SENDING} address add fd00:1::1/64 dev eth0 nodad
-n {RECEIVING} address add fd00:1::2/64 dev eth0 nodad
-n {RECEIVING} address add {DESTINATION}/128 dev lo nodad
-n {RECEIVING} link set lo up
-n {SENDING} link set eth0 up
-n {RECEIVING} link set eth0 up
"""


@pytest.fixture
def kernel() -> Iterator[NetlinkKernel]:
    """That of a namespace whose route to DESTINATION is by a nexthop group; this process on one processor."""
    processors = os.sched_getaffinity(0)
    try:
        for command in COMMANDS.strip().splitlines():
            subprocess.run(["ip", *command.split()], check=True, capture_output=True)
        os.sched_setaffinity(0, {min(processors)})
        kernel = NetlinkKernel(SENDING)
        hop, group, route = (
            PutNexthop(1, NextHop("fd00:1::2", IFINDEX)),
            PutGroup(2, (1,)),
            PutRoute(f"{DESTINATION}/128", 2),
        )
        eventually(lambda: kernel.execute((hop, group, route)) == [])  # once there is carrier
        yield kernel
        kernel.close()
    finally:
        os.sched_setaffinity(0, processors)
        for name in (SENDING, RECEIVING):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


@pytest.fixture
def receiver(kernel: NetlinkKernel) -> Iterator[socket.socket]:
    with run_in_namespace(RECEIVING, lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as made:
        made.bind((DESTINATION, 0))
        made.settimeout(PATIENCE_S)
        yield made


def sender_to(receiver: socket.socket) -> socket.socket:
    made = run_in_namespace(SENDING, lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
    made.connect(receiver.getsockname())
    return made


def arrives(sender: socket.socket, receiver: socket.socket) -> bool:
    """Whether what is sent now is received."""
    sender.send(number := os.urandom(8))
    try:
        while receiver.recv(64) != number:
            pass
    except TimeoutError:
        return False
    return True


def test_what_is_written_goes_by_a_route_that_is_there(
    kernel: NetlinkKernel, receiver: socket.socket
) -> None:
    """After whichever change: the kernel is wrong about one, which depends on what the machine did before."""
    connection = Connection(AFI.ipv6, DESTINATION, "fd00:1::1")
    assert Connection.writing is control.bgp.exabgp._writing
    for number in range(CHANGES):
        with sender_to(receiver) as sender, sender_to(receiver) as other:
            eventually(partial(arrives, sender, receiver))
            kernel.execute([DeleteUnreachable(UNRELATED) if number % 2 else PutUnreachable(UNRELATED)])
            other.connect(receiver.getsockname())  # the kernel now has another route for this processor
            connection.io = sender
            assert connection.writing()
            eventually(partial(arrives, sender, receiver))
    connection.io = None  # it is closed already
