"""Management of the SecY (10.7), each test on every implementation."""

import pytest

from dataplane.frames import FrameBatch
from dataplane.macsec.counters import Verdict
from dataplane.macsec.sak import Sak
from dataplane.macsec.secy import SecY, SecYConfig, SecYError, TransmitState
from tests.macsec.traffic import (
    FRAME,
    OTHER_SAK,
    PEER,
    PN_END,
    SAK,
    SCI,
    SecYMaker,
    next_pn,
    protected,
    validated,
)


class TestNoPacketNumberIsUsedTwice:
    """A SAK and a PN make the IV: the AN does not enter it, and removal does not undo what was sent."""

    def test_reinstalling_below_is_refused(self, sender: SecY) -> None:
        protected(sender, FRAME, FRAME, FRAME)
        for pn in (1, 3):
            with pytest.raises(SecYError, match=f"packet number {pn} with this SAK was used before"):
                sender.install_transmit_sa(0, SAK, pn)
        assert next_pn(sender) == 4
        sender.install_transmit_sa(0, SAK, 4)

    def test_on_another_an(self, sender: SecY) -> None:
        protected(sender, FRAME)
        with pytest.raises(SecYError, match="used before"):
            sender.install_transmit_sa(1, SAK, 1)
        assert sender.transmit_state == TransmitState(0, 2, PN_END - 1)
        sender.install_transmit_sa(1, SAK, 2)
        protected(sender, FRAME)
        with pytest.raises(SecYError, match="used before"):
            sender.install_transmit_sa(0, SAK, 2)

    def test_after_removal_and_other_keys(self, sender: SecY) -> None:
        protected(sender, FRAME)
        sender.remove_transmit_sa(0)
        for i in range(20):
            sender.install_transmit_sa(i % 4, Sak(bytes([i]) * 32))
        with pytest.raises(SecYError, match="used before"):
            sender.install_transmit_sa(0, SAK, 1)
        sender.install_transmit_sa(0, SAK, 2)
        assert next_pn(sender) == 2

    def test_a_skipped_number_stays_skipped(self, sender: SecY) -> None:
        sender.install_transmit_sa(0, SAK, 1000)
        with pytest.raises(SecYError, match="used before"):
            sender.install_transmit_sa(0, SAK, 999)


class TestManagement:
    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"sci": b"short"}, "SCI of 5 octets, expected 8"),
            ({"sci": b"\xff" * 8}, "SCI of all ones"),
            ({"cipher": "rot13"}, "cipher suite 'rot13', expected one of GCM-AES-128, GCM-AES-256"),
            ({"replay_window": -1}, "replay window -1, expected 0 to 4294967295"),
            ({"replay_window": PN_END}, "replay window 4294967296"),
        ],
    )
    def test_configurations_that_cannot_be(self, fields: dict[str, object], message: str) -> None:
        with pytest.raises(SecYError, match=message):
            SecYConfig(**{"sci": SCI, **fields})  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("an", "sak", "pn", "message"),
        [
            (-1, SAK, 1, "AN -1, expected 0 to 3"),
            (4, SAK, 1, "AN 4"),
            (256, SAK, 1, "AN 256"),
            (0, Sak(SAK.key[:16]), 1, "SAK of 16 octets, expected 32 for GCM-AES-256"),
            (0, Sak(SAK.key + b"\0"), 1, "SAK of 33 octets"),
            (0, SAK, 0, "packet number 0, expected 1 to 4294967295"),
            (0, SAK, PN_END, "packet number 4294967296"),
        ],
    )
    def test_associations_that_cannot_be(
        self, sender: SecY, receiver: SecY, an: int, sak: Sak, pn: int, message: str
    ) -> None:
        with pytest.raises(SecYError, match=message):
            sender.install_transmit_sa(an, sak, pn)
        with pytest.raises(SecYError, match=message):
            receiver.install_receive_sa(SCI, an, sak, pn)
        assert validated(receiver, *protected(sender, FRAME)) == [FRAME]

    def test_removing_what_is_not_there(self, sender: SecY, receiver: SecY) -> None:
        for an in (1, 2, 3):
            with pytest.raises(SecYError, match=f"no SA is installed under AN {an}"):
                sender.remove_transmit_sa(an)
            with pytest.raises(SecYError, match=f"no SA is installed under AN {an}"):
                receiver.remove_receive_sa(SCI, an)
        with pytest.raises(SecYError, match="no SA is installed"):
            receiver.remove_receive_sa(PEER, 0)
        with pytest.raises(SecYError, match="AN 4"):
            sender.remove_transmit_sa(4)
        with pytest.raises(SecYError, match="SCI of 0 octets"):
            receiver.remove_receive_sa(b"", 0)

    def test_reinstalling_a_receive_sa_does_not_open_the_window(self, sender: SecY, receiver: SecY) -> None:
        wires = protected(sender, FRAME, FRAME)
        validated(receiver, *wires)
        with pytest.raises(SecYError, match="packet number 2 with this SAK was used before"):
            receiver.install_receive_sa(SCI, 0, SAK, 2)
        assert validated(receiver, wires[1]) == [Verdict.InPktsLate]
        receiver.install_receive_sa(SCI, 0, SAK, 10)
        assert validated(receiver, *protected(sender, FRAME)) == [Verdict.InPktsLate]
        receiver.install_receive_sa(SCI, 0, OTHER_SAK)
        sender.install_transmit_sa(0, OTHER_SAK)
        assert validated(receiver, *protected(sender, FRAME)) == [FRAME]

    def test_a_batch_changed_beyond_its_arena_is_refused(self, sender: SecY) -> None:
        batch = FrameBatch.from_frames([FRAME])
        batch.length[0] = batch.arena.size
        with pytest.raises(ValueError, match="frame 0 ends beyond the arena"):
            sender.protect(batch)
        with pytest.raises(ValueError, match="frame 0 ends beyond the arena"):
            sender.validate(batch)

    def test_keys_are_not_shown(self, make_secy: SecYMaker) -> None:
        sak = Sak(b"quadlink-sak-that-nobody-may-see")
        secy = make_secy(SecYConfig(SCI))
        secy.install_transmit_sa(0, sak)
        secy.install_receive_sa(PEER, 0, sak)
        shown = repr(sak) + repr(secy) + repr(vars(secy))
        with pytest.raises(SecYError) as error:
            secy.install_transmit_sa(4, sak)
        shown += str(error.value)
        assert "nobody-may-see" not in shown
        assert sak.key.hex() not in shown
