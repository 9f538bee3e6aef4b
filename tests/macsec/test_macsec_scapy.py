"""What the SecY sends, scapy's MACsec decrypts; what scapy sends, the SecY accepts."""

# mypy: disable-error-code="no-untyped-call"

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.contrib.macsec import MACsecSA
from scapy.layers.l2 import Ether

from dataplane.frames import FrameBatch
from dataplane.macsec.counters import Verdict
from dataplane.macsec.sak import Sak
from dataplane.macsec.secy import SecY, SecYConfig
from dataplane.macsec.suites import CIPHER_SUITES, CONFIDENTIALITY_OFFSETS, SALT_OCTETS, CipherSuite

SecYMaker = Callable[[SecYConfig], SecY]

SENDER, RECEIVER = bytes.fromhex("0200000000010001"), bytes.fromhex("0200000000020001")
SALT, SSCI = bytes(range(SALT_OCTETS)), 0x7A30C118

# An EtherType that scapy does not take apart and put together again its own way.
_frames = st.builds(lambda a, data: a + b"\x88\xb5" + data, st.binary(min_size=12, max_size=12), st.binary())


@pytest.mark.parametrize("encrypt", [True, False], ids=["encrypted", "integrity-only"])
@pytest.mark.parametrize("suite", CIPHER_SUITES.values(), ids=CIPHER_SUITES)
@settings(max_examples=20)
@given(
    frame=_frames,
    an=st.integers(0, 3),
    number=st.integers(1, 2**64 - 1),
    send_sci=st.booleans(),
    offset=st.sampled_from(CONFIDENTIALITY_OFFSETS),
)
def test_scapy_and_the_secy_understand_each_other(
    make_secy: SecYMaker,
    suite: CipherSuite,
    encrypt: bool,
    frame: bytes,
    an: int,
    number: int,
    send_sci: bool,
    offset: int,
) -> None:
    pn = number % suite.pn_end or 1
    salt, ssci, offset = (SALT, SSCI, 0) if suite.xpn else (b"", None, offset)
    sak = Sak(bytes(range(suite.sak_octets)), salt, encrypt, offset)
    xpn = {"xpn_en": suite.xpn, "ssci": ssci, "salt": salt}
    # scapy decrypts only what has the E bit that its own frames have.
    peer = MACsecSA(SENDER, an, pn, sak.key, icvlen=16, encrypt=encrypt, send_sci=send_sci, **xpn)
    in_clear = (28 if send_sci else 20) + min(offset, len(frame) - 12)
    sender = make_secy(SecYConfig(SENDER, suite.name, always_include_sci=send_sci))
    receiver = make_secy(SecYConfig(RECEIVER, suite.name))
    sender.install_transmit_sa(an, sak, pn, ssci)
    receiver.install_receive_sa(SENDER, an, sak, pn, ssci)

    sent = FrameBatch.from_frames([frame])
    sender.protect(sent)
    assert bytes(peer.decap(peer.decrypt(Ether(sent.frame(0)), in_clear))) == frame

    received = FrameBatch.from_frames([bytes(peer.encrypt(peer.encap(Ether(frame)), in_clear))])
    assert received.frames() == sent.frames()
    receiver.validate(received)
    assert (received.frame(0), received.verdict[0]) == (frame, Verdict.InPktsOK)
