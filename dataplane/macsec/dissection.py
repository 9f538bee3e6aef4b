"""A frame taken apart field by field, with every bit of its SecTAG (IEEE 802.1AE-2018 clause 9)."""

from collections.abc import Iterator
from dataclasses import dataclass

from dataplane.frame_summary import ethertype_name, summary
from dataplane.macsec import sectag
from dataplane.macsec.sectag import (
    ADDRESS_OCTETS,
    SHORT_LENGTH_LIMIT,
    VLAN_ETHERTYPES,
    VLAN_TAG_OCTETS,
    DecodeError,
    SecTag,
    clear_header_octets,
    ethertype,
)
from dataplane.macsec.secy import CLEAR_TAG_LIMIT, MACSEC_ETHERTYPE
from dataplane.macsec.suites import ICV_OCTETS

_PROTECTION = {
    (False, False): "integrity only: the Secure Data is the User Data",
    (True, True): "encrypted",
    (False, True): "changed and not encrypted, which no cipher suite of Table 14-1 makes",
    (True, False): "for the key agreement entity alone",
}
"""What E and C say together (9.5)."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a frame, from its octet `octet` on, or the bits `mask` of that octet."""

    part: str
    name: str
    octet: int
    value: int | str
    meaning: str = ""
    mask: int | None = None

    @property
    def text(self) -> str:
        """The value as people read it; of bits which they are: `..1. ....`."""
        if self.mask is None or not isinstance(self.value, int):
            return str(self.value)
        shift = (self.mask & -self.mask).bit_length() - 1
        digits = f"{self.value << shift:08b}"
        shown = [digit if self.mask >> (7 - i) & 1 else "." for i, digit in enumerate(digits)]
        return f"{''.join(shown[:4])} {''.join(shown[4:])}"


def clear_tags(frame: bytes) -> int:
    """VLAN tags, at most CLEAR_TAG_LIMIT, that stand in clear in front of a SecTAG; 0 where there is none."""
    end = clear_header_octets(frame, CLEAR_TAG_LIMIT)
    return (end - ADDRESS_OCTETS) // VLAN_TAG_OCTETS if ethertype(frame[end:]) == MACSEC_ETHERTYPE else 0


def dissect(frame: bytes) -> list[Field]:
    """Every field that is there, in order. Any octets can be dissected."""
    return list(_fields(frame))


def headline(frame: bytes) -> str:
    """One line about a frame."""
    mpdu = frame[clear_header_octets(frame, CLEAR_TAG_LIMIT) :]
    if ethertype(mpdu) != MACSEC_ETHERTYPE:
        return summary(mpdu) if len(frame) >= ADDRESS_OCTETS else f"{len(frame)} octets, no Ethernet frame"
    try:
        tag = SecTag.decode(mpdu)
    except DecodeError as invalid:
        return f"MACsec, SecTAG invalid, {invalid}"
    data = tag.secure_data(len(mpdu))
    kind = _PROTECTION[tag.encrypted, tag.changed].partition(":")[0]
    sci = f"SCI {sci_text(tag.sci)} " if tag.sci else ""
    return f"MACsec {sci}AN {tag.an} PN {tag.pn}, {kind}, {data.stop - data.start} octets"


def sci_text(sci: bytes) -> str:
    """MAC address and Port Identifier, as 02:00:00:00:00:01/1."""
    return f"{sci[:6].hex(':')}/{int.from_bytes(sci[6:])}"


def _fields(frame: bytes) -> Iterator[Field]:
    if len(frame) < ADDRESS_OCTETS + 2:
        yield Field("Ethernet", "octets", 0, frame.hex(" "), "too few for an Ethernet header")
        return
    yield Field("Ethernet", "destination", 0, frame[:6].hex(":"), _address_kind(frame[:6]))
    yield Field("Ethernet", "source", 6, frame[6:12].hex(":"))
    end = clear_header_octets(frame, CLEAR_TAG_LIMIT)
    for at in range(ADDRESS_OCTETS, end, VLAN_TAG_OCTETS):
        tci = int.from_bytes(frame[at + 2 : at + 4])
        kind = "C-TAG" if ethertype(frame[at:]) == VLAN_ETHERTYPES[0] else "S-TAG"
        yield Field("VLAN", "EtherType", at, frame[at : at + 2].hex(), kind)
        yield Field("VLAN", "tag", at + 2, f"{tci:04x}", f"VLAN {tci & 0xFFF}, priority {tci >> 13}")
    if ethertype(frame[end:]) == MACSEC_ETHERTYPE:
        yield from _secure_fields(frame, end)
        return
    yield Field(
        "Ethernet", "EtherType", end, frame[end : end + 2].hex(), ethertype_name(ethertype(frame[end:]))
    )
    yield Field("Ethernet", "payload", end + 2, f"{len(frame) - end - 2} octets", summary(frame[end:]))


def _secure_fields(frame: bytes, at: int) -> Iterator[Field]:
    """From the SecTAG at octet `at` on."""
    mpdu = frame[at:]
    yield Field("SecTAG", "EtherType", at, mpdu[:2].hex(), "MACsec")
    if len(mpdu) < 8:
        yield Field("SecTAG", "rest", at + 2, mpdu[2:].hex(" "), "the frame ends within its SecTAG")
        return
    yield from _tci_fields(mpdu[2], at + 2)
    yield _short_length_field(mpdu[3], at + 3)
    yield Field("SecTAG", "PN", at + 4, int.from_bytes(mpdu[4:8]), "of an XPN suite the low 32 bits")
    has_sci = bool(mpdu[2] & sectag.SCI_PRESENT)
    if has_sci:
        sci = mpdu[8:16]
        told = f"explicit: {sci_text(sci)}" if len(sci) == 8 else "the frame ends within its SCI"
        yield Field("SecTAG", "SCI", at + 8, sci.hex(), told)
    else:
        yield Field("SecTAG", "SCI", at + 8, "-", _implicit_sci(mpdu[2], frame[6:12]))
    try:
        tag = SecTag.decode(mpdu)
    except DecodeError as invalid:
        begin = at + (16 if has_sci else 8)
        octets = f"{max(len(frame) - begin, 0)} octets"
        yield Field("data", "rest", begin, octets, f"no telling Secure Data from ICV: {invalid}")
        return
    data = tag.secure_data(len(mpdu))
    icv_end = data.stop + ICV_OCTETS
    yield Field(
        "data", "Secure Data", at + data.start, f"{data.stop - data.start} octets", _data_kind(tag, mpdu)
    )
    yield Field("data", "ICV", at + data.stop, mpdu[data.stop : icv_end].hex())
    if len(mpdu) > icv_end:
        yield Field("data", "padding", at + icv_end, f"{len(mpdu) - icv_end} octets", "behind what SL tells")


def _tci_fields(octet: int, at: int) -> Iterator[Field]:
    def bit(name: str, mask: int, clear: str, set_: str) -> Field:
        value = int(bool(octet & mask))
        return Field("SecTAG", name, at, value, set_ if value else clear, mask)

    yield bit("V", sectag.VERSION, "version 0", "a version that does not exist")
    yield bit(
        "ES", sectag.END_STATION, "not said to be an end station's", "an end station's: SCI is its address"
    )
    yield bit("SC", sectag.SCI_PRESENT, "no SCI in the tag", "an SCI ends the tag")
    yield bit("SCB", sectag.SINGLE_COPY_BROADCAST, "no single copy broadcast", "EPON single copy broadcast")
    encrypted, changed = bool(octet & sectag.ENCRYPTED), bool(octet & sectag.CHANGED)
    yield bit("E", sectag.ENCRYPTED, "not encrypted", "encrypted")
    together = f"E and C: {_PROTECTION[encrypted, changed]}"
    yield Field("SecTAG", "C", at, int(changed), together, sectag.CHANGED)
    mask = sectag.ASSOCIATION_NUMBER
    yield Field("SecTAG", "AN", at, octet & mask, "which SA of the SC", mask)


def _short_length_field(octet: int, at: int) -> Field:
    if octet == 0:
        meaning = f"{SHORT_LENGTH_LIMIT} octets of Secure Data or more"
    elif octet < SHORT_LENGTH_LIMIT:
        meaning = f"{octet} octets of Secure Data"
    else:
        meaning = f"invalid: less than {SHORT_LENGTH_LIMIT} was expected"
    return Field("SecTAG", "SL", at, octet, meaning)


def _implicit_sci(tci: int, source: bytes) -> str:
    tag = SecTag(0, 0, 1, single_copy_broadcast=bool(tci & sectag.SINGLE_COPY_BROADCAST))
    if tci & sectag.END_STATION:
        return f"implicit: {sci_text(tag.end_station_sci(source))}, as ES says"
    if tag.single_copy_broadcast:
        return "implicit: that of the receive SC with port 0, if there is only one"
    return "implicit: that of the receive SC, if there is only one"


def _data_kind(tag: SecTag, mpdu: bytes) -> str:
    if tag.changed or tag.encrypted:
        return _PROTECTION[tag.encrypted, tag.changed]
    return f"in clear: {summary(mpdu[tag.secure_data(len(mpdu))])}"


def _address_kind(address: bytes) -> str:
    if address == bytes([0xFF]) * 6:
        return "broadcast"
    return "group" if address[0] & 1 else "individual"
