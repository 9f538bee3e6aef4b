"""What an attacker on the wire makes of frames that he has seen. Pure, and random by a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence

from dataplane.captures.reader import CapturedFrame

MACSEC_ETHERTYPE = b"\x88\xe5"
PN_AT, WITHOUT_SCI_AT, WITH_SCI_AT = 16, 20, 28
"""Octets of a frame: its packet number, and its secure data behind a SecTAG without and with an SCI."""
SCI_BIT, TAG_AT = 0x20, 14
AHEAD = 1 << 30
"""How far ahead of the traffic's a forged packet number is: it is never late, so the ICV must tell."""
ADDRESSES_OCTETS = 14


def late(frames: Sequence[CapturedFrame], window: int | None) -> list[bytes]:
    """Those of frames of one sender that are older than the replay window; None: all, there is no window."""
    numbers = [frame.pn for frame in frames if frame.pn is not None]
    if window is None or not numbers:
        return [frame.data for frame in frames]
    newest = max(numbers)
    return [frame.data for frame in frames if frame.pn is not None and frame.pn + window < newest]


def forged(frame: bytes, number: int, chance: random.Random) -> bytes:
    """A frame like one that was seen: its addresses and tag, a fresh packet number, nonsense behind them."""
    if frame[12:14] != MACSEC_ETHERTYPE:
        return frame[:ADDRESSES_OCTETS] + chance.randbytes(len(frame) - ADDRESSES_OCTETS)
    begin = WITH_SCI_AT if frame[TAG_AT] & SCI_BIT else WITHOUT_SCI_AT
    pn = int.from_bytes(frame[PN_AT : PN_AT + 4]) + AHEAD + number
    tag = frame[:PN_AT] + (pn & 0xFFFFFFFF).to_bytes(4) + frame[PN_AT + 4 : begin]
    return tag + chance.randbytes(len(frame) - begin)
