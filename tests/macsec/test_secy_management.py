"""Management of the SecY (10.7), each test on every implementation."""

from dataclasses import replace

import pytest

from dataplane.frames import FrameBatch
from dataplane.macsec.counters import CHANNEL_COUNTERS, Verdict, counters_by_name
from dataplane.macsec.sak import Sak
from dataplane.macsec.secy import ReceiveState, SecY, SecYConfig, SecYError, TransmitState, ValidateFrames
from tests.macsec.traffic import (
    FRAME,
    INTEGRITY_SAK,
    OTHER_SAK,
    PEER,
    PN_END,
    SAK,
    SALT,
    SCI,
    THIRD,
    SecYMaker,
    counted_of,
    next_pn,
    protected,
    sent,
    validated,
)

XPN = "GCM-AES-XPN-256"
XPN_SAK, OTHER_XPN_SAK = Sak(SAK.key, SALT), Sak(OTHER_SAK.key, SALT)


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

    def test_with_another_salt(self, make_secy: SecYMaker) -> None:
        """The nonce is SSCI and PN XOR salt: this one makes that of PN 1 from PN 2."""
        secy = make_secy(SecYConfig(SCI, XPN))
        secy.install_transmit_sa(0, XPN_SAK, ssci=1)
        [wire] = protected(secy, FRAME)
        salt = SALT[:-1] + bytes([SALT[-1] ^ 1 ^ 2])
        for an in (0, 1):
            with pytest.raises(SecYError, match="this SAK was used with another salt"):
                secy.install_transmit_sa(an, replace(XPN_SAK, salt=salt), 2, ssci=1)
        secy.remove_transmit_sa(0)
        with pytest.raises(SecYError, match="this SAK was used with another salt"):
            secy.install_transmit_sa(0, replace(XPN_SAK, salt=salt), 2, ssci=1)
        secy.install_transmit_sa(0, replace(OTHER_XPN_SAK, salt=salt), 2, ssci=1)
        secy.install_transmit_sa(0, XPN_SAK, 2, ssci=1)
        assert protected(secy, FRAME)[0][28:] != wire[28:]


class TestManagement:
    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"sci": b"short"}, "SCI of 5 octets, expected 8"),
            ({"sci": b"\xff" * 8}, "SCI of all ones"),
            ({"cipher": "rot13"}, "cipher suite 'rot13', expected one of GCM-AES-128, GCM-AES-256"),
            ({"replay_window": -1}, "replay window -1, expected 0 to 4294967295"),
            ({"replay_window": PN_END}, "replay window 4294967296"),
            ({"replay_window": 1 << 30, "cipher": XPN}, "replay window 1073741824, expected 0 to 1073741823"),
            (
                {"replay_window": 4097, "detect_duplicates": True},
                "replay window that detects duplicates 4097, expected 0 to 4096",
            ),
            ({"detect_duplicates": True, "replay_protect": False}, "without replay protection"),
            ({"clear_tags": 3}, "clear VLAN tags 3, expected 0 to 2"),
            ({"mtu": 0}, "MTU 0, expected 1 to 65535"),
            ({"bypass": (1500,)}, "bypass EtherType 1500, expected 1536 to 65535"),
            ({"bypass": (0x88CC, 0x888E)}, "bypass EtherType 888e, expected neither"),
            ({"bypass": (0x88E5,)}, "bypass EtherType 88e5, expected neither"),
            ({"bypass": tuple(range(0x8800, 0x8809))}, "number of bypass EtherTypes 9, expected 0 to 8"),
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
            (0, XPN_SAK, 1, "salt of 12 octets, expected 0 for GCM-AES-256"),
            (
                0,
                replace(SAK, confidentiality_offset=20),
                1,
                "confidentiality offset 20, expected 0 or 30 or 50",
            ),
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

    @pytest.mark.parametrize(
        ("sak", "pn", "ssci", "message"),
        [
            (XPN_SAK, 1, None, "no SSCI, expected one for GCM-AES-XPN-256"),
            (XPN_SAK, 1, -1, "SSCI -1, expected 0 to 4294967295"),
            (XPN_SAK, 1, 1 << 32, "SSCI 4294967296"),
            (XPN_SAK, 1 << 64, 1, "packet number 18446744073709551616"),
            (SAK, 1, 1, "salt of 0 octets, expected 12 for GCM-AES-XPN-256"),
            (replace(XPN_SAK, confidentiality_offset=30), 1, 1, "confidentiality offset 30, expected 0 for"),
        ],
    )
    def test_extended_associations_that_cannot_be(
        self, make_secy: SecYMaker, sak: Sak, pn: int, ssci: int | None, message: str
    ) -> None:
        secy = make_secy(SecYConfig(SCI, XPN))
        with pytest.raises(SecYError, match=message):
            secy.install_transmit_sa(0, sak, pn, ssci)
        with pytest.raises(SecYError, match=message):
            secy.install_receive_sa(PEER, 0, sak, pn, ssci)
        with pytest.raises(SecYError, match="SSCI 7, expected none for GCM-AES-256"):
            make_secy(SecYConfig(SCI)).install_transmit_sa(0, SAK, ssci=7)
        assert secy.transmit_state is None

    def test_reservations_that_cannot_be(self, sender: SecY) -> None:
        with pytest.raises(SecYError, match="last packet number 9 is before the SA's own"):
            sender.install_transmit_sa(0, OTHER_SAK, 10, last_pn=9)
        with pytest.raises(SecYError, match="packet number 4294967296"):
            sender.install_transmit_sa(0, OTHER_SAK, 10, last_pn=PN_END)
        sender.install_transmit_sa(1, OTHER_SAK, 10, last_pn=20)
        with pytest.raises(SecYError, match="last packet number 19 is before the SA's own"):
            sender.extend_transmit_sa(1, 19)
        with pytest.raises(SecYError, match="no SA is installed under AN 2"):
            sender.extend_transmit_sa(2, 30)
        with pytest.raises(SecYError, match="AN 4"):
            sender.extend_transmit_sa(4, 30)
        with pytest.raises(SecYError, match="packet number 4294967296"):
            sender.extend_transmit_sa(1, PN_END)
        assert sender.transmit_state == TransmitState(1, 10, 20)

    def test_the_own_sci_is_no_peers(self, sender: SecY) -> None:
        with pytest.raises(SecYError, match=f"SCI {SCI.hex()} is this SecY's own"):
            sender.install_receive_sa(SCI, 0, OTHER_SAK)

    def test_no_two_scs_make_the_same_nonces(self, make_secy: SecYMaker) -> None:
        """10.7.13: with extended packet numbers it is the SSCI that keeps them apart, not the SCI."""
        secy = make_secy(SecYConfig(SCI, XPN))
        secy.install_transmit_sa(0, XPN_SAK, ssci=1)
        with pytest.raises(SecYError, match="SSCI 1 belongs to another SC with this SAK"):
            secy.install_receive_sa(PEER, 0, XPN_SAK, ssci=1)
        secy.install_receive_sa(PEER, 0, OTHER_XPN_SAK, ssci=1)
        secy.install_receive_sa(PEER, 1, XPN_SAK, ssci=2)
        secy.install_receive_sa(PEER, 2, XPN_SAK, ssci=2)
        with pytest.raises(SecYError, match="SSCI 2 belongs to another SC"):
            secy.install_receive_sa(THIRD, 0, XPN_SAK, ssci=2)
        with pytest.raises(SecYError, match="SSCI 2 belongs to another SC"):
            secy.install_transmit_sa(1, XPN_SAK, ssci=2)
        with pytest.raises(SecYError, match="SSCI 1 belongs to another SC"):
            secy.install_transmit_sa(0, OTHER_XPN_SAK, ssci=1)
        assert secy.transmit_state == TransmitState(0, 1, 2**64 - 1)
        secy.remove_receive_sa(PEER, 1)
        secy.remove_receive_sa(PEER, 2)
        secy.install_receive_sa(THIRD, 0, XPN_SAK, ssci=2)
        secy.remove_transmit_sa(0)
        secy.install_receive_sa(PEER, 0, XPN_SAK, ssci=1)

    def test_reconfiguration(self, sender: SecY, receiver: SecY) -> None:
        for secy in (sender, receiver):
            before = secy.config
            with pytest.raises(SecYError, match=f"SCI {THIRD.hex()}, expected the SecY's own"):
                secy.configure(replace(before, sci=THIRD, mtu=1))
            with pytest.raises(
                SecYError, match="cipher suite GCM-AES-128, expected the SecY's own GCM-AES-256"
            ):
                secy.configure(replace(before, cipher="GCM-AES-128", mtu=1))
            assert secy.config == before
        with pytest.raises(SecYError, match="detect_duplicates changes while a receive SA is installed"):
            receiver.configure(replace(receiver.config, detect_duplicates=True, mtu=1))
        assert validated(receiver, *protected(sender, FRAME)) == [FRAME]
        receiver.remove_receive_sa(SCI, 0)
        receiver.configure(replace(receiver.config, detect_duplicates=True, replay_window=9))
        receiver.install_receive_sa(SCI, 0, SAK)
        [wire] = protected(sender, FRAME)
        assert validated(receiver, wire, wire) == [FRAME, Verdict.InPktsLate]
        sender.configure(replace(sender.config, detect_duplicates=True, mtu=20))
        assert sender.config.mtu == 20
        assert sent(sender, FRAME) == [Verdict.OutPktsTooLong]

    def test_counters_of_a_receive_sc(self, make_secy: SecYMaker, receiver: SecY) -> None:
        receiver.configure(replace(receiver.config, validate_frames=ValidateFrames.CHECK))
        receiver.install_receive_sa(THIRD, 1, OTHER_SAK)
        sender, third = make_secy(SecYConfig(SCI)), make_secy(SecYConfig(THIRD))
        sender.install_transmit_sa(0, SAK)
        [ok, broken] = protected(sender, FRAME, FRAME)
        third.install_transmit_sa(0, INTEGRITY_SAK)
        [unused] = protected(third, FRAME)
        third.install_transmit_sa(1, replace(OTHER_SAK, encrypt=False))
        [valid] = protected(third, FRAME)
        invalid = valid[:-1] + bytes([valid[-1] ^ 1])
        validated(receiver, ok, ok, broken[:-1] + bytes([broken[-1] ^ 1]), unused, invalid, valid)
        assert counted_of(receiver, SCI) == {"InPktsOK": 1, "InPktsLate": 1, "InPktsNotValid": 1}
        assert counted_of(receiver, THIRD) == {"InPktsUnusedSA": 1, "InPktsInvalid": 1, "InPktsOK": 1}
        assert tuple(receiver.channel_counters(SCI)) == CHANNEL_COUNTERS
        for name in CHANNEL_COUNTERS:
            of_both = receiver.channel_counters(SCI)[name] + receiver.channel_counters(THIRD)[name]
            assert counters_by_name(receiver.counters)[name] == of_both

        receiver.install_receive_sa(SCI, 1, OTHER_SAK)
        receiver.remove_receive_sa(SCI, 0)
        assert counted_of(receiver, SCI)["InPktsOK"] == 1
        receiver.remove_receive_sa(SCI, 1)
        with pytest.raises(SecYError, match=f"no receive SC has SCI {SCI.hex()}"):
            receiver.channel_counters(SCI)
        receiver.install_receive_sa(SCI, 0, SAK, 9)
        assert counted_of(receiver, SCI) == {}
        with pytest.raises(SecYError, match="SCI of 0 octets"):
            receiver.channel_counters(b"")

    def test_state_of_what_is_not_there(self, receiver: SecY) -> None:
        assert receiver.receive_state(SCI, 0) == ReceiveState(1, 1)
        for sci, an, message in (
            (SCI, 1, "no SA is installed under AN 1"),
            (THIRD, 0, "no SA is installed under AN 0"),
            (SCI, 4, "AN 4"),
            (b"", 0, "SCI of 0 octets"),
        ):
            with pytest.raises(SecYError, match=message):
                receiver.receive_state(sci, an)

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
        assert receiver.receive_state(SCI, 0) == ReceiveState(10, 10)
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
