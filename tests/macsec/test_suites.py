"""The table of cipher suites."""

import pytest

from dataplane.macsec.suites import cipher_suite


def test_gcm_aes_256() -> None:
    suite = cipher_suite("gcm-aes-256")
    assert suite is cipher_suite("GCM-AES-256")
    assert (suite.identifier.hex("-"), suite.sak_octets) == ("00-80-c2-00-01-00-00-02", 32)


@pytest.mark.parametrize("name", ["GCM-AES-128", "gcm-aes-xpn-256", "", "rot13"])
def test_others_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"cipher suite '{name}' is not supported yet, expected GCM-AES-256"):
        cipher_suite(name)
