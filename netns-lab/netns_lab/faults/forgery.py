"""What an attacker on the wire makes of frames that he has seen. Pure, and random by a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence

from dataplane.captures.reader import CapturedFrame
from dataplane.macsec.sectag import ADDRESS_OCTETS, ETHERNET_HEADER_OCTETS, SCI_PRESENT, ethertype
from dataplane.macsec.secy import MACSEC_ETHERTYPE

TCI_AT, PN_AT, WITHOUT_SCI_AT, WITH_SCI_AT = 14, 16, 20, 28
"""Octets of a frame: its TCI and packet number, its secure data behind a SecTAG without and with an SCI."""
AHEAD = 1 << 30
"""How far ahead of the traffic's a forged packet number is: it is never late, so the ICV must tell."""


def late(frames: Sequence[CapturedFrame], window: int | None) -> list[bytes]:
    """Those of frames of one sender that are older than the replay window; None: all, there is no window."""
    numbers = [frame.pn for frame in frames if frame.pn is not None]
    if window is None or not numbers:
        return [frame.data for frame in frames]
    newest = max(numbers)
    return [frame.data for frame in frames if frame.pn is not None and frame.pn + window < newest]


def forged(frame: bytes, number: int, chance: random.Random) -> bytes:
    """A frame like one that was seen: its addresses and tag, a fresh packet number, nonsense behind them."""
    if ethertype(frame[ADDRESS_OCTETS:]) != MACSEC_ETHERTYPE:
        header = frame[:ETHERNET_HEADER_OCTETS]
        return header + chance.randbytes(len(frame) - len(header))
    begin = WITH_SCI_AT if frame[TCI_AT] & SCI_PRESENT else WITHOUT_SCI_AT
    pn = int.from_bytes(frame[PN_AT : PN_AT + 4]) + AHEAD + number
    tag = frame[:PN_AT] + (pn & 0xFFFFFFFF).to_bytes(4) + frame[PN_AT + 4 : begin]
    return tag + chance.randbytes(len(frame) - begin)
