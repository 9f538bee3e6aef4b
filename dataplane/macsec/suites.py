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


GCM_AES_256 = CipherSuite("GCM-AES-256", bytes.fromhex("0080c20001000002"), sak_octets=32)

CIPHER_SUITES = {suite.name: suite for suite in (GCM_AES_256,)}

ICV_OCTETS = 16
"""The same for every suite of Table 14-1."""


def cipher_suite(name: str) -> CipherSuite:
    """The suite of that name, in either case. Raises ValueError for one that is not implemented."""
    suite = CIPHER_SUITES.get(name.upper())
    if suite is None:
        raise ValueError(f"cipher suite {name!r} is not supported yet, expected {', '.join(CIPHER_SUITES)}")
    return suite
