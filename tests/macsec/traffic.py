"""What the tests of the SecY share: two stations, keys, a frame, and shorthand to send and receive."""

from collections.abc import Callable

from dataplane.frames import FrameBatch
from dataplane.macsec.counters import Verdict, counters_by_name
from dataplane.macsec.sak import Sak
from dataplane.macsec.secy import SecY, SecYConfig

SecYMaker = Callable[[SecYConfig], SecY]

SCI = bytes.fromhex("0200000000010001")
"""Of the station that sends."""
PEER = bytes.fromhex("0200000000020001")
"""Of the station that receives."""
THIRD = bytes.fromhex("0200000000030001")

SAK = Sak(bytes(range(32)))
OTHER_SAK = Sak(bytes(range(1, 33)))
INTEGRITY_SAK = Sak(SAK.key, encrypt=False)
SALT = bytes(range(100, 112))

PN_END = 1 << 32
"""Of GCM-AES-256, the default suite."""

FRAME = PEER[:6] + SCI[:6] + bytes.fromhex("08000102") + bytes(range(60))
USER_DATA_OCTETS = len(FRAME) - 12


def outcomes(secy: SecY, direction: str, *frames: bytes) -> list[bytes | Verdict]:
    """What `protect` or `validate` makes of these frames, or why it does not pass them on."""
    batch = FrameBatch.from_frames(frames)
    getattr(secy, direction)(batch)
    verdicts = [Verdict(verdict) for verdict in batch.verdict.tolist()]
    left = zip(frames, batch.frames(), verdicts, strict=True)
    assert all(len(after) == len(before) for before, after, verdict in left if not verdict.passes)
    return [
        frame if verdict.passes else verdict for frame, verdict in zip(batch.frames(), verdicts, strict=True)
    ]


def sent(secy: SecY, *frames: bytes) -> list[bytes | Verdict]:
    """What the SecY sends for these frames, or why it does not."""
    return outcomes(secy, "protect", *frames)


def validated(secy: SecY, *frames: bytes) -> list[bytes | Verdict]:
    """What the SecY delivers for these frames, or why it does not."""
    return outcomes(secy, "validate", *frames)


def protected(secy: SecY, *frames: bytes) -> list[bytes]:
    """What the SecY sends for these frames; it must protect all."""
    batch = FrameBatch.from_frames(frames)
    secy.protect(batch)
    assert set(batch.verdict.tolist()) <= {Verdict.OutPktsEncrypted, Verdict.OutPktsProtected}
    return batch.frames()


def counted(secy: SecY) -> dict[str, int]:
    """The counters that are not zero."""
    return {name: value for name, value in counters_by_name(secy.counters).items() if value}


def counted_of(secy: SecY, sci: bytes) -> dict[str, int]:
    """The counters of a receive SC that are not zero."""
    return {name: value for name, value in secy.channel_counters(sci).items() if value}


def next_pn(secy: SecY) -> int:
    """The packet number that the next frame takes."""
    assert secy.transmit_state is not None
    return secy.transmit_state.next_pn
