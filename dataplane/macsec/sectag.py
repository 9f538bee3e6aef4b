"""The SecTAG, IEEE 802.1AE-2018 clause 9: its codec, the checks of 9.12, and the VLAN tags in front of it.

Reads every legal combination of TCI bits.
"""

from dataclasses import dataclass
from typing import Self

from dataplane.macsec.secy import MACSEC_ETHERTYPE
from dataplane.macsec.suites import ICV_OCTETS

ADDRESS_OCTETS = 12
"""Destination and source address: the MPDU begins behind them (9.1), or behind VLAN tags in clear."""
ETHERNET_HEADER_OCTETS = 14
SHORT_LENGTH_LIMIT = 48
"""SL tells the octets of Secure Data below this, and is 0 from here on (9.7)."""
END_STATION_PORT = b"\0\1"
"""The Port Identifier of an SCI that ES stands for (9.5)."""
SINGLE_COPY_BROADCAST_PORT = b"\0\0"
"""The same with SCB."""
VLAN_ETHERTYPES = (0x8100, 0x88A8)
VLAN_TAG_OCTETS = 4

# The octet of TCI and AN (Figure 9-3).
VERSION = 0x80
END_STATION = 0x40
SCI_PRESENT = 0x20
SINGLE_COPY_BROADCAST = 0x10
ENCRYPTED = 0x08
CHANGED = 0x04
ASSOCIATION_NUMBER = 0x03


class DecodeError(ValueError):
    """An MPDU whose SecTAG is invalid."""


@dataclass(frozen=True, slots=True)
class SecTag:
    """The fields of a SecTAG (Figure 9-2 to 9-4)."""

    an: int
    short_length: int
    """Octets of Secure Data, or 0 for 48 and more."""
    pn: int
    """Of an XPN suite the low 32 bits."""
    sci: bytes | None = None
    """8 octets, or None where it is not in the tag."""
    encrypted: bool = True
    changed: bool = True
    end_station: bool = False
    single_copy_broadcast: bool = False

    @property
    def octets(self) -> int:
        """Length of the tag, EtherType included."""
        return 8 if self.sci is None else 16

    def encode(self) -> bytes:
        """The tag from its EtherType on: 8 octets, or 16 with an SCI."""
        tci = (
            (END_STATION if self.end_station else 0)
            | (SCI_PRESENT if self.sci is not None else 0)
            | (SINGLE_COPY_BROADCAST if self.single_copy_broadcast else 0)
            | (ENCRYPTED if self.encrypted else 0)
            | (CHANGED if self.changed else 0)
            | self.an
        )
        head = MACSEC_ETHERTYPE.to_bytes(2) + bytes((tci, self.short_length)) + self.pn.to_bytes(4)
        return head + (self.sci or b"")

    @classmethod
    def decode(cls, mpdu: bytes) -> Self:
        """The tag of an MPDU, which is all that follows the source address, padding included.

        Raises DecodeError where 9.12 a to i make it invalid.
        """
        if len(mpdu) < 17:
            raise DecodeError(f"9.12 a: {len(mpdu)} octets, expected at least 17")
        if ethertype(mpdu) != MACSEC_ETHERTYPE:
            raise DecodeError(f"9.12 b: EtherType {mpdu[0:2].hex()}, expected 88e5")
        tci, short_length = mpdu[2], mpdu[3]
        if tci & VERSION:
            raise DecodeError("9.12 c: V is set, expected version 0")
        has_sci = bool(tci & SCI_PRESENT)
        if has_sci and tci & (END_STATION | SINGLE_COPY_BROADCAST):
            raise DecodeError("9.12 d: SC is set together with ES or SCB")
        if short_length & 0xC0:
            raise DecodeError(f"9.12 e: SL octet is {short_length:#04x}, expected its upper two bits clear")
        if short_length >= SHORT_LENGTH_LIMIT:
            raise DecodeError(f"9.7: SL is {short_length}, expected less than {SHORT_LENGTH_LIMIT}")
        tag = cls(
            an=tci & ASSOCIATION_NUMBER,
            short_length=short_length,
            pn=int.from_bytes(mpdu[4:8]),
            sci=mpdu[8:16] if has_sci else None,
            encrypted=bool(tci & ENCRYPTED),
            changed=bool(tci & CHANGED),
            end_station=bool(tci & END_STATION),
            single_copy_broadcast=bool(tci & SINGLE_COPY_BROADCAST),
        )
        tag._check_length(len(mpdu))
        return tag

    def _check_length(self, mpdu_octets: int) -> None:
        """9.12 f to i. Octets beyond what SL tells are padding, which a MAC adds behind the ICV."""
        rule = ("f", "g", "h", "i")[2 * self.changed + (self.sci is not None)]
        least = self.octets + (self.short_length or SHORT_LENGTH_LIMIT) + ICV_OCTETS
        if mpdu_octets < least:
            raise DecodeError(f"9.12 {rule}: {mpdu_octets} octets, expected at least {least}")

    def secure_data(self, mpdu_octets: int) -> slice:
        """Where the Secure Data lies in an MPDU of that length; the ICV follows, then any padding."""
        data_octets = self.short_length or mpdu_octets - self.octets - ICV_OCTETS
        return slice(self.octets, self.octets + data_octets)

    def end_station_sci(self, source: bytes) -> bytes:
        """The SCI that ES stands for, in a frame with this source address (9.5)."""
        return source + (SINGLE_COPY_BROADCAST_PORT if self.single_copy_broadcast else END_STATION_PORT)


def ethertype(octets: bytes) -> int:
    """What the first two octets say."""
    return int.from_bytes(octets[:2])


def clear_header_octets(frame: bytes, clear_tags: int) -> int:
    """Octets of addresses and of the first VLAN tags, at most `clear_tags`, of an Ethernet frame.

    What follows is the MPDU, or the User Data to protect. It has an EtherType: a tag that ends the frame is
    none.
    """
    end = ADDRESS_OCTETS
    for _ in range(clear_tags):
        if ethertype(frame[end:]) not in VLAN_ETHERTYPES or len(frame) < end + VLAN_TAG_OCTETS + 2:
            break
        end += VLAN_TAG_OCTETS
    return end


def short_length(data_octets: int) -> int:
    """The SL of that much Secure Data (9.7)."""
    return data_octets if data_octets < SHORT_LENGTH_LIMIT else 0
