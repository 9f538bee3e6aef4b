"""Vectors of quadlink-macsec-vectors/1 for the tests, made with AES-GCM alone and none of our SecYs."""

from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Vector = dict[str, Any]

KEY = bytes(range(32))
ADDRESSES = bytes.fromhex("02000000000b02000000000a")
USER_DATA = bytes.fromhex("0800") + bytes(range(70))
PLAINTEXT = ADDRESSES + USER_DATA
VLAN_TAGS = bytes.fromhex("88a800648100012c")


def protected(
    pn: int,
    sci: bytes = bytes.fromhex("02000000000a0001"),
    *,
    encrypt: bool = True,
    offset: int = 0,
    clear_tags: bytes = b"",
    tci: int = 0x20,
) -> bytes:
    """GCM-AES-256 of PLAINTEXT; `tci` holds its ES, SC and SCB bits."""
    tag = bytes.fromhex("88e5") + bytes((tci | (0x0C if encrypt else 0), 0)) + pn.to_bytes(4)
    tag += sci if tci & 0x20 else b""
    clear = USER_DATA[:offset] if encrypt else USER_DATA
    aad = ADDRESSES + tag + clear
    sealed = AESGCM(KEY).encrypt(sci + pn.to_bytes(4), USER_DATA[len(clear) :], aad)
    return ADDRESSES + clear_tags + tag + clear + sealed


def sent_vector(
    *,
    sci: bytes = bytes.fromhex("02000000000a0001"),
    encrypt: bool = True,
    offset: int = 0,
    clear_tags: bytes = b"",
    tci: int = 0x20,
) -> Vector:
    """Of the list `frames`, at packet number 7."""
    frame = protected(7, sci, encrypt=encrypt, offset=offset, clear_tags=clear_tags, tci=tci)
    return {
        "name": "made",
        "suite": "GCM-AES-256",
        "key": KEY.hex(),
        "sci": sci.hex(),
        "an": 0,
        "pn": 7,
        "sci_in_sectag": bool(tci & 0x20),
        "es": bool(tci & 0x40),
        "scb": bool(tci & 0x10),
        "encrypted": encrypt,
        "confidentiality_offset": offset,
        "clear_tag_octets": len(clear_tags),
        "plaintext_frame": (ADDRESSES + clear_tags + USER_DATA).hex(),
        "protected_frame": frame.hex(),
    }


def received_vector(*frames: tuple[bytes, str | None, bytes | None], **parameters: object) -> Vector:
    """Of the list `received`: each frame with its verdict and what is delivered; strict unless told."""
    return {
        "name": "made",
        "suite": "GCM-AES-256",
        "key": KEY.hex(),
        "sci": "02000000000a0001",
        "an": 0,
        "validate_frames": "strict",
        "replay_protect": True,
        "replay_window": 0,
        "next_pn": 1,
        "frames": [frame.hex() for frame, _, _ in frames],
        "verdicts": [verdict for _, verdict, _ in frames],
        "delivered": [delivered and delivered.hex() for _, _, delivered in frames],
        **parameters,
    }
