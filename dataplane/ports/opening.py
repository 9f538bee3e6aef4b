"""Makes the ports that a link's ends ask for."""

from dataplane.links.specification import EndSpecification, LinkSpecification, PortType
from dataplane.macsec.sectag import ETHERNET_HEADER_OCTETS, VLAN_TAG_OCTETS
from dataplane.netlink import NetlinkSocket
from dataplane.ports.device import XDP_FRAME_OCTETS, packet_socket_handle, xdp_handle
from dataplane.ports.ethernet import EthernetPort
from dataplane.ports.ethtool import coalesces
from dataplane.ports.port import InterfacePort
from dataplane.ports.tap import TapPort
from dataplane.ports.veth import VethNamespace, VethPort

XDP_MTU = XDP_FRAME_OCTETS - ETHERNET_HEADER_OCTETS - VLAN_TAG_OCTETS
"""What an AF_XDP port carries behind an Ethernet header and a VLAN tag."""


class PortMaker:
    """Makes interfaces of nodes; owns what they have in common."""

    def __init__(self) -> None:
        self._veths: VethNamespace | None = None  # made when it is needed

    def close(self) -> None:
        """Every port must be closed already."""
        if self._veths is not None:
            self._veths.close()

    def open(self, link: LinkSpecification, end: int, netlink: NetlinkSocket) -> InterfacePort:
        """A new interface, down and without carrier, or a raw end's device. `netlink`, which stays the
        caller's, serves its namespace.

        Raises OSError where there can be none like that.
        """
        where = link.ends[end]
        if where.raw:
            return _open_ethernet(link, where, netlink)
        if where.port is PortType.TAP:
            return TapPort(where.namespace, where.interface, netlink)
        self._veths = self._veths or VethNamespace()
        open_socket = xdp_handle if where.port is PortType.XDP else packet_socket_handle
        port = VethPort(where.namespace, where.interface, netlink, self._veths, open_socket)
        limit = port.maximum_mtu
        if where.port is PortType.XDP:
            limit = min(limit, XDP_MTU)
        if link.mtu > limit:
            port.close()
            raise OSError(f"found mtu {link.mtu}, expected at most {limit} on a port of type {where.port}")
        return port


def _open_ethernet(link: LinkSpecification, where: EndSpecification, netlink: NetlinkSocket) -> EthernetPort:
    open_socket = packet_socket_handle if where.port is PortType.PACKET else xdp_handle
    port = EthernetPort(where.interface, netlink, open_socket)
    if where.port is PortType.PACKET and link.macsec is None and coalesces(where.interface):
        port.close()
        raise OSError(
            f"{where.interface} puts frames together that it receives, expected each as it was sent:"
            f" `ethtool -K {where.interface} gro off lro off`"
        )
    limit = port.mtu
    if where.port is not PortType.PACKET:
        limit = min(limit, XDP_MTU)
    if link.wire_mtu > limit:
        port.close()
        overhead = link.wire_mtu - link.mtu
        why = f"{where.interface} carries {limit}" + (f", and MACsec adds {overhead}" if overhead else "")
        raise OSError(f"found mtu {link.mtu}, expected at most {limit - overhead}: {why}")
    return port
