"""What the kernel can do, tried by the code that makes labs, in a namespace that ends with its thread."""

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from control.routes.kernel import NetlinkKernel
from control.routes.model import NextHop, Operation, PutGroup, PutNexthop, PutRoute, RewriteGroup
from dataplane.link_state import get_link, set_link
from dataplane.namespace import CLONE_NEWNET
from dataplane.netlink import NetlinkSocket
from dataplane.ports.device import packet_socket_handle, xdp_handle
from dataplane.ports.tap import TapPort
from dataplane.ports.veth import VethNamespace, VethPort
from dataplane.priority import NICENESS
from netns_lab.doctor import Check, Lacking, need_root
from netns_lab.node_network import add_address

HERE = "/proc/thread-self/ns/net"
NEWER_KERNEL = "apt-get install linux-image-amd64 && reboot"
# linux/tcp.h
TCP_MD5SIG = 14
FIFO_PRIORITY = 1

_libc = ctypes.CDLL(None, use_errno=True)
_MD5_KEY = struct.Struct("=HH4s120x BBHi80s")  # struct tcp_md5sig for an IPv4 peer


def _new_namespace() -> str:
    need_root()
    if _libc.unshare(CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"none can be made: {os.strerror(number)}")
    return "made one"


@contextmanager
def _tap(name: str, *addresses: str) -> Iterator[TapPort]:
    """A TAP device that is up and has carrier."""
    with NetlinkSocket() as netlink:
        tap = TapPort(HERE, name, netlink)
        try:
            tap.set_carrier(True)
            requests = [add_address(address, name, {name: tap.ifindex}) for address in addresses]
            if refusals := netlink.execute([set_link(tap.ifindex, up=True), *requests]):
                raise Lacking(str(refusals[0]))
            yield tap
        finally:
            tap.close()


def _tap_carrier() -> str:
    with NetlinkSocket() as netlink, _tap("doctor1") as tap:
        for carrier in (False, True):
            tap.set_carrier(carrier)
            link = get_link(netlink, tap.ifindex)
            if link is None or link.carrier is not carrier:
                raise Lacking("a TAP device does not show the carrier that it is given")
    return "a TAP device lost carrier and got it back"


def _ipv6() -> str:
    with _tap("doctor1", "2001:db8::1/64"):
        return "a device took an address"


def _sysctls() -> str:
    for name in ("net.ipv4.nexthop_compat_mode", "net.ipv4.fib_multipath_hash_policy"):
        path = Path("/proc/sys") / name.replace(".", "/")
        try:
            path.write_text(path.read_text())
        except OSError as error:
            fix = "docker run --privileged" if error.errno == errno.EROFS else None
            raise Lacking(f"{name} cannot be set: {error.strerror}", fix) from None
    return "nexthop_compat_mode and fib_multipath_hash_policy can be set"


def _nexthop_groups() -> str:
    """In each family a route over a group of two, which is then rewritten to one, as after a loss."""
    first = _tap("doctor1", "192.0.2.1/25", "2001:db8:1::1/64")
    second = _tap("doctor2", "192.0.2.129/25", "2001:db8:2::1/64")
    with first as one, second as other, closing(NetlinkKernel()) as kernel:
        operations: list[Operation] = [
            PutNexthop(1, NextHop("192.0.2.2", one.ifindex)),
            PutNexthop(2, NextHop("192.0.2.130", other.ifindex)),
            PutNexthop(4, NextHop("2001:db8:1::2", one.ifindex)),
            PutNexthop(5, NextHop("2001:db8:2::2", other.ifindex)),
            PutGroup(3, (1, 2)),
            PutGroup(6, (4, 5)),
            PutRoute("203.0.113.0/24", 3),
            PutRoute("2001:db8:3::/48", 6),
            RewriteGroup(3, (1,)),
            RewriteGroup(6, (4,)),
        ]
        if refused := kernel.execute(operations):
            raise Lacking(str(refused[0]))
        groups = {nexthop.id: nexthop.members for nexthop in kernel.nexthops() if nexthop.members}
    if groups != {3: (1,), 6: (4,)}:
        raise Lacking(f"groups of next hops do not become what they are told: {groups}")
    return "a route's group of two was rewritten to one, in both families"


def _tcp_md5() -> str:
    key = b"doctor"
    peer = socket.inet_aton("192.0.2.2")
    with socket.socket() as speaker:
        option = _MD5_KEY.pack(socket.AF_INET, 0, peer, 0, 0, len(key), 0, key)
        speaker.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, option)
    return "a socket took a key"


def _real_time() -> str:
    os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(FIFO_PRIORITY))
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return "SCHED_FIFO is allowed"


def _preferred() -> str:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, NICENESS)  # of this thread
    os.setpriority(os.PRIO_PROCESS, 0, before)
    return f"niceness {NICENESS} is allowed"


def _port(open_socket: Callable[[int], object]) -> str:
    with NetlinkSocket() as netlink, closing(VethNamespace()) as here:
        VethPort(HERE, "doctor3", netlink, here, open_socket).close()
    return "opened one on a veth pair"


NEW_NAMESPACE = Check(
    "kernel", "network namespaces", _new_namespace, "docker run --cap-add NET_ADMIN --cap-add SYS_ADMIN"
)
IN_NAMESPACE = (
    Check("kernel", "port: tap, carrier", _tap_carrier, "modprobe tun"),
    Check(
        "kernel",
        "IPv6",
        _ipv6,
        "sysctl -w net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0",
    ),
    Check("kernel", "multipath sysctls", _sysctls, NEWER_KERNEL),
    Check("kernel", "nexthop groups", _nexthop_groups, NEWER_KERNEL),
    Check("kernel", "TCP MD5", _tcp_md5, NEWER_KERNEL),
    Check("kernel", "real-time guard", _real_time, "docker run --cap-add SYS_NICE", needed=False),
    Check("kernel", "preferred engine", _preferred, "docker run --cap-add SYS_NICE", needed=False),
    Check("kernel", "port: packet", partial(_port, packet_socket_handle), "modprobe veth", needed=False),
    Check("kernel", "port: xdp", partial(_port, xdp_handle), NEWER_KERNEL, needed=False),
)
