"""What a link is to be: its two ends, and the SecYs in them (IEEE 802.1AE-2018)."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from dataplane.macsec.sectag import ETHERNET_HEADER_OCTETS, VLAN_TAG_OCTETS

MACSEC_OCTETS = 32
"""What a SecTAG with SCI and an ICV add to a frame."""
AUTO = "auto"


class LinkType(StrEnum):
    """Whether the wire carries MACsec frames or the nodes' own."""

    MACSEC = "macsec"
    PLAIN = "plain"


class FaultMode(StrEnum):
    """How a link fails. Only CARRIER can be seen by the nodes; the others must be found out."""

    CARRIER = "carrier"
    SILENT = "silent"
    ONE_WAY = "one-way"


@dataclass(frozen=True, slots=True)
class EndSpecification:
    """One end of a link: the interface `interface` in network namespace `namespace` of node `node`."""

    node: str
    namespace: str
    interface: str
    mac: bytes


@dataclass(frozen=True, slots=True)
class MacsecSpecification:
    """The SecYs of a link, the same at both ends, in the words of a topology file; `SecYConfig` and `Sak` say
    what each means."""

    cipher: str = "gcm-aes-256"
    encrypt: bool = True
    confidentiality_offset: int = 0
    send_sci: bool = True
    end_station: bool = False
    validate: str = "strict"
    protect: bool = True
    replay_protect: bool = True
    replay_window: int = 64
    detect_duplicates: bool = False
    clear_tags: int = 0
    bypass: tuple[int, ...] = ()
    """EtherTypes."""
    cipher_library: str = AUTO
    """The name of one, or `auto` for the best that this machine can use."""
    next_pn: int | None = None
    """The first packet number of either end; None: 1, and for a given SAK the first that was never used."""


@dataclass(frozen=True, slots=True)
class Impairment:
    """What one direction of a link does to the frames it carries: it loses the share `loss`, 0 to 1, of them.

    Left out so far: delay, jitter, rate, reordering, duplication, corruption. Raises ValueError.
    """

    loss: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.loss <= 1:
            raise ValueError(f"found loss {self.loss}, expected a share from 0 to 1")


@dataclass(frozen=True, slots=True)
class LinkSpecification:
    """A link between two ends; macsec is None on a plain link. mtu is what the nodes see, in octets."""

    name: str
    ends: tuple[EndSpecification, EndSpecification]
    mtu: int = 1500
    macsec: MacsecSpecification | None = None

    @property
    def type(self) -> LinkType:
        return LinkType.PLAIN if self.macsec is None else LinkType.MACSEC

    @property
    def frame_octets(self) -> int:
        """The longest clear frame, without FCS."""
        return self.mtu + ETHERNET_HEADER_OCTETS + VLAN_TAG_OCTETS

    @property
    def common_port_mtu(self) -> int:
        """What the longest clear frame has behind its Ethernet header once it is protected."""
        return self.frame_octets - ETHERNET_HEADER_OCTETS + MACSEC_OCTETS

    def seed(self, sender: int) -> int:
        """What the chance of one direction begins with: the same in every run."""
        digest = hashlib.sha256(f"{self.name} {self.ends[sender].node}".encode()).digest()
        return int.from_bytes(digest[:8])

    def end_of(self, node: str) -> int:
        """The index of the node's end; KeyError where the link does not lead to it."""
        for index, end in enumerate(self.ends):
            if end.node == node:
                return index
        raise KeyError(node)
