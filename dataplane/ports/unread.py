"""Frames that a node sent and that the engine had no time to read: they are lost before any wire."""

import struct

from dataplane.netlink import NetlinkSocket, decode_attributes

# linux/rtnetlink.h, linux/if_link.h
RTM_GETSTATS = 94
IFLA_STATS_LINK_64 = 1
_REQUEST = struct.Struct("=BxHII")  # struct if_stats_msg: family, padding, interface index, filter
_DROPPED = struct.Struct("=6Q2Q")  # struct rtnl_link_stats64 begins with six others


def dropped_frames(netlink: NetlinkSocket, ifindex: int) -> tuple[int, int]:
    """How many frames a device has dropped of those received, and of those to be sent. Raises OSError."""
    (message,) = netlink.ask(RTM_GETSTATS, _REQUEST.pack(0, 0, ifindex, 1 << (IFLA_STATS_LINK_64 - 1)))
    attributes = decode_attributes(message.body[_REQUEST.size :])
    *_, received, sent = _DROPPED.unpack_from(attributes[IFLA_STATS_LINK_64])
    return received, sent


class UnreadFrames:
    """Counts what a new device of a node drops while it has carrier: then its queue was full.

    What it is given without carrier the kernel drops and counts just so; that is left out.
    """

    def __init__(self, netlink: NetlinkSocket, ifindex: int) -> None:
        """The device has no carrier; `netlink`, which stays the caller's, serves its namespace."""
        self._netlink, self._ifindex = netlink, ifindex
        self._without_carrier = 0
        self._when_lost: int | None = 0

    def count(self) -> int:
        """Until now. Raises OSError where the device is gone."""
        dropped = self._dropped() if self._when_lost is None else self._when_lost
        return dropped - self._without_carrier

    def lose_carrier(self) -> None:
        """To be called before the device loses it; again is harmless. Raises OSError."""
        if self._when_lost is None:
            self._when_lost = self._dropped()

    def gain_carrier(self) -> None:
        """To be called after the device has it; again is harmless. Raises OSError."""
        if self._when_lost is not None:
            self._without_carrier += self._dropped() - self._when_lost
            self._when_lost = None

    def _dropped(self) -> int:
        return dropped_frames(self._netlink, self._ifindex)[1]
