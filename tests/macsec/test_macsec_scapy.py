"""What the SecY sends, scapy's MACsec decrypts; what scapy sends, the SecY accepts."""

# mypy: disable-error-code="no-untyped-call"

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.contrib.macsec import MACsecSA
from scapy.layers.l2 import Ether

from dataplane.frames import FrameBatch
from dataplane.macsec.counters import Verdict
from dataplane.macsec.sak import Sak
from dataplane.macsec.secy import SecY, SecYConfig

SecYMaker = Callable[[SecYConfig], SecY]

SCI = bytes.fromhex("0200000000010001")
PEER = bytes.fromhex("0200000000020001")
SAK = Sak(bytes(range(32)))

# An EtherType that scapy does not take apart and put together again its own way.
_frames = st.builds(lambda a, data: a + b"\x88\xb5" + data, st.binary(min_size=12, max_size=12), st.binary())


@settings(max_examples=30)
@given(frame=_frames, an=st.integers(0, 3), pn=st.integers(1, 2**32 - 1))
def test_scapy_and_the_secy_understand_each_other(
    make_secy: SecYMaker, frame: bytes, an: int, pn: int
) -> None:
    peer = MACsecSA(sci=SCI, an=an, pn=pn, key=SAK.key, icvlen=16, encrypt=True, send_sci=True)
    secy, receiver = make_secy(SecYConfig(SCI)), make_secy(SecYConfig(PEER))
    secy.install_transmit_sa(an, SAK, pn)
    receiver.install_receive_sa(SCI, an, SAK, pn)

    sent = FrameBatch.from_frames([frame])
    secy.protect(sent)
    assert bytes(peer.decap(peer.decrypt(Ether(sent.frame(0))))) == frame

    received = FrameBatch.from_frames([bytes(peer.encrypt(peer.encap(Ether(frame))))])
    assert received.frames() == sent.frames()
    receiver.validate(received)
    assert (received.frame(0), received.verdict[0]) == (frame, Verdict.InPktsOK)
