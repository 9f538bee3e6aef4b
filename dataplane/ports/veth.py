"""A veth pair as a port: a node sees one end, frames enter and leave at the other through a socket on it."""

import errno
import itertools
import os
from collections.abc import Callable

from dataplane._core import ffi
from dataplane.link_state import LinkState, delete_link, get_link, new_veth_pair, set_admin_up, set_link
from dataplane.namespace import NAMESPACE_DIRECTORY, UnnamedNamespace, inside, open_namespace
from dataplane.netlink import NetlinkSocket
from dataplane.ports.ethtool import send_whole_frames
from dataplane.ports.unread import UnreadFrames, dropped_frames


class VethNamespace:
    """Where the engine's ends of veth pairs are. It has no name: they, and the nodes' ends with them, go when
    the engine ends or is killed, and nothing else finds them or speaks on them."""

    def __init__(self) -> None:
        """Raises OSError where there can be none."""
        self._namespace = UnnamedNamespace()
        self.path = self._namespace.path
        self.netlink = NetlinkSocket(self.path)
        self._numbers = itertools.count(1)

    def new_pair(self, namespace: str, interface: str) -> LinkState:
        """A pair, both ends down, the other one `interface` in `namespace`; returns ours. Raises OSError."""
        name = f"port{next(self._numbers)}"
        far = open_namespace(NAMESPACE_DIRECTORY / namespace)
        try:
            refusals = self.netlink.execute([new_veth_pair(name, interface, far)])
        finally:
            os.close(far)
        if refusals:
            taken = refusals[0].errno == errno.EEXIST
            reason = f"that name is taken in namespace {namespace}" if taken else refusals[0].reason
            raise OSError(f"no veth pair for {interface}: {reason}")
        link = get_link(self.netlink, name)
        if link is None:
            raise OSError(f"no veth pair for {interface}: it went away as soon as it was made")
        return link

    def close(self) -> None:
        self.netlink.close()
        self._namespace.close()


class VethPort:
    """A veth pair, born without carrier and down, and gone when it is closed or its owner dies.

    The node's end has carrier while the engine's end is up. It sends whole frames: checksums, segments and
    VLAN tags are in them.
    """

    def __init__(
        self,
        namespace: str,
        interface: str,
        netlink: NetlinkSocket,
        here: VethNamespace,
        open_socket: Callable[[int], object],
    ) -> None:
        """`netlink`, which stays the caller's, serves the node's namespace; `open_socket` makes the core's
        port on the device with that index of the namespace that it is called in.

        Raises OSError where the name is taken, the namespace is missing or there can be no such socket.
        """
        self._netlink, self._here = netlink, here
        self._left = False
        self.handle: object | None = None
        self._engine_end = here.new_pair(namespace, interface).ifindex
        try:
            with inside(namespace):
                send_whole_frames(interface)
            with inside(here.path):
                self.handle = open_socket(self._engine_end)
            link = get_link(netlink, interface)
            if link is None:
                raise OSError(f"no interface {interface}: it went away as soon as it was made")
            self.ifindex = link.ifindex
            self._unread = UnreadFrames(netlink, self.ifindex)
            self.maximum_mtu = link.maximum_mtu  # an XDP program at the other end limits it
            # Our end takes all that the node's end may send: what is too long is for the wire to count.
            here.netlink.execute([set_link(self._engine_end, mtu=link.maximum_mtu)])
        except BaseException:
            self.close()
            raise

    def set_carrier(self, up: bool) -> None:
        if not up:
            self._unread.lose_carrier()
        refusals = self._here.netlink.execute([set_admin_up(self._engine_end, up)])
        if refusals:
            raise OSError(refusals[0].errno, refusals[0].reason)
        get_link(self._netlink, self.ifindex)  # the kernel tells of it at once, see TapPort
        if up:
            self._unread.gain_carrier()

    def unread(self) -> int:
        """What found no room at our end; behind a packet socket that is not told."""
        return self._unread.count() + dropped_frames(self._here.netlink, self._engine_end)[0]

    def leave(self) -> None:
        """Leaves the pair to the end of its namespaces, which are taken away with all in them at once."""
        self._left = True

    def close(self) -> None:
        if self.handle is not None:
            ffi.release(self.handle)
        if not self._left:
            self._here.netlink.execute([delete_link(self._engine_end)])  # refused where it is gone already
