"""Filters: libpcap's language on frames as they were kept, and one sentence where that cannot be."""

import ctypes

import pytest

from dataplane.captures.packet_filter import FilterError, PacketFilter

IPV4_TCP = bytes.fromhex(
    "020000000002 020000000001 0800 45000028000040004006 0000 0a010001 0a020001 00b3 8000".replace(" ", "")
) + bytes(16)
VLAN_TCP = IPV4_TCP[:12] + bytes.fromhex("81000007") + IPV4_TCP[12:]
MACSEC = bytes.fromhex("020000000002 020000000001 88e5 2c00 00000001".replace(" ", "")) + bytes(40)


@pytest.fixture
def needs_libpcap() -> None:
    try:
        PacketFilter("", 96)
    except FilterError as error:
        pytest.skip(f"{error}, which `sudo ./quadlink test` does")


@pytest.mark.parametrize(
    ("expression", "matching"),
    [
        ("", [IPV4_TCP, VLAN_TCP, MACSEC]),
        ("tcp port 179", [IPV4_TCP]),
        ("tcp port 180", []),
        ("vlan 7 and tcp", [VLAN_TCP]),
        ("net 10.2.0.0/16", [IPV4_TCP]),
        ("ether proto 0x88e5", [MACSEC]),
        ("not ether proto 0x88e5", [IPV4_TCP, VLAN_TCP]),
        ("greater 60", [MACSEC]),
        ("ether[20:4] = 0", [MACSEC]),
    ],
)
def test_a_filter_says_what_tcpdump_would(
    needs_libpcap: None, expression: str, matching: list[bytes]
) -> None:
    with PacketFilter(expression, 96) as filter:
        found = [frame for frame in (IPV4_TCP, VLAN_TCP, MACSEC) if filter.matches(frame, len(frame))]
    assert found == matching


def test_what_was_cut_off_matches_nothing_and_the_length_is_the_whole_frames(needs_libpcap: None) -> None:
    with PacketFilter("tcp port 179", 96) as filter:
        assert not filter.matches(IPV4_TCP[:30], len(IPV4_TCP))
        assert not filter.matches(b"", 0)
    with PacketFilter("greater 1000", 96) as filter:
        assert filter.matches(IPV4_TCP, 1000)


@pytest.mark.parametrize("expression", ["tcp prt 179", "((", "\udcff"])
def test_what_is_no_filter_is_refused_with_libpcaps_words(needs_libpcap: None, expression: str) -> None:
    with pytest.raises(FilterError, match=r"expected a filter \(pcap-filter\(7\)\): ."):
        PacketFilter(expression, 96)


def test_without_libpcap_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> ctypes.CDLL:
        raise OSError(f"{name}: no such file")

    monkeypatch.setattr(ctypes, "CDLL", absent)
    with pytest.raises(FilterError, match=r"apt-get install libpcap0\.8"):
        PacketFilter("tcp", 96)
