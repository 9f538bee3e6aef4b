"""Native and reference, given the same history, end in the same bytes, verdicts, counters and refusals."""

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.frames import FrameBatch
from dataplane.macsec.counters import Verdict, counters_by_name
from dataplane.macsec.reference import ReferenceSecY
from dataplane.macsec.secy import SecY, SecYConfig, SecYError

SecYMaker = Callable[[SecYConfig], SecY]

SCIS = [bytes([2, 0, 0, 0, 0, i, 0, 1]) for i in range(10)]
SAKS = [bytes([i]) * 32 for i in range(3)]

Step = Callable[[SecY], object]
"""Something done to a SecY, and what of its result must be the same."""

ans = st.integers(0, 3)
saks = st.sampled_from(SAKS)
scis = st.sampled_from([SCIS[0]] * 10 + SCIS)
packet_numbers = st.integers(1, 20) | st.integers(2**32 - 6, 2**32 - 1)


def outcome(batch: FrameBatch) -> object:
    """Verdict and place of every frame, and the bytes of those that go on."""
    delivered = [
        frame if Verdict(verdict).passes else None
        for frame, verdict in zip(batch.frames(), batch.verdict.tolist(), strict=True)
    ]
    return batch.verdict.tolist(), batch.offset.tolist(), batch.length.tolist(), delivered


def refusal(manage: Callable[[SecY], None]) -> Step:
    """The step whose result is the text of the refusal."""

    def step(secy: SecY) -> object:
        try:
            manage(secy)
        except SecYError as refused:
            return str(refused)
        return None

    return step


@st.composite
def wire_frames(draw: st.DrawFn) -> bytes:
    """A frame as some peer sent it, often damaged on the way."""
    peer = ReferenceSecY(SecYConfig(draw(scis)))
    peer.install_transmit_sa(draw(ans), draw(saks), draw(packet_numbers))
    batch = FrameBatch.from_frames([draw(st.binary(min_size=14, max_size=120))])
    peer.protect(batch)
    wire = bytearray(batch.frame(0))
    damage = draw(st.sampled_from(["none"] * 6 + ["octet", "tag", "cut", "pad", "noise"]))
    if damage == "octet":
        wire[draw(st.integers(0, len(wire) - 1))] ^= draw(st.integers(1, 255))
    elif damage == "tag":
        wire[14:16] = draw(st.binary(min_size=2, max_size=2))
    elif damage == "cut":
        del wire[draw(st.integers(0, len(wire))) :]
    elif damage == "pad":
        wire += draw(st.binary(max_size=40))
    elif damage == "noise":
        wire = bytearray(draw(st.binary(max_size=100)))
    return bytes(wire)


@st.composite
def steps(draw: st.DrawFn) -> Step:
    kind = draw(
        st.sampled_from(["protect", "protect", "validate", "validate", "transmit", "receive", "remove"])
    )
    if kind in ("protect", "validate"):
        frames = draw(st.lists(st.binary(max_size=120) if kind == "protect" else wire_frames(), max_size=6))
        room = draw(st.sampled_from([32, 32, 32, 16, 15]))

        def work(secy: SecY) -> object:
            batch = FrameBatch.from_frames(frames, room, room)
            getattr(secy, kind)(batch)
            return outcome(batch)

        return work
    an, sak, sci, pn = draw(ans), draw(saks), draw(scis), draw(packet_numbers)
    if kind == "transmit":
        return refusal(lambda secy: secy.install_transmit_sa(an, sak, pn))
    if kind == "receive":
        return refusal(lambda secy: secy.install_receive_sa(sci, an, sak, pn))
    if draw(st.booleans()):
        return refusal(lambda secy: secy.remove_transmit_sa(an))
    return refusal(lambda secy: secy.remove_receive_sa(sci, an))


@settings(max_examples=150)
@given(window=st.sampled_from([0, 1, 5, 64, 2**32 - 1]), history=st.lists(steps(), max_size=25))
def test_the_same_history(make_native: SecYMaker, window: int, history: list[Step]) -> None:
    config = SecYConfig(SCIS[0], replay_window=window)
    reference, native = ReferenceSecY(config), make_native(config)
    for an, sak in enumerate(SAKS):  # so that most frames find their SA
        for secy in (reference, native):
            secy.install_receive_sa(SCIS[0], an, sak)
            secy.install_transmit_sa(an, sak)
    for step in history:
        assert step(native) == step(reference)
        assert counters_by_name(native.counters) == counters_by_name(reference.counters)
        for state in ("next_pn", "encoding_sa", "operational"):
            assert getattr(native, state) == getattr(reference, state)


def test_long_batches_and_long_frames(make_native: SecYMaker) -> None:
    randomness = np.random.default_rng(802_1)
    frames = [randomness.bytes(int(octets)) for octets in randomness.integers(14, 9216, 200)]
    batches = []
    for make_secy in (make_native, ReferenceSecY):
        secy = make_secy(SecYConfig(SCIS[0]))
        secy.install_transmit_sa(3, SAKS[1])
        secy.install_receive_sa(SCIS[0], 3, SAKS[1])
        batch = FrameBatch.from_frames(frames)
        secy.protect(batch)
        batches.append(batch.copy())
        secy.validate(batch)
        assert batch.frames() == frames
    assert batches[0].frames() == batches[1].frames()
