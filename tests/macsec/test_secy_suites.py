"""Every cipher suite with every length of frame, each test on every implementation, against clause 14."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dataplane.macsec.counters import Verdict
from dataplane.macsec.sak import Sak
from dataplane.macsec.secy import SecYConfig
from dataplane.macsec.suites import CIPHER_SUITES
from tests.macsec.traffic import FRAME, PEER, SALT, SCI, SecYMaker, counted, protected, validated

USES = [
    pytest.param(suite.name, encrypt, offset, id=f"{suite.name} {kind}")
    for suite in CIPHER_SUITES.values()
    for encrypt, offset, kind in (
        (False, 0, "integrity"),
        (False, 30, "integrity despite offset 30"),
        (True, 0, "offset 0"),
        (True, 30, "offset 30"),
        (True, 50, "offset 50"),
    )
    if offset == 0 or not suite.xpn
]
SSCI = 0x7A30C118
FIRST_PN = {False: 0xB2C28465, True: 0xB0DF459CB2C28465}
"""By whether packet numbers are extended."""
USER_DATA_LENGTHS = [*range(2, 53), 63, 64, 65, 1500, 9000]
FRAMES = [(FRAME * 120)[: 12 + octets] for octets in USER_DATA_LENGTHS]


def expected_wire(frame: bytes, pn: int, sak: Sak, xpn: bool, tci: int) -> bytes:
    """Figures 14-1 to 14-4, for an SCI in the SecTAG."""
    addresses, user_data = frame[:12], frame[12:]
    short_length = len(user_data) if len(user_data) < 48 else 0
    tag = bytes.fromhex("88e5") + bytes((tci, short_length)) + pn.to_bytes(8)[4:] + SCI
    nonce = SCI + pn.to_bytes(8)[4:]
    if xpn:
        counted_up = int.from_bytes(SSCI.to_bytes(4) + pn.to_bytes(8))
        nonce = (counted_up ^ int.from_bytes(SALT)).to_bytes(12)
    clear = user_data[: sak.confidentiality_offset] if sak.encrypt else user_data
    secret = user_data[len(clear) :]
    return addresses + tag + clear + AESGCM(sak.key).encrypt(nonce, secret, addresses + tag + clear)


@pytest.mark.parametrize(("cipher", "encrypt", "offset"), USES)
def test_every_length(make_secy: SecYMaker, cipher: str, encrypt: bool, offset: int) -> None:
    suite = CIPHER_SUITES[cipher]
    sak = Sak(bytes(range(suite.sak_octets)), SALT if suite.xpn else b"", encrypt, offset)
    ssci, first_pn = SSCI if suite.xpn else None, FIRST_PN[suite.xpn]
    sender = make_secy(SecYConfig(SCI, cipher))
    sender.install_transmit_sa(3, sak, first_pn, ssci)
    receiver = make_secy(SecYConfig(PEER, cipher, replay_window=100))
    receiver.install_receive_sa(SCI, 3, sak, first_pn, ssci)

    wires = protected(sender, *FRAMES)
    tci = 0x2F if encrypt else 0x23
    for pn, (frame, wire) in enumerate(zip(FRAMES, wires, strict=True), first_pn):
        assert wire.hex() == expected_wire(frame, pn, sak, suite.xpn, tci).hex()
    assert validated(receiver, *wires) == FRAMES
    octets = sum(USER_DATA_LENGTHS)
    kind, checked = ("Encrypted", "Decrypted") if encrypt else ("Protected", "Validated")
    assert counted(sender) == {f"OutPkts{kind}": len(FRAMES), f"OutOctets{kind}": octets}
    assert counted(receiver) == {"InPktsOK": len(FRAMES), f"InOctets{checked}": octets}

    short = [(frame, wire) for frame, wire in zip(FRAMES, wires, strict=True) if len(frame) - 12 < 48]
    padded = [wire.ljust(60 + i % 2 * 40, b"\xa5") for i, (_, wire) in enumerate(short)]
    assert validated(receiver, *padded) == [frame for frame, _ in short]
    assert counted(receiver)[f"InOctets{checked}"] == octets + sum(range(2, 48))


@pytest.mark.parametrize(("cipher", "encrypt", "offset"), USES)
def test_every_octet_is_protected(make_secy: SecYMaker, cipher: str, encrypt: bool, offset: int) -> None:
    suite = CIPHER_SUITES[cipher]
    sak = Sak(bytes(range(suite.sak_octets)), SALT if suite.xpn else b"", encrypt, offset)
    ssci = SSCI if suite.xpn else None
    sender, receiver = make_secy(SecYConfig(SCI, cipher)), make_secy(SecYConfig(PEER, cipher))
    sender.install_transmit_sa(3, sak, ssci=ssci)
    receiver.install_receive_sa(SCI, 3, sak, ssci=ssci)
    for octets in (12 + 20, 12 + 40, len(FRAME)):
        [wire] = protected(sender, FRAME[:octets])
        changed = [wire[:at] + bytes([wire[at] ^ 1]) + wire[at + 1 :] for at in range(len(wire))]
        assert not any(isinstance(delivered, bytes) for delivered in validated(receiver, *changed))
        assert validated(receiver, wire) == [FRAME[:octets]]


@pytest.mark.parametrize(
    ("cipher", "theirs", "their_ssci"),
    [
        ("GCM-AES-128", Sak(bytes(16), confidentiality_offset=30), None),
        ("GCM-AES-128", Sak(bytes(15) + b"\1"), None),
        ("GCM-AES-XPN-128", Sak(bytes(16), bytes(12)), 1),
        ("GCM-AES-XPN-128", Sak(bytes(16), SALT), 2),
    ],
)
def test_what_both_ends_must_agree_on(
    make_secy: SecYMaker, cipher: str, theirs: Sak, their_ssci: int | None
) -> None:
    xpn = CIPHER_SUITES[cipher].xpn
    ours, our_ssci = Sak(bytes(16), SALT if xpn else b""), 1 if xpn else None
    sender, receiver = make_secy(SecYConfig(SCI, cipher)), make_secy(SecYConfig(PEER, cipher))
    sender.install_transmit_sa(0, ours, ssci=our_ssci)
    receiver.install_receive_sa(SCI, 0, theirs, ssci=their_ssci)
    [wire] = protected(sender, FRAME)
    assert validated(receiver, wire) == [Verdict.InPktsNotValid]
    receiver.install_receive_sa(SCI, 0, ours, ssci=our_ssci)
    assert validated(receiver, wire) == [FRAME]
