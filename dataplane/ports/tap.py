"""A TAP device as a port: the interface a node sees, in the node's own network namespace."""

import errno
import fcntl
import os
import struct

from dataplane._core import lib
from dataplane.link_state import get_link
from dataplane.namespace import inside
from dataplane.netlink import NetlinkSocket
from dataplane.ports.packet import owned
from dataplane.ports.unread import UnreadFrames

TUN_DEVICE = "/dev/net/tun"
# linux/if_tun.h
TUNSETIFF = 0x400454CA
TUNSETPERSIST = 0x400454CB
TUNSETOFFLOAD = 0x400454D0
TUNSETCARRIER = 0x400454E2
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
IFF_VNET_HDR = 0x4000
IFF_TUN_EXCL = 0x8000
TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6 = 0x01, 0x02, 0x04
TUN_F_USO4, TUN_F_USO6 = 0x20, 0x40  # since Linux 6.2; older headers lack them
_OFFLOADS: tuple[tuple[int, int], ...] = (
    (
        TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_USO4 | TUN_F_USO6,
        lib.QL_COALESCE_TCP | lib.QL_COALESCE_UDP,
    ),
    (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6, lib.QL_COALESCE_TCP),
)
"""What to ask the kernel for, best first, and what it takes, too, where it has that."""


class TapPort:
    """A TAP device, born without carrier and gone when it is closed or its owner dies.

    The kernel tells a namespace of a carrier change at most once a second, machine-wide, unless someone asks
    for the link right then: so each change is followed by a question.
    """

    def __init__(self, namespace: str, interface: str, netlink: NetlinkSocket) -> None:
        """`netlink`, which stays the caller's, serves the namespace.

        Raises OSError where the name is taken, the namespace is missing or TAP is not allowed.
        """
        self._netlink = netlink
        with inside(namespace):
            self._descriptor = _open_tap(namespace, interface)
        try:
            kinds = negotiate_offload(self._descriptor)
            self.handle = owned(lib.ql_port_new_tap(self._descriptor, kinds))
            link = get_link(netlink, interface)
            if link is None:
                raise OSError(f"no TAP device {interface}: it went away as soon as it was made")
            self.ifindex = link.ifindex
            self._unread = UnreadFrames(netlink, self.ifindex)
            self.set_carrier(False)
        except BaseException:
            self.close()
            raise

    def set_carrier(self, up: bool) -> None:
        if not up:
            self._unread.lose_carrier()
        fcntl.ioctl(self._descriptor, TUNSETCARRIER, struct.pack("i", up))
        get_link(self._netlink, self.ifindex)
        if up:
            self._unread.gain_carrier()

    def unread(self) -> int:
        """What did not fit in the device's queue, 1000 frames or what `ip link` shows as its qlen."""
        return self._unread.count()

    def leave(self) -> None:
        """Lets the device outlive its descriptor, without carrier, until its namespace ends."""
        fcntl.ioctl(self._descriptor, TUNSETPERSIST, 1)

    def close(self) -> None:
        os.close(self._descriptor)


def _open_tap(namespace: str, interface: str) -> int:
    """A new device only: a persistent one of that name would outlive its port."""
    try:
        descriptor = os.open(TUN_DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise OSError(f"no {TUN_DEVICE}; load the kernel's tun module: `modprobe tun`") from None
    flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL
    try:
        fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", interface.encode(), flags))
    except OSError as error:
        os.close(descriptor)
        taken = error.errno == errno.EBUSY
        reason = f"that name is taken in namespace {namespace}" if taken else error.strerror
        raise OSError(f"no TAP device {interface}: {reason}") from error
    return descriptor


def negotiate_offload(descriptor: int) -> int:
    """Asks for super-frames of as many kinds as the kernel has; returns those that it takes."""
    for offload, kinds in _OFFLOADS:
        try:
            fcntl.ioctl(descriptor, TUNSETOFFLOAD, offload)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        else:
            return kinds
    return 0
