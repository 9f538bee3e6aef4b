"""Native and reference, given the same history, agree on bytes, verdicts, counters, state and refusals."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.frames import FrameBatch
from dataplane.macsec.counters import Verdict, counters_by_name
from dataplane.macsec.reference import ReferenceSecY
from dataplane.macsec.sak import Sak
from dataplane.macsec.secy import SecY, SecYConfig, SecYError, ValidateFrames
from dataplane.macsec.suites import CIPHER_SUITES, CipherSuite
from tests.macsec.strategies import ans, configs, frames, packet_numbers, saks, scis, sscis

SecYMaker = Callable[[SecYConfig], SecY]

PEER_SCIS = [bytes([2, 0, 0, 0, 0, 1, 0, port]) for port in range(3)]

T = TypeVar("T")
Step = Callable[[SecY], object]
"""Something done to a SecY, and what of its result must be the same."""


class World(NamedTuple):
    """What all in one history have in common, so that most frames find their SA."""

    config: SecYConfig
    saks: list[Sak]
    """By AN."""
    pns: st.SearchStrategy[int]

    @property
    def suite(self) -> CipherSuite:
        return self.config.suite


def mostly(usual: st.SearchStrategy[T], other: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    """Seven times the usual to one of the other."""
    return st.integers(0, 7).flatmap(lambda chance: usual if chance else other)


@st.composite
def associations(draw: st.DrawFn, world: World, sci: bytes) -> tuple[int, Sak, int | None]:
    """AN, SAK and SSCI, as a rule those that were agreed on."""
    an = draw(ans)
    sak = draw(mostly(st.just(world.saks[an]), saks(world.suite, st.sampled_from([b"k", b"l"]))))
    agreed = st.just(sci[5] * 4 + sci[7]) if world.suite.xpn else st.none()
    return an, sak, draw(mostly(agreed, sscis(world.suite)))


def outcome(batch: FrameBatch) -> object:
    """Verdict and place of every frame, and the bytes of those that go on."""
    delivered = [
        frame if Verdict(verdict).passes else None
        for frame, verdict in zip(batch.frames(), batch.verdict.tolist(), strict=True)
    ]
    return batch.verdict.tolist(), batch.offset.tolist(), batch.length.tolist(), delivered


def asked(ask: Step) -> Step:
    """The step whose result is the answer or the text of the refusal."""

    def step(secy: SecY) -> object:
        try:
            return ask(secy)
        except SecYError as refused:
            return str(refused)

    return step


@st.composite
def bursts(draw: st.DrawFn, world: World) -> list[bytes]:
    """What a peer sent, after the wire lost, reordered, repeated and damaged some of it."""
    sci = draw(st.sampled_from(PEER_SCIS))
    an, sak, ssci = draw(associations(world, sci))
    peer = ReferenceSecY(
        replace(
            draw(configs(world.suite)),
            sci=sci,
            protect_frames=True,
            mtu=None,
            bypass=(),
            validate_frames=ValidateFrames.STRICT,
            always_include_sci=draw(mostly(st.just(True), st.booleans())),
            clear_tags=draw(mostly(st.just(world.config.clear_tags), st.integers(0, 2))),
        )
    )
    peer.install_transmit_sa(an, replace(sak, encrypt=draw(st.booleans())), draw(world.pns), ssci)
    batch = FrameBatch.from_frames(draw(st.lists(frames(), min_size=1, max_size=4)))
    peer.protect(batch)
    wire = draw(st.lists(st.sampled_from(batch.frames()), min_size=1, max_size=6))
    return [draw(mostly(st.just(frame), damaged(frame))) for frame in wire]


@st.composite
def damaged(draw: st.DrawFn, frame: bytes) -> bytes:
    """A frame that is not as it was."""
    octets = bytearray(frame)
    damage = draw(st.sampled_from(["octet", "tag", "cut", "pad", "pad", "noise"]))
    if damage == "octet":
        octets[draw(st.integers(0, len(octets) - 1))] ^= draw(st.integers(1, 255))
    elif damage == "tag" and len(octets) > 14:
        octets[14] ^= 1 << draw(st.integers(0, 7))
    elif damage == "cut":
        del octets[draw(st.integers(0, len(octets))) :]
    elif damage == "pad":
        octets += draw(st.binary(max_size=40))
    else:
        octets = bytearray(draw(st.binary(max_size=100)))
    return bytes(octets)


@st.composite
def batches(draw: st.DrawFn, world: World) -> Step:
    """Frames to send or frames that came, with or without enough room around them."""
    kind = draw(st.sampled_from(["protect", "validate", "validate"]))
    clear = st.lists(frames() | st.binary(max_size=20), max_size=4)
    work = draw(clear if kind == "protect" else bursts(world) | bursts(world) | clear)
    room = draw(st.sampled_from([32, 32, 32, 16, 15]))

    def step(secy: SecY) -> object:
        batch = FrameBatch.from_frames(work, room, room)
        getattr(secy, kind)(batch)
        return outcome(batch)

    return step


@st.composite
def management(draw: st.DrawFn, world: World) -> Step:
    """A request, often one that is refused."""
    sci = draw(mostly(st.sampled_from(PEER_SCIS), scis))
    an, sak, ssci = draw(associations(world, sci))
    own_an, own_sak, own_ssci = draw(associations(world, world.config.sci))
    pn, last_pn = draw(world.pns), draw(st.none() | world.pns)
    config = draw(configs(world.suite))
    requests: list[Step] = [
        lambda secy: secy.install_transmit_sa(own_an, own_sak, pn, own_ssci, last_pn),
        lambda secy: secy.install_receive_sa(sci, an, sak, pn, ssci),
        lambda secy: secy.install_receive_sa(sci, an, sak, pn, ssci),
        lambda secy: secy.extend_transmit_sa(own_an, pn),
        lambda secy: secy.remove_transmit_sa(own_an),
        lambda secy: secy.remove_receive_sa(sci, an),
        lambda secy: secy.configure(config),
    ]
    return asked(draw(st.sampled_from(requests)))


@st.composite
def histories(draw: st.DrawFn, suite: CipherSuite) -> tuple[SecYConfig, list[Step]]:
    """A SecY that has agreed on some keys with its peers, and what is done to it."""
    base = draw(packet_numbers(suite))
    nearby = st.integers(max(1, base - 2), min(suite.pn_end - 1, base + 12))
    keys = [draw(saks(suite, st.just(key))) for key in (b"k", b"l", b"m", b"n")]
    world = World(draw(configs(suite)), keys, mostly(nearby, packet_numbers(suite)))
    first = [draw(agreements(world, base, an)) for an in range(draw(st.integers(1, 4)))]
    then = st.lists(batches(world) | batches(world) | batches(world) | management(world), max_size=12)
    return world.config, first + draw(then)


@st.composite
def agreements(draw: st.DrawFn, world: World, pn: int, an: int) -> Step:
    """Installs an agreed SAK for sending, and for one peer or more."""
    peers = PEER_SCIS[: draw(st.integers(1, 3))]

    def ssci(sci: bytes) -> int | None:
        return sci[5] * 4 + sci[7] if world.suite.xpn else None

    def step(secy: SecY) -> object:
        secy.install_transmit_sa(an, world.saks[an], pn, ssci(world.config.sci))
        for sci in peers:
            secy.install_receive_sa(sci, an, world.saks[an], pn, ssci(sci))
        return None

    return step


def state(secy: SecY) -> object:
    """All that a SecY tells of itself."""
    receive = [asked(partial(told, sci=sci, an=an))(secy) for sci in PEER_SCIS for an in range(4)]
    return counters_by_name(secy.counters), secy.transmit_state, secy.operational, secy.config, receive


def told(secy: SecY, sci: bytes, an: int) -> object:
    """What a SecY tells of a receive SA and its SC."""
    return secy.channel_counters(sci), secy.receive_state(sci, an)


@pytest.mark.parametrize("cipher", CIPHER_SUITES)
@settings(max_examples=60)
@given(data=st.data())
def test_the_same_history(make_native: SecYMaker, cipher: str, data: st.DataObject) -> None:
    config, history = data.draw(histories(CIPHER_SUITES[cipher]))
    reference, native = ReferenceSecY(config), make_native(config)
    for step in history:
        assert step(native) == step(reference)
        assert state(native) == state(reference)


def test_long_batches_and_long_frames(make_native: SecYMaker) -> None:
    randomness = np.random.default_rng(802_1)
    frames = [randomness.bytes(int(octets)) for octets in randomness.integers(14, 9216, 200)]
    sak = Sak(bytes(range(32)))
    sent = []
    for make_secy in (make_native, ReferenceSecY):
        secy, peer = make_secy(SecYConfig(PEER_SCIS[0])), make_secy(SecYConfig(PEER_SCIS[1]))
        secy.install_transmit_sa(3, sak)
        peer.install_receive_sa(PEER_SCIS[0], 3, sak)
        batch = FrameBatch.from_frames(frames)
        secy.protect(batch)
        sent.append(batch.copy().frames())
        peer.validate(batch)
        assert batch.frames() == frames
    assert sent[0] == sent[1]
