"""What ethtool(8) asks of a device (linux/ethtool.h), in the network namespace of the calling thread."""

import array
import errno
import fcntl
import socket
import struct

SIOCETHTOOL = 0x8946  # linux/sockios.h
ETHTOOL_GSTRINGS, ETHTOOL_GSSET_INFO, ETHTOOL_GCHANNELS = 0x1B, 0x37, 0x3C
ETHTOOL_GFEATURES, ETHTOOL_SFEATURES = 0x3A, 0x3B
ETH_SS_FEATURES = 4
ETH_GSTRING_OCTETS = 32
_FEATURE_WORD_BITS = 32


def receive_queues(interface: str) -> int:
    """How many queues the device spreads what it receives over."""
    answer = array.array("I", [ETHTOOL_GCHANNELS, *[0] * 8])  # limits, then rx, tx, other, combined
    try:
        ask(interface, answer)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return 1
    return answer[5] + answer[8]


def coalesces(interface: str) -> bool:
    """Whether received frames are put together (GRO, LRO) before a packet socket sees them."""
    names = _features(interface)
    blocks = -(-len(names) // _FEATURE_WORD_BITS)
    answer = array.array("I", [ETHTOOL_GFEATURES, blocks, *[0] * (4 * blocks)])
    ask(interface, answer)
    active = answer[4::4]  # of struct ethtool_get_features_block: available, requested, active, never_changed
    return any(
        name in ("rx-gro", "rx-gro-hw", "rx-lro")
        and active[bit // _FEATURE_WORD_BITS] >> bit % _FEATURE_WORD_BITS & 1
        for bit, name in enumerate(names)
    )


def send_whole_frames(interface: str) -> None:
    """Has the kernel finish each frame before the device gets it: checksum, segments, VLAN tag.

    Segmentation in software stays: it is what cuts what is longer than a frame, just before the device.
    """
    names = _features(interface)
    off = [0] * -(-len(names) // _FEATURE_WORD_BITS)
    for bit, name in enumerate(names):
        unfinished = any(word in name for word in ("checksum", "segmentation", "vlan"))
        if name.startswith("tx-") and unfinished and name != "tx-generic-segmentation":
            off[bit // _FEATURE_WORD_BITS] |= 1 << bit % _FEATURE_WORD_BITS
    words = [word for valid in off for word in (valid, 0)]  # struct ethtool_set_features_block
    ask(interface, array.array("I", [ETHTOOL_SFEATURES, len(off), *words]))


def _features(interface: str) -> list[str]:
    """The names of the device's features, by bit."""
    count = array.array("I", [ETHTOOL_GSSET_INFO, 0, 1 << ETH_SS_FEATURES, 0, 0])
    ask(interface, count)
    strings = array.array("I", [ETHTOOL_GSTRINGS, ETH_SS_FEATURES, count[4]])
    strings.extend([0] * (count[4] * ETH_GSTRING_OCTETS // strings.itemsize))
    ask(interface, strings)
    octets = strings.tobytes()[3 * strings.itemsize :]
    return [
        octets[at : at + ETH_GSTRING_OCTETS].partition(b"\0")[0].decode()
        for at in range(0, len(octets), ETH_GSTRING_OCTETS)
    ]


def ask(interface: str, command: "array.array[int]") -> None:
    """Gives the kernel a command to read and to answer in place."""
    address, _ = command.buffer_info()
    request = struct.pack("16sP16x", interface.encode(), address)  # struct ifreq
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        fcntl.ioctl(asking, SIOCETHTOOL, request)
