"""The SecTAG codec and every lettered rule of 9.12."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.macsec.sectag import DecodeError, SecTag, clear_header_octets, short_length

SCI = bytes.fromhex("0200000000010001")


@st.composite
def _tags(draw: st.DrawFn) -> SecTag:
    sci = draw(st.none() | st.binary(min_size=8, max_size=8))
    return SecTag(
        an=draw(st.integers(0, 3)),
        short_length=draw(st.integers(0, 47)),
        pn=draw(st.integers(0, 2**32 - 1)),
        sci=sci,
        encrypted=draw(st.booleans()),
        changed=draw(st.booleans()),
        end_station=sci is None and draw(st.booleans()),
        single_copy_broadcast=sci is None and draw(st.booleans()),
    )


@given(_tags(), st.integers(0, 100))
def test_round_trip(tag: SecTag, excess: int) -> None:
    data_octets = tag.short_length or 48 + excess
    padding = excess if tag.short_length else 0
    mpdu = tag.encode() + bytes(data_octets + 16 + padding)
    assert len(tag.encode()) == tag.octets
    assert SecTag.decode(mpdu) == tag
    assert tag.secure_data(len(mpdu)) == slice(tag.octets, tag.octets + data_octets)


def test_every_field_is_where_figure_9_2_has_it() -> None:
    tag = SecTag(an=2, short_length=42, pn=0xB2C28465, sci=SCI)
    assert tag.encode().hex() == "88e52e2ab2c284650200000000010001"
    assert SecTag(1, 0, 1, None, False, False, True, False).encode().hex() == "88e5410000000001"
    assert SecTag(0, 0, 1, None, True, True, True, True).encode().hex() == "88e55c0000000001"
    assert SecTag(0, 0, 1, None, False, True).encode().hex() == "88e5040000000001"


@pytest.mark.parametrize(
    ("rule", "head", "octets"),
    [
        ("9.12 a", "88e5 2c00 00000001 0200000000010001", 16),
        ("9.12 b", "88e6 2c00 00000001 0200000000010001", 80),
        ("9.12 c", "88e5 ac00 00000001 0200000000010001", 80),
        ("9.12 d", "88e5 6c00 00000001 0200000000010001", 80),
        ("9.12 d", "88e5 3c00 00000001 0200000000010001", 80),
        ("9.12 e", "88e5 2c80 00000001 0200000000010001", 80),
        ("9.12 e", "88e5 2c40 00000001 0200000000010001", 80),
        ("9.7", "88e5 2c30 00000001 0200000000010001", 80),
        ("9.7", "88e5 2c3f 00000001 0200000000010001", 95),
        ("9.12 f", "88e5 0000 00000001", 71),
        ("9.12 f", "88e5 0005 00000001", 28),
        ("9.12 g", "88e5 2000 00000001 0200000000010001", 79),
        ("9.12 g", "88e5 2005 00000001 0200000000010001", 36),
        ("9.12 h", "88e5 0c00 00000001", 71),
        ("9.12 h", "88e5 0c2f 00000001", 70),
        ("9.12 i", "88e5 2c00 00000001 0200000000010001", 79),
        ("9.12 i", "88e5 2c01 00000001 0200000000010001", 32),
    ],
)
def test_an_invalid_tag_is_refused(rule: str, head: str, octets: int) -> None:
    with pytest.raises(DecodeError, match=f"^{rule}"):
        SecTag.decode(bytes.fromhex(head).ljust(octets, b"\0"))


@pytest.mark.parametrize(
    ("head", "octets"),
    [
        ("88e5 0000 00000001", 72),
        ("88e5 0005 00000001", 29),
        ("88e5 2000 00000001 0200000000010001", 80),
        ("88e5 2005 00000001 0200000000010001", 37),
        ("88e5 0c00 00000001", 72),
        ("88e5 0c2f 00000001", 71),
        ("88e5 2c00 00000001 0200000000010001", 80),
        ("88e5 2c01 00000001 0200000000010001", 33),
        ("88e5 5000 00000001", 72),
    ],
)
def test_the_shortest_valid_mpdu(head: str, octets: int) -> None:
    SecTag.decode(bytes.fromhex(head).ljust(octets, b"\0"))


@given(st.binary(max_size=120) | st.binary(max_size=120).map(lambda rest: b"\x88\xe5" + rest))
def test_any_octets_decode_or_raise_decode_error(mpdu: bytes) -> None:
    try:
        tag = SecTag.decode(mpdu)
    except DecodeError:
        return
    assert mpdu.startswith(tag.encode())
    assert tag.octets < tag.secure_data(len(mpdu)).stop <= len(mpdu) - 16


@pytest.mark.parametrize(("octets", "expected"), [(1, 1), (47, 47), (48, 0), (1500, 0)])
def test_short_length(octets: int, expected: int) -> None:
    assert short_length(octets) == expected


def test_the_sci_of_an_end_station() -> None:
    tag = SecTag(0, 0, 1, end_station=True)
    assert tag.end_station_sci(SCI[:6]) == SCI
    tag = SecTag(0, 0, 1, end_station=True, single_copy_broadcast=True)
    assert tag.end_station_sci(SCI[:6]) == SCI[:6] + b"\0\0"


@pytest.mark.parametrize(
    ("behind_addresses", "in_clear"),
    [
        ("0800", [0, 0, 0]),
        ("8100 0001 0800", [0, 4, 4]),
        ("88a8 0001 8100 0002 0800", [0, 4, 8]),
        ("8100 0001 88a8 0002 8100 0003 0800", [0, 4, 8]),
        ("8100 0001", [0, 0, 0]),
        ("8100 0001 08", [0, 0, 0]),
        ("8100 0001 8100 0002", [0, 4, 4]),
        ("9100 0001 8100 0002 0800", [0, 0, 0]),
    ],
)
def test_vlan_tags_in_clear(behind_addresses: str, in_clear: list[int]) -> None:
    frame = bytes(12) + bytes.fromhex(behind_addresses)
    assert [clear_header_octets(frame, most) - 12 for most in (0, 1, 2)] == in_clear
