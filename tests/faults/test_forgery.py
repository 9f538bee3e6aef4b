"""What an attacker makes of frames that he has seen: old enough to be refused, or like real ones."""

import random

from netns_lab.faults.forgery import AHEAD, forged, late

from dataplane.captures.memory import CapturePoint
from dataplane.captures.reader import CapturedFrame

ADDRESSES = bytes.fromhex("020000000001 020000000002")


def captured(pn: int | None) -> CapturedFrame:
    data = ADDRESSES + str(pn).encode()
    return CapturedFrame(0, 0, CapturePoint.WIRE, len(data), data, pn, None, 0, 0)


def test_only_frames_that_the_window_has_left_behind_are_sent_again() -> None:
    frames = [captured(pn) for pn in (5, 6, 7, 70, 71)]
    assert late(frames, 64) == [frame.data for frame in frames[:2]]
    assert late(frames, 100) == []
    assert late(frames, None) == [frame.data for frame in frames]
    assert late([captured(None)], 64) == [captured(None).data]


def test_a_forged_frame_has_addresses_and_tag_of_a_real_one_and_a_fresh_packet_number() -> None:
    tag = bytes.fromhex("88e5 2c 00 00000064 0200000000020001")
    frame = ADDRESSES + tag + bytes(80)
    one, other = (forged(frame, number, random.Random(1)) for number in (0, 1))
    assert len(one) == len(frame)
    assert one[:16] + one[20:28] == frame[:16] + frame[20:28]
    assert [int.from_bytes(it[16:20]) for it in (one, other)] == [AHEAD + 100, AHEAD + 101]
    assert one[28:] != frame[28:]
    short = ADDRESSES + bytes.fromhex("88e5 0c 00 ffffffff") + bytes(30)
    assert forged(short, 0, random.Random(1))[16:20] == (AHEAD - 1).to_bytes(4, "big")
    plain = ADDRESSES + b"\x08\x00" + bytes(40)
    assert forged(plain, 0, random.Random(1))[:14] == plain[:14]
    assert len(forged(plain, 0, random.Random(1))) == len(plain)
