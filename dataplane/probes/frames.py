"""Probe packets as Ethernet frames between two devices, over AF_XDP: no network stack has a part in it.

One thread that never sleeps sends and receives, so the instrument takes one core, and less of it than
sockets do: for what lies between the devices to be offered as many of the smallest frames as it can carry.
"""

import struct
from ipaddress import IPv4Address

import numpy as np

from dataplane.probes.checksum import internet_checksum
from dataplane.probes.flows import Flow
from dataplane.probes.load import Load
from dataplane.probes.owner import Job, ProbeProcess
from dataplane.probes.session import NS_PER_S, SENDER
from dataplane.probes.statistics import StatisticsSession

GRACE_S = 0.2
"""So long after the last packet it still receives."""
MOST_OCTETS = 1472
"""The UDP payload of a frame of 1514."""
ADDRESSES = bytes.fromhex("020000000002 020000000001")
"""Whose frames they are does not matter: all that comes to a device goes to the socket."""
IPV4, UDP, HOPS = 0x0800, 17, 64
_IP = struct.Struct("!BBHHHBBH4s4s")
_UDP = struct.Struct("!HHHH")


class FrameSession(StatisticsSession):
    """A session of one flow over IPv4, between devices in its two namespaces.

    While it runs, the network stacks there receive nothing from these devices. Of a load it takes rate, size,
    duration and the sender's core. A packet is late by its place in a burst: at full speed 64 leave together.
    """

    def __init__(self, flow: Flow, devices: tuple[str, str], load: Load) -> None:
        """Raises ValueError for a flow or load that cannot be."""
        if flow.family != 4 or flow.source_namespace is None or flow.destination_namespace is None:
            raise ValueError(f"{flow}: expected IPv4 between two namespaces")
        if load.size_octets > MOST_OCTETS or load.offload or load.kernel_time or load.train > 1:
            raise ValueError(f"frames: expected at most {MOST_OCTETS} octets, no trains and no kernel's time")
        super().__init__([flow], load)
        self._headers = headers(flow, load.size_octets)
        self._ports = [[flow.source_namespace, devices[0]], [flow.destination_namespace, devices[1]]]

    def start(self) -> None:
        """Opens the AF_XDP sockets and sends. OSError where one cannot be had."""
        frame = self._memory.arrays["packet"]
        frame[: len(self._headers)] = np.frombuffer(self._headers, np.uint8)
        fields = {
            "near": self._ports[0],
            "far": self._ports[1],
            "sender": self._sending().fields,
            "receiver": self._receiving(-1).fields,
            "frame": self._memory.offsets["packet"],
            "header_octets": len(self._headers),
            "grace_ns": round(GRACE_S * NS_PER_S),
        }
        job = Job("ql_probe_frames_run", "ql_probe_frames", fields, self.load.cores[SENDER])
        try:
            self._process = ProbeProcess([job], self._memory, ())
        except BaseException:
            self._opened.close()
            raise
        self._opened.callback(self._process.close)

    def end(self, grace_s: float = GRACE_S) -> None:
        """Stops sending, receives for GRACE_S more. Nothing happens where it has ended."""
        try:
            if self._process is not None:
                self._stop_sending()
                self._process.join(SENDER)
        finally:
            self._close()


def headers(flow: Flow, payload_octets: int) -> bytes:
    """Ethernet, IPv4 and UDP, whose checksum is left out, as IPv4 allows (RFC 768)."""
    udp_octets = _UDP.size + payload_octets
    addresses = [IPv4Address(text).packed for text in (flow.source_address, flow.destination_address)]
    fields = [0x45, 0, _IP.size + udp_octets, 0, 0, HOPS, UDP]
    checksum = internet_checksum(_IP.pack(*fields, 0, *addresses))
    ip = _IP.pack(*fields, checksum, *addresses)
    udp = _UDP.pack(flow.source_port, flow.destination_port, udp_octets, 0)
    return ADDRESSES + IPV4.to_bytes(2, "big") + ip + udp
