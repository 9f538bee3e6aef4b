"""The table of cipher suites."""

import pytest

from dataplane.macsec.suites import CIPHER_SUITES, cipher_suite


def test_table_14_1() -> None:
    rows = [
        (suite.name, suite.identifier.hex("-"), suite.sak_octets, suite.pn_end, suite.pending_pn)
        for suite in CIPHER_SUITES.values()
    ]
    assert rows == [
        ("GCM-AES-128", "00-80-c2-00-01-00-00-01", 16, 2**32, 0xC0000000),
        ("GCM-AES-256", "00-80-c2-00-01-00-00-02", 32, 2**32, 0xC0000000),
        ("GCM-AES-XPN-128", "00-80-c2-00-01-00-00-03", 16, 2**64, 0xC000000000000000),
        ("GCM-AES-XPN-256", "00-80-c2-00-01-00-00-04", 32, 2**64, 0xC000000000000000),
    ]


@pytest.mark.parametrize("name", CIPHER_SUITES)
def test_a_suite_by_its_name_in_either_case(name: str) -> None:
    assert cipher_suite(name) is cipher_suite(name.lower()) is CIPHER_SUITES[name]


@pytest.mark.parametrize("name", ["GCM-AES-192", "", "rot13"])
def test_others_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"cipher suite '{name}', expected one of GCM-AES-128, GCM-AES-256"):
        cipher_suite(name)
