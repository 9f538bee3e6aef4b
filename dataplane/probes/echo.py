"""ICMP echo (RFC 792 and RFC 4443) from inside a namespace: one raw socket asks any number of destinations.

The other side's kernel answers, so nothing has to run there. Numbers, not times: a probe session measures.
"""

import secrets
import socket
import struct
from collections.abc import Iterator
from ipaddress import ip_address

from dataplane.namespace import run_in_namespace
from dataplane.probes.checksum import internet_checksum

# linux/icmp.h and linux/icmpv6.h: a bit that is set keeps a message type from the socket.
SOL_RAW, ICMP_FILTER, ICMPV6_FILTER = 255, 1, 1
ALL_BLOCKED = 0xFFFFFFFF
REQUEST, REPLY = {4: 8, 6: 128}, {4: 0, 6: 129}
_HEADER = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence
_PAYLOAD = struct.Struct("!QI")  # magic, number
_MAGIC = secrets.randbits(64)
MAX_OCTETS = 128
HOPS = 255


class EchoSocket:
    """Asks from `address`, which a namespace has. Non-blocking; whoever waits uses fileno()."""

    def __init__(self, namespace: str, address: str) -> None:
        """Raises OSError where the namespace does not exist or the address is not there."""
        self._version = ip_address(address).version
        self._socket = run_in_namespace(namespace, self._open)
        try:
            self._socket.bind((address, 0))
        except OSError:
            self._socket.close()
            raise

    def _open(self) -> socket.socket:
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK
        if self._version == 4:
            opened = socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP)
            opened.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("=I", ALL_BLOCKED & ~(1 << REPLY[4])))
            opened.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, HOPS)
        else:
            words = [ALL_BLOCKED] * 8
            words[REPLY[6] // 32] &= ~(1 << REPLY[6] % 32)
            opened = socket.socket(socket.AF_INET6, kind, socket.IPPROTO_ICMPV6)
            opened.setsockopt(socket.IPPROTO_ICMPV6, ICMPV6_FILTER, struct.pack("=8I", *words))
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, HOPS)
        return opened

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def ask(self, destination: str, number: int) -> None:
        """Sends one request. What cannot be sent, for want of a route for example, is not answered either."""
        payload = _PAYLOAD.pack(_MAGIC, number)
        header = _HEADER.pack(REQUEST[self._version], 0, 0, _MAGIC & 0xFFFF, number & 0xFFFF)
        if self._version == 4:  # the kernel fills in that of ICMPv6
            checksum = internet_checksum(header + payload)
            header = _HEADER.pack(REQUEST[4], 0, checksum, _MAGIC & 0xFFFF, number & 0xFFFF)
        try:
            self._socket.sendto(header + payload, (destination, 0))
        except OSError:
            return

    def answers(self) -> Iterator[tuple[str, int]]:
        """(address, number) of every answer that is there now."""
        while True:
            try:
                packet, sender = self._socket.recvfrom(MAX_OCTETS)
            except BlockingIOError:
                return
            start = (packet[0] & 15) * 4 if self._version == 4 else 0  # IPv4 hands over its header, too
            if len(packet) < start + _HEADER.size + _PAYLOAD.size:
                continue
            magic, number = _PAYLOAD.unpack_from(packet, start + _HEADER.size)
            if magic == _MAGIC:
                yield sender[0], number
