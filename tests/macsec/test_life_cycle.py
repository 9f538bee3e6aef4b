"""A model of what SAs live through, on either side of a wire that keeps, repeats and reorders frames."""

from dataclasses import dataclass
from typing import cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dataplane.frames import FrameBatch
from dataplane.macsec.counters import Verdict
from dataplane.macsec.sak import Sak
from dataplane.macsec.secy import SecYConfig, SecYError, TransmitState
from dataplane.macsec.suites import CIPHER_SUITES, CipherSuite
from tests.macsec.strategies import ans
from tests.macsec.traffic import FRAME, PEER, SCI, SecYMaker

WINDOW = 3
WINDOW_ROOM = 40
"""The packet numbers that a run can come to, counted from its first."""
steps = st.integers(0, 6)


@dataclass
class Transmitting:
    """What the sender's SA must be like."""

    key: int
    last_pn: int


@dataclass
class Receiving:
    """What the receiver's SA must be like."""

    key: int
    next_pn: int
    lowest_pn: int


@dataclass(frozen=True)
class Sent:
    """A frame on the wire."""

    wire: bytes
    an: int
    key: int
    pn: int


class LifeCycle(RuleBasedStateMachine):
    """Two SecYs beside what they must be like. Packet numbers begin `base`, so that they can run out."""

    frames = Bundle("frames")

    def __init__(self, make_secy: SecYMaker, suite: CipherSuite, base: int) -> None:
        super().__init__()
        self.suite, self.base = suite, base
        self.sender = make_secy(SecYConfig(SCI, cipher=suite.name))
        self.receiver = make_secy(SecYConfig(PEER, cipher=suite.name, replay_window=WINDOW))
        self.saks = [
            Sak(bytes([key]) * suite.sak_octets, bytes(12) if suite.xpn else b"") for key in range(3)
        ]
        self.ssci = 1 if suite.xpn else None
        self.transmitting: dict[int, Transmitting] = {}
        self.encoding: int | None = None
        self.next_pns = dict.fromkeys(range(3), 1)
        self.used: set[tuple[int, int]] = set()
        self.receiving: dict[int, Receiving] = {}

    def pn(self, distance: int) -> int:
        return min(self.base + distance, self.suite.pn_end - 1)

    # The sender

    @rule(an=ans, key=steps, distance=st.integers(0, WINDOW_ROOM), room=steps)
    def install_transmit_sa(self, an: int, key: int, distance: int, room: int) -> None:
        key, next_pn = key % 3, self.pn(distance)
        last_pn = min(next_pn + room, self.suite.pn_end - 1)
        if next_pn < self.next_pns[key]:
            with pytest.raises(SecYError, match="was used before"):
                self.sender.install_transmit_sa(an, self.saks[key], next_pn, self.ssci, last_pn)
            return
        self.sender.install_transmit_sa(an, self.saks[key], next_pn, self.ssci, last_pn)
        self.next_pns[key] = next_pn
        self.transmitting[an] = Transmitting(key, last_pn)
        self.encoding = an

    @rule(an=ans, distance=st.integers(0, WINDOW_ROOM))
    def extend_transmit_sa(self, an: int, distance: int) -> None:
        sa, last_pn = self.transmitting.get(an), self.pn(distance)
        if sa is None or last_pn < sa.last_pn:
            with pytest.raises(SecYError):
                self.sender.extend_transmit_sa(an, last_pn)
            return
        self.sender.extend_transmit_sa(an, last_pn)
        sa.last_pn = last_pn

    @rule(an=ans)
    def remove_transmit_sa(self, an: int) -> None:
        if an not in self.transmitting:
            with pytest.raises(SecYError, match="no SA"):
                self.sender.remove_transmit_sa(an)
            return
        self.sender.remove_transmit_sa(an)
        del self.transmitting[an]
        self.encoding = None if self.encoding == an else self.encoding

    @rule(target=frames, count=st.integers(1, 5))
    def send(self, count: int) -> object:
        """Every frame takes the next packet number, and none that this key has had before."""
        batch = FrameBatch.from_frames([FRAME] * count)
        self.sender.protect(batch)
        sent = []
        for wire, verdict in zip(batch.frames(), batch.verdict.tolist(), strict=True):
            sa = self.transmitting[self.encoding] if self.encoding is not None else None
            if sa is None or self.next_pns[sa.key] > sa.last_pn:
                assert verdict == Verdict.OutDiscardsNoTransmitSA
                continue
            assert self.encoding is not None
            pn = self.next_pns[sa.key]
            assert verdict == Verdict.OutPktsEncrypted
            assert int.from_bytes(wire[16:20]) == pn & 0xFFFFFFFF
            assert (sa.key, pn) not in self.used
            self.used.add((sa.key, pn))
            self.next_pns[sa.key] += 1
            sent.append(Sent(wire, self.encoding, sa.key, pn))
        return multiple(*sent)

    # The receiver

    @rule(an=ans, key=steps, distance=st.integers(0, WINDOW_ROOM))
    def install_receive_sa(self, an: int, key: int, distance: int) -> None:
        key, lowest_pn = key % 3, self.pn(distance)
        sa = self.receiving.get(an)
        same = sa is not None and sa.key == key
        if sa is not None and same and lowest_pn < sa.lowest_pn:
            with pytest.raises(SecYError, match="was used before"):
                self.receiver.install_receive_sa(SCI, an, self.saks[key], lowest_pn, self.ssci)
            return
        self.receiver.install_receive_sa(SCI, an, self.saks[key], lowest_pn, self.ssci)
        next_pn = max(sa.next_pn, lowest_pn) if sa is not None and same else lowest_pn
        self.receiving[an] = Receiving(key, next_pn, lowest_pn)

    @rule(an=ans)
    def remove_receive_sa(self, an: int) -> None:
        if an not in self.receiving:
            with pytest.raises(SecYError, match="no SA"):
                self.receiver.remove_receive_sa(SCI, an)
            return
        self.receiver.remove_receive_sa(SCI, an)
        del self.receiving[an]

    @precondition(lambda self: self.used)
    @rule(sent=frames)
    def receive(self, sent: Sent) -> None:
        """An SA that is gone validates nothing, and one that is there what its key protected."""
        batch = FrameBatch.from_frames([sent.wire])
        self.receiver.validate(batch)
        sa = self.receiving.get(sent.an)
        expected = Verdict.InPktsOK
        if sa is None:
            expected = Verdict.InPktsNoSAError
        elif sent.pn < sa.lowest_pn:
            expected = Verdict.InPktsLate
        elif sent.key != sa.key:
            expected = Verdict.InPktsNotValid
        assert Verdict(batch.verdict[0]) is expected
        if expected is Verdict.InPktsOK and sa is not None:
            assert batch.frames() == [FRAME]
            if sent.pn >= sa.next_pn:
                sa.next_pn = sent.pn + 1
                sa.lowest_pn = max(sa.lowest_pn, sa.next_pn - WINDOW)

    # Both

    @invariant()
    def the_sender_is_as_expected(self) -> None:
        state = None
        if self.encoding is not None:
            sa = self.transmitting[self.encoding]
            state = TransmitState(self.encoding, self.next_pns[sa.key], sa.last_pn)
        assert self.sender.transmit_state == state
        assert self.sender.operational is (state is not None and state.next_pn <= state.last_pn)

    @invariant()
    def the_receiver_is_as_expected(self) -> None:
        for an in range(4):
            sa = self.receiving.get(an)
            if sa is None:
                with pytest.raises(SecYError, match="no SA"):
                    self.receiver.receive_state(SCI, an)
                continue
            state = self.receiver.receive_state(SCI, an)
            assert (state.next_pn, state.lowest_pn) == (sa.next_pn, sa.lowest_pn)


@pytest.mark.parametrize("cipher", ["GCM-AES-128", "GCM-AES-XPN-256"])
@pytest.mark.parametrize("near_the_end", [False, True])
def test_life_cycle(make_secy: SecYMaker, cipher: str, near_the_end: bool) -> None:
    suite = CIPHER_SUITES[cipher]
    base = suite.pn_end - WINDOW_ROOM if near_the_end else 1
    run_state_machine_as_test(
        cast("type[LifeCycle]", lambda: LifeCycle(make_secy, suite, base)),
        settings=settings(max_examples=15, stateful_step_count=40, deadline=None),
    )
