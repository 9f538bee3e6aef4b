"""What a link is to be: its two ends, and the SecYs in them (IEEE 802.1AE-2018)."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from dataplane.macsec.sectag import ETHERNET_HEADER_OCTETS, VLAN_TAG_OCTETS

MACSEC_OCTETS = 32
"""What a SecTAG with SCI and an ICV add to a frame."""
AUTO = "auto"
MAXIMUM_FRAME_OCTETS = 65535
MAXIMUM_DELAY_US = 3_600_000_000
MAXIMUM_REORDER_FRAMES = 1000
MAXIMUM_RATE_MBPS, LOWEST_RATE_MBPS = 1_000_000, 0.001
MAXIMUM_QUEUE_OCTETS = 1 << 30


class LinkType(StrEnum):
    """Whether the wire carries MACsec frames or the nodes' own."""

    MACSEC = "macsec"
    PLAIN = "plain"


class FaultMode(StrEnum):
    """How a link fails, the worst first. Only CARRIER and FLAP can be seen by the nodes; the others must be
    found out."""

    CARRIER = "carrier"
    FLAP = "flap"
    SILENT = "silent"
    ONE_WAY = "one-way"
    BROWNOUT = "brownout"


class LossModel(StrEnum):
    """Whether each frame is lost by itself, or in bursts of two states (Gilbert and Elliott)."""

    INDEPENDENT = "independent"
    GILBERT_ELLIOTT = "gilbert-elliott"


class JitterModel(StrEnum):
    """How what jitter adds to the delay is distributed."""

    UNIFORM = "uniform"
    NORMAL = "normal"
    PARETO = "pareto"


class PortType(StrEnum):
    """What an end of a link is: an interface that is made, a TAP device or an end of a veth pair, whose other
    end has an AF_XDP or a packet socket."""

    TAP = "tap"
    XDP = "xdp"
    PACKET = "packet"


@dataclass(frozen=True, slots=True)
class EndSpecification:
    """One end of a link: the interface `interface` in network namespace `namespace` of node `node`.

    A raw end is an existing device of the engine's own namespace (OWN_NAMESPACE) instead: what is on the wire
    is on it, and who is beyond has the SecY.
    """

    node: str
    namespace: str
    interface: str
    mac: bytes
    port: PortType = PortType.TAP
    raw: bool = False


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
    peer_sci: str | None = None
    """In hex: the SCI of who is beyond a raw end."""


@dataclass(frozen=True, slots=True)
class Impairment:
    """What one direction of a link does to the frames it carries; as it stands here, nothing.

    Shares are 0 to 1 and by chance, from a seed of the direction. Delay and jitter keep the order of frames.
    Raises ValueError.
    """

    loss: float = 0.0
    """Share of frames; with Gilbert-Elliott outside of bursts."""
    loss_model: LossModel = LossModel.INDEPENDENT
    enter_burst: float = 0.0
    """Gilbert-Elliott: chance of each frame outside of bursts to begin one."""
    leave_burst: float = 1.0
    """Gilbert-Elliott: chance of each frame inside a burst to end it."""
    loss_in_burst: float = 1.0
    delay_us: float = 0.0
    jitter_us: float = 0.0
    """Half the width of the uniform distribution, the standard deviation of the others."""
    jitter_model: JitterModel = JitterModel.UNIFORM
    duplicate: float = 0.0
    reorder: float = 0.0
    reorder_frames: int = 3
    """How many later frames overtake a reordered one."""
    corrupt: float = 0.0
    """Share of frames with one bit inverted on the wire."""
    rate_mbps: float = 0.0
    """Of protected frames, destination address to ICV; 0: no limit."""
    queue_octets: int = 0
    """What may wait for the rate; 0: as much as `queue_us` says."""
    queue_us: float = 0.0
    """How long a frame may wait for the rate; 0: as long as `queue_octets` says. Both 0: 50 ms."""

    def __post_init__(self) -> None:
        for name, (lowest, highest, what) in _LIMITS.items():
            value = getattr(self, name)
            if not lowest <= value <= highest:  # nor is NaN
                raise ValueError(f"found {name} {value}, expected {what}")
        if 0 < self.rate_mbps < LOWEST_RATE_MBPS:
            raise ValueError(f"found rate_mbps {self.rate_mbps}, expected 0 or at least {LOWEST_RATE_MBPS}")
        for name, kind in (("loss_model", LossModel), ("jitter_model", JitterModel)):
            value = getattr(self, name)
            if value not in list(kind):
                raise ValueError(f"found {name} {value!r}, expected {', '.join(kind)}")
            object.__setattr__(self, name, kind(value))  # from JSON it is text


_LIMITS = {
    **dict.fromkeys(
        ("loss", "enter_burst", "leave_burst", "loss_in_burst", "duplicate", "reorder", "corrupt"),
        (0, 1, "a share from 0 to 1"),
    ),
    **dict.fromkeys(
        ("delay_us", "jitter_us", "queue_us"), (0, MAXIMUM_DELAY_US, f"0 to {MAXIMUM_DELAY_US} us")
    ),
    "reorder_frames": (1, MAXIMUM_REORDER_FRAMES, f"1 to {MAXIMUM_REORDER_FRAMES} frames"),
    "rate_mbps": (0, MAXIMUM_RATE_MBPS, f"0 to {MAXIMUM_RATE_MBPS} Mbit/s"),
    "queue_octets": (0, MAXIMUM_QUEUE_OCTETS, f"0 to {MAXIMUM_QUEUE_OCTETS} octets"),
}


@dataclass(frozen=True, slots=True)
class LinkSpecification:
    """A link between two ends, of which only the second may be raw; macsec is None on a plain link. mtu is
    what the nodes see, in octets."""

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
    def wire_mtu(self) -> int:
        """What a device on the wire must carry behind an Ethernet header and a VLAN tag."""
        return self.mtu + (MACSEC_OCTETS if self.macsec else 0)

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
