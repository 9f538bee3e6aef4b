"""A raw Ethernet port: a device that the machine has, such as a NIC, beyond which a link goes on.

What the device receives comes to the port alone (AF_XDP) or also to the machine (packet socket). The device
is as it was before as soon as the port is closed or its owner dies: promiscuous mode is a socket's, the XDP
program's attachment a descriptor. Left out: several receive queues, offloads that take a VLAN tag away, and
neighbors whose frames are unfinished: a veth peer needs `ethtool -K PEER tx off`.
"""

import socket
import struct
from collections.abc import Callable

from dataplane._core import ffi
from dataplane.link_state import get_link
from dataplane.netlink import NetlinkSocket
from dataplane.ports.ethtool import receive_queues

# linux/if_packet.h, linux/rtnetlink.h
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 263, 1, 1
RTM_GETADDR, RT_SCOPE_LINK = 22, 253
_ADDRESS = struct.Struct("=4BI")  # struct ifaddrmsg: family, prefix length, flags, scope, interface index


class EthernetPort:
    """An existing device of the calling thread's network namespace."""

    def __init__(self, interface: str, netlink: NetlinkSocket, open_socket: Callable[[int], object]) -> None:
        """`netlink`, which stays the caller's, serves this namespace; `open_socket` makes the core's port on
        the device with that index.

        Raises OSError where there is no such device, or the machine itself uses it.
        """
        link = get_link(netlink, interface)
        if link is None:
            raise OSError(f"no network device {interface} on this machine")
        self.ifindex, self.mtu = link.ifindex, link.mtu
        if _has_address(netlink, link.ifindex):
            raise OSError(
                f"{interface} has an address, expected a device that the machine itself does not use"
            )
        if (queues := receive_queues(interface)) > 1:
            raise OSError(
                f"{interface} spreads what it receives over {queues} queues, expected one: "
                f"`ethtool -L {interface} combined 1`"
            )
        self._promiscuous = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)  # no protocol: it hears nothing
        try:
            membership = struct.pack("=iHH8x", link.ifindex, PACKET_MR_PROMISC, 0)
            self._promiscuous.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership)
            self.handle = open_socket(link.ifindex)
        except BaseException:
            self._promiscuous.close()
            raise

    def set_carrier(self, up: bool) -> None:
        """A device's signal is its own: who is beyond it finds only frames missing."""

    def unread(self) -> int:
        """Not told: the device counts for itself what it has no room for."""
        return 0

    def leave(self) -> None:
        """It outlives the port anyway."""

    def close(self) -> None:
        ffi.release(self.handle)
        self._promiscuous.close()


def _has_address(netlink: NetlinkSocket, ifindex: int) -> bool:
    """Whether the device has an address of more than its link."""
    addresses = (_ADDRESS.unpack_from(message.body) for message in netlink.dump(RTM_GETADDR, bytes(8)))
    return any(index == ifindex and scope != RT_SCOPE_LINK for *_, scope, index in addresses)
