"""MACsec cipher suites, IEEE 802.1AE-2018 Table 14-1: one row each."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CipherSuite:
    """What distinguishes a cipher suite."""

    name: str
    """The standard's name; topology files write it in lower case."""
    identifier: bytes
    """EUI-64, as key agreement announces it."""
    sak_octets: int
    xpn: bool
    """Extended packet numbering (14.7, 14.8): 64-bit PNs, an SSCI and a salt, no confidentiality offset."""

    @property
    def pn_end(self) -> int:
        """One past the last packet number; nextPN when they are exhausted."""
        return 1 << 64 if self.xpn else 1 << 32

    @property
    def pending_pn(self) -> int:
        """The PN from which on the key server shall replace the SAK (IEEE 802.1X-2020 9.8)."""
        return self.pn_end // 4 * 3

    @property
    def replay_window_limit(self) -> int:
        """The largest replayWindow (10.7.8)."""
        return (1 << 30) - 1 if self.xpn else (1 << 32) - 1


def _suite(name: str, number: int, sak_octets: int, xpn: bool) -> CipherSuite:
    return CipherSuite(name, bytes.fromhex("0080c20001") + number.to_bytes(3), sak_octets, xpn)


GCM_AES_128 = _suite("GCM-AES-128", 1, sak_octets=16, xpn=False)
GCM_AES_256 = _suite("GCM-AES-256", 2, sak_octets=32, xpn=False)
GCM_AES_XPN_128 = _suite("GCM-AES-XPN-128", 3, sak_octets=16, xpn=True)
GCM_AES_XPN_256 = _suite("GCM-AES-XPN-256", 4, sak_octets=32, xpn=True)

CIPHER_SUITES = {suite.name: suite for suite in (GCM_AES_128, GCM_AES_256, GCM_AES_XPN_128, GCM_AES_XPN_256)}

ICV_OCTETS = 16
"""The same for every suite of Table 14-1."""
SALT_OCTETS = 12
CONFIDENTIALITY_OFFSETS = (0, 30, 50)


def cipher_suite(name: str) -> CipherSuite:
    """The suite of that name, in either case. Raises ValueError for any other."""
    suite = CIPHER_SUITES.get(name.upper())
    if suite is None:
        raise ValueError(f"cipher suite {name!r}, expected one of {', '.join(CIPHER_SUITES)}")
    return suite
