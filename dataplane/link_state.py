"""The links of a namespace over rtnetlink: their state, and a monitor of its changes."""

import errno
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from dataplane.netlink import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    DecodeError,
    Message,
    NetlinkError,
    NetlinkSocket,
    Request,
    decode_attributes,
    decode_integer,
    encode_attribute,
    encode_unsigned_attribute,
)

# linux/rtnetlink.h, linux/if_link.h, linux/if.h
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTMGRP_LINK = 1
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_IFALIAS, IFLA_EXT_MASK = 1, 3, 4, 20, 29
IFLA_CARRIER, IFLA_CARRIER_DOWN_COUNT = 33, 48
IFLA_LINKINFO, IFLA_NET_NS_FD, IFLA_MAX_MTU = 18, 28, 51
IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER = 1, 2, 1
RTEXT_FILTER_SKIP_STATS = 8
IFF_UP = 1

_LINK = struct.Struct("=BxHiII")  # struct ifinfomsg: family, type, index, flags, change
_WITHOUT_STATISTICS = encode_unsigned_attribute(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)


@dataclass(frozen=True, slots=True)
class LinkState:
    """A network device as its namespace sees it.

    `admin_up` is IFF_UP, what the user wants; `carrier` is the signal the device senses, also while it is
    admin down; `carrier_losses` counts them for good. `present` is false once the device is deleted or has
    left the namespace. `mtu` in octets; `mac` 6 octets, or none; `alias` is the text of `ip link set alias`.
    `maximum_mtu` is 0 where there is no limit.
    """

    ifindex: int
    name: str
    admin_up: bool
    carrier: bool
    mac: bytes = b""
    mtu: int = 0
    alias: str = ""
    carrier_losses: int = 0
    present: bool = True
    maximum_mtu: int = 0

    @property
    def usable(self) -> bool:
        """True if frames can pass: then, and only then, the kernel holds next hops on the device."""
        return self.present and self.admin_up and self.carrier


def decode_link(message: Message) -> LinkState | None:
    """The link of an RTM_NEWLINK or RTM_DELLINK, None for other messages; raises DecodeError."""
    if message.type not in (RTM_NEWLINK, RTM_DELLINK):
        return None
    if len(message.body) < _LINK.size:
        raise DecodeError(f"{len(message.body)} octets where struct ifinfomsg of 16 was expected")
    family, _, ifindex, flags, _ = _LINK.unpack_from(message.body)
    if family != socket.AF_UNSPEC:  # a bridge speaking of its port
        return None
    attributes = decode_attributes(message.body[_LINK.size :])
    name = _text(attributes.get(IFLA_IFNAME, b""))
    if message.type == RTM_DELLINK:
        return LinkState(ifindex, name, False, False, present=False)
    return LinkState(
        ifindex,
        name,
        admin_up=bool(flags & IFF_UP),
        carrier=bool(decode_integer(attributes.get(IFLA_CARRIER, b"\0"))),
        mac=attributes.get(IFLA_ADDRESS, b""),
        mtu=decode_integer(attributes.get(IFLA_MTU, b"\0")),
        maximum_mtu=decode_integer(attributes.get(IFLA_MAX_MTU, b"\0")),
        alias=_text(attributes.get(IFLA_IFALIAS, b"")),
        carrier_losses=decode_integer(attributes.get(IFLA_CARRIER_DOWN_COUNT, b"\0")),
    )


def get_link(netlink: NetlinkSocket, link: int | str) -> LinkState | None:
    """The link with this index or name, None if there is none.

    Asking flushes the kernel's delayed carrier events of that link: whoever listens hears at once.
    """
    body = _LINK.pack(socket.AF_UNSPEC, 0, link if isinstance(link, int) else 0, 0, 0) + _WITHOUT_STATISTICS
    if isinstance(link, str):
        body += encode_attribute(IFLA_IFNAME, link.encode() + b"\0")
    try:
        messages = netlink.ask(RTM_GETLINK, body)
    except NetlinkError as error:
        if error.errno == errno.ENODEV:
            return None
        raise
    return next((state for state in map(decode_link, messages) if state is not None), None)


def dump_links(netlink: NetlinkSocket) -> list[LinkState]:
    """All links of the namespace."""
    body = _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + _WITHOUT_STATISTICS
    return [state for state in map(decode_link, netlink.dump(RTM_GETLINK, body)) if state is not None]


def set_link(
    ifindex: int, mac: bytes | None = None, mtu: int | None = None, up: bool = False, alias: str | None = None
) -> Request:
    """The request that gives a link what is given here and leaves the rest as it is."""
    body = _LINK.pack(socket.AF_UNSPEC, 0, ifindex, IFF_UP * up, IFF_UP * up)
    if mac is not None:
        body += encode_attribute(IFLA_ADDRESS, mac)
    if mtu is not None:
        body += encode_unsigned_attribute(IFLA_MTU, mtu)
    if alias is not None:
        body += encode_attribute(IFLA_IFALIAS, alias.encode())
    return Request(RTM_NEWLINK, 0, body, f"the settings of link {ifindex}")


def set_admin_up(ifindex: int, up: bool) -> Request:
    """The request that takes a link up or down."""
    body = _LINK.pack(socket.AF_UNSPEC, 0, ifindex, IFF_UP * up, IFF_UP)
    return Request(RTM_NEWLINK, 0, body, f"link {ifindex} {'up' if up else 'down'}")


def new_veth_pair(name: str, peer: str, peer_namespace_fd: int) -> Request:
    """The request that makes a veth pair, both ends down, with an MTU of 1500, the other one elsewhere."""
    nothing = _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
    other_end = nothing + encode_attribute(IFLA_IFNAME, peer.encode() + b"\0")
    other_end += encode_unsigned_attribute(IFLA_NET_NS_FD, peer_namespace_fd)
    kind = encode_attribute(IFLA_INFO_KIND, b"veth")
    kind += encode_attribute(IFLA_INFO_DATA, encode_attribute(VETH_INFO_PEER, other_end))
    body = nothing + encode_attribute(IFLA_IFNAME, name.encode() + b"\0")
    body += encode_attribute(IFLA_LINKINFO, kind)
    return Request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body, f"a veth pair for {peer}")


def delete_link(ifindex: int) -> Request:
    """The request that deletes a link, and with one end of a veth pair the other."""
    return Request(RTM_DELLINK, 0, _LINK.pack(socket.AF_UNSPEC, 0, ifindex, 0, 0), f"link {ifindex}")


class LinkMonitor:
    """The links of a namespace and their changes: wait for `fileno()` to be readable, then `read()`.

    `links` is the newest state by ifindex, filled from the start. `overflows` counts the times the kernel had
    to drop events: then `read` makes up for them from a dump, where a link that went and came back shows only
    as one more of `carrier_losses`. `requests` may serve others between two calls.
    """

    def __init__(self, namespace: str | Path | None = None) -> None:
        self._events = NetlinkSocket(namespace, RTMGRP_LINK)
        self.requests = NetlinkSocket(namespace)
        self.links = {link.ifindex: link for link in dump_links(self.requests)}
        self.overflows = 0

    def fileno(self) -> int:
        """The descriptor that is readable when `read` has something to say."""
        return self._events.fileno()

    def close(self) -> None:
        """Give both descriptors back; again is harmless."""
        self._events.close()
        self.requests.close()

    def read(self) -> list[LinkState]:
        """All changes since the last call, in order; a link that is gone has `present` false. Never waits."""
        changes: list[LinkState] = []
        overflows = self.overflows
        while True:
            try:
                for message in self._events.receive():
                    state = decode_link(message)
                    if state is not None and self._take(state):
                        changes.append(state)
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.overflows += 1
        if self.overflows != overflows:
            now = {link.ifindex: link for link in dump_links(self.requests)}
            gone = [
                LinkState(link.ifindex, link.name, False, False, present=False)
                for link in self.links.values()
                if link.ifindex not in now
            ]
            changes += [state for state in (*gone, *now.values()) if self._take(state)]
        return changes

    def _take(self, state: LinkState) -> bool:
        """Remember `state`; true if it is news."""
        if not state.present:
            return self.links.pop(state.ifindex, None) is not None
        news = self.links.get(state.ifindex) != state
        self.links[state.ifindex] = state
        return news


def _text(payload: bytes) -> str:
    return payload.rstrip(b"\0").decode("utf-8", "replace")
