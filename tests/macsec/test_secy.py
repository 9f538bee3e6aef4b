"""Frame generation and verification (10.5, 10.6), each test on every implementation."""

import threading
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.frames import FrameBatch
from dataplane.macsec.counters import Verdict, counters_by_name
from dataplane.macsec.secy import PN_END, SecY, SecYConfig, SecYError

SecYMaker = Callable[[SecYConfig], SecY]

SCI = bytes.fromhex("0200000000010001")
PEER = bytes.fromhex("0200000000020001")
SAK = bytes(range(32))
OTHER_SAK = bytes(range(1, 33))
FRAME = bytes.fromhex("02000000000202000000000108000102") + bytes(range(60))

ethernet_frames = st.binary(min_size=14, max_size=200) | st.binary(min_size=1400, max_size=1600)


def protected(secy: SecY, *frames: bytes) -> list[bytes]:
    """What the SecY sends for these frames; it must send all."""
    batch = FrameBatch.from_frames(frames)
    secy.protect(batch)
    assert batch.verdict.tolist() == [Verdict.OutPktsEncrypted] * len(frames)
    return batch.frames()


def validated(secy: SecY, *frames: bytes) -> list[bytes | Verdict]:
    """What the SecY delivers for these frames, or why it does not."""
    batch = FrameBatch.from_frames(frames)
    secy.validate(batch)
    verdicts = [Verdict(verdict) for verdict in batch.verdict.tolist()]
    return [
        frame if verdict.passes else verdict for frame, verdict in zip(batch.frames(), verdicts, strict=True)
    ]


def counted(secy: SecY) -> dict[str, int]:
    """The counters that are not zero."""
    return {name: value for name, value in counters_by_name(secy.counters).items() if value}


@pytest.fixture
def sender(make_secy: SecYMaker) -> SecY:
    secy = make_secy(SecYConfig(SCI))
    secy.install_transmit_sa(0, SAK)
    return secy


@pytest.fixture
def receiver(make_secy: SecYMaker) -> SecY:
    secy = make_secy(SecYConfig(PEER))
    secy.install_receive_sa(SCI, 0, SAK)
    return secy


class TestProtect:
    def test_layout(self, sender: SecY) -> None:
        [frame] = protected(sender, FRAME)
        assert frame[:28] == FRAME[:12] + bytes.fromhex("88e52c0000000001") + SCI
        assert len(frame) == len(FRAME) + 32
        assert counted(sender) == {"OutPktsEncrypted": 1, "OutOctetsEncrypted": len(FRAME) - 12}

    def test_packet_numbers_count_up_across_batches(self, sender: SecY) -> None:
        frames = protected(sender, FRAME, FRAME) + protected(sender, FRAME)
        assert [int.from_bytes(frame[16:20]) for frame in frames] == [1, 2, 3]
        assert sender.next_pn == 4

    @pytest.mark.parametrize(("octets", "short_length"), [(2, 2), (47, 47), (48, 0), (49, 0)])
    def test_short_length(self, sender: SecY, octets: int, short_length: int) -> None:
        assert protected(sender, FRAME[: 12 + octets])[0][15] == short_length

    def test_a_frame_that_is_none_takes_no_packet_number(self, sender: SecY) -> None:
        batch = FrameBatch.from_frames([FRAME[:13], b"", FRAME[:14]])
        sender.protect(batch)
        expected = [Verdict.OutDiscardsTooShort, Verdict.OutDiscardsTooShort, Verdict.OutPktsEncrypted]
        assert batch.verdict.tolist() == expected
        assert batch.frames()[:2] == [FRAME[:13], b""]
        assert sender.next_pn == 2

    @pytest.mark.parametrize(
        ("headroom", "tailroom", "fits"), [(16, 16, True), (15, 16, False), (16, 15, False)]
    )
    def test_room_in_the_arena(self, sender: SecY, headroom: int, tailroom: int, fits: bool) -> None:
        batch = FrameBatch.from_frames([FRAME], headroom, tailroom)
        batch.arena = batch.arena[: headroom + len(FRAME) + tailroom].copy()
        sender.protect(batch)
        assert batch.verdict.tolist() == [Verdict.OutPktsEncrypted if fits else Verdict.NoRoom]
        assert bool(counted(sender)) is fits
        assert fits or batch.frames() == [FRAME]

    def test_no_transmit_sa(self, make_secy: SecYMaker) -> None:
        secy = make_secy(SecYConfig(SCI))
        batch = FrameBatch.from_frames([FRAME])
        secy.protect(batch)
        assert batch.verdict.tolist() == [Verdict.OutDiscardsNoTransmitSA]
        assert batch.frames() == [FRAME]
        assert (secy.operational, secy.encoding_sa, secy.next_pn) == (False, None, 0)
        assert counted(secy) == {"OutDiscardsNoTransmitSA": 1}

    def test_exhaustion_is_silent(self, sender: SecY) -> None:
        sender.install_transmit_sa(0, SAK, PN_END - 2)
        batch = FrameBatch.from_frames([FRAME] * 4)
        assert sender.operational
        sender.protect(batch)
        sent, discarded = [Verdict.OutPktsEncrypted] * 2, [Verdict.OutDiscardsNoTransmitSA] * 2
        assert batch.verdict.tolist() == sent + discarded
        assert [frame[16:20].hex() for frame in batch.frames()[:2]] == ["fffffffe", "ffffffff"]
        assert batch.frames()[2:] == [FRAME, FRAME]
        assert (sender.operational, sender.encoding_sa, sender.next_pn) == (False, 0, PN_END)
        with pytest.raises(SecYError, match="used before"):
            sender.install_transmit_sa(1, SAK, PN_END - 1)
        sender.install_transmit_sa(1, OTHER_SAK)
        assert sender.operational
        assert protected(sender, FRAME)[0][14] & 3 == 1

    def test_the_sa_installed_last_is_used(self, sender: SecY) -> None:
        sender.install_transmit_sa(3, OTHER_SAK, 77)
        assert (sender.encoding_sa, sender.next_pn) == (3, 77)
        assert protected(sender, FRAME)[0][14:20].hex() == "2f000000004d"
        sender.remove_transmit_sa(0)
        assert sender.operational
        sender.remove_transmit_sa(3)
        assert (sender.operational, sender.encoding_sa, sender.next_pn) == (False, None, 0)

    def test_threads_share_no_packet_number(self, sender: SecY) -> None:
        batches = [FrameBatch.from_frames([FRAME] * 8) for _ in range(32)]

        def protect_every_fourth(first: int) -> None:
            for batch in batches[first::4]:
                sender.protect(batch)

        threads = [threading.Thread(target=protect_every_fourth, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        numbers = [int.from_bytes(frame[16:20]) for batch in batches for frame in batch.frames()]
        assert sorted(numbers) == list(range(1, 32 * 8 + 1))


class TestValidate:
    @settings(max_examples=50)
    @given(
        frames=st.lists(ethernet_frames, max_size=5), an=st.integers(0, 3), window=st.integers(0, 2**32 - 1)
    )
    def test_round_trip(self, make_secy: SecYMaker, frames: list[bytes], an: int, window: int) -> None:
        secy = make_secy(SecYConfig(SCI, replay_window=window))
        secy.install_transmit_sa(an, SAK)
        secy.install_receive_sa(SCI, an, SAK)
        assert validated(secy, *protected(secy, *frames)) == frames
        octets = sum(len(frame) - 12 for frame in frames)
        names = ("OutPktsEncrypted", "OutOctetsEncrypted", "InPktsOK", "InOctetsDecrypted")
        assert [counters_by_name(secy.counters)[name] for name in names] == [len(frames), octets] * 2

    @pytest.mark.parametrize("octets", range(14, 70))
    def test_padding_behind_the_icv_is_cut(self, sender: SecY, receiver: SecY, octets: int) -> None:
        frame = FRAME[:octets]
        [wire] = protected(sender, frame)
        padded = wire.ljust(80, b"\xa5") if octets < 60 else wire
        assert validated(receiver, padded) == [frame]

    @pytest.mark.parametrize("octets", range(14, 70))
    def test_the_last_octet_missing(self, sender: SecY, receiver: SecY, octets: int) -> None:
        [wire] = protected(sender, FRAME[:octets])
        expected = Verdict.InPktsBadTag if octets - 12 <= 48 else Verdict.InPktsNotValid
        assert validated(receiver, wire[:-1]) == [expected]

    def test_padding_of_48_octets_and_more_belongs_to_the_secure_data(
        self, sender: SecY, receiver: SecY
    ) -> None:
        [wire] = protected(sender, FRAME[:60])
        assert validated(receiver, wire + b"\0") == [Verdict.InPktsNotValid]

    @settings(max_examples=100)
    @given(frame=ethernet_frames, data=st.data())
    def test_any_flipped_bit_is_refused(
        self, make_secy: SecYMaker, frame: bytes, data: st.DataObject
    ) -> None:
        secy = make_secy(SecYConfig(SCI))
        secy.install_transmit_sa(0, SAK)
        secy.install_receive_sa(SCI, 0, SAK)
        [wire] = protected(secy, frame)
        bit = data.draw(st.integers(0, 8 * len(wire) - 1))
        flipped = bytearray(wire)
        flipped[bit // 8] ^= 1 << bit % 8
        [refused] = validated(secy, bytes(flipped))
        assert isinstance(refused, Verdict)
        assert validated(secy, wire) == [frame], "a frame that is not valid moves no mark"

    @pytest.mark.parametrize(
        ("at", "octets", "verdict"),
        [
            (0, "03", Verdict.InPktsNotValid),
            (12, "0800", Verdict.InPktsNoTag),
            (12, "88e6", Verdict.InPktsNoTag),
            (14, "ac", Verdict.InPktsBadTag),
            (14, "6c", Verdict.InPktsBadTag),
            (14, "3c", Verdict.InPktsBadTag),
            (14, "28", Verdict.InDiscardsKaY),
            (14, "24", Verdict.InPktsNotValid),
            (14, "20", Verdict.InPktsNotValid),
            (14, "2d", Verdict.InPktsNoSAError),
            (14, "0c", Verdict.InPktsNoSAError),
            (14, "4c", Verdict.InPktsNoSAError),
            (15, "30", Verdict.InPktsBadTag),
            (15, "40", Verdict.InPktsBadTag),
            (15, "80", Verdict.InPktsBadTag),
            (15, "2f", Verdict.InPktsNotValid),
            (16, "00000000", Verdict.InPktsBadTag),
            (16, "00000002", Verdict.InPktsNotValid),
            (20, "0200000000020001", Verdict.InPktsNoSAError),
            (20, "ffffffffffffffff", Verdict.InPktsNoSAError),
            (-1, "00", Verdict.InPktsNotValid),
        ],
    )
    def test_the_counter_of_figure_10_4(
        self, sender: SecY, receiver: SecY, at: int, octets: str, verdict: Verdict
    ) -> None:
        [wire] = protected(sender, FRAME)
        start, patch = at % len(wire), bytes.fromhex(octets)
        changed = wire[:start] + patch + wire[start + len(patch) :]
        assert changed != wire
        assert validated(receiver, changed) == [verdict]
        validation = {
            Verdict.InPktsNotValid: {"InOctetsDecrypted": 47 if octets == "2f" else len(FRAME) - 12}
        }
        if octets in ("20", "24"):
            validation = {Verdict.InPktsNotValid: {"InOctetsValidated": len(FRAME) - 12}}
        assert counted(receiver) == {verdict.name: 1, **validation.get(verdict, {})}

    @pytest.mark.parametrize("octets", range(29))
    def test_a_frame_cut_short(self, sender: SecY, receiver: SecY, octets: int) -> None:
        [wire] = protected(sender, FRAME)
        expected = Verdict.InDiscardsTooShort if octets < 14 else Verdict.InPktsBadTag
        assert validated(receiver, wire[:octets]) == [expected]
        assert counted(receiver) == {expected.name: 1}

    def test_a_wrong_key(self, sender: SecY, make_secy: SecYMaker) -> None:
        receiver = make_secy(SecYConfig(PEER))
        receiver.install_receive_sa(SCI, 0, OTHER_SAK)
        [wire] = protected(sender, FRAME)
        assert validated(receiver, wire) == [Verdict.InPktsNotValid]

    def test_what_failed_is_not_left_in_clear(self, sender: SecY, receiver: SecY) -> None:
        [wire] = protected(sender, FRAME)
        batch = FrameBatch.from_frames([wire[:-1] + bytes([wire[-1] ^ 1])])
        receiver.validate(batch)
        assert batch.verdict.tolist() == [Verdict.InPktsNotValid]
        assert batch.length.tolist() == [len(wire)]
        left = batch.frame(0)[28:]
        assert all(FRAME[at : at + 4] not in left for at in range(12, len(FRAME) - 3))

    @pytest.mark.parametrize(
        ("window", "lowest_pn", "arriving", "late"),
        [
            (0, 1, [1, 2, 3, 5, 4], [4]),
            (0, 1, [1, 1], [1]),
            (0, 5, [4, 5, 6], [4]),
            (32, 1, [2, 75, 50, 3], [3]),
            (0, 1, [2, 75, 50, 3], [50, 3]),
            (32, 1, [75, 44, 43], [43]),
            (1, 1, [10, 10, 9], [9]),
            (64, 1, [64, 1, 65, 1, 66, 2], [1, 2]),
            (100, 50, [60, 49], [49]),
            (20, 50, [60, 45], [45]),
            (20, 50, [60, 80, 59, 61], [59]),
            (5, 1, [20, 18, 16, 15], [15]),
            (2**32 - 1, 1, [2**32 - 1, 1], []),
            (2**32 - 2, 1, [2**32 - 1, 1], [1]),
            (0, 1, [2**32 - 1, 2**32 - 1], [2**32 - 1]),
        ],
    )
    def test_replay(
        self, make_secy: SecYMaker, window: int, lowest_pn: int, arriving: list[int], late: list[int]
    ) -> None:
        """The last of equal numbers is the late one; inside the window the standard accepts repetition."""
        wires = []
        for pn in arriving:
            sender = make_secy(SecYConfig(SCI))
            sender.install_transmit_sa(0, SAK, pn)
            wires += protected(sender, FRAME)
        receiver = make_secy(SecYConfig(PEER, replay_window=window))
        receiver.install_receive_sa(SCI, 0, SAK, lowest_pn)
        results = validated(receiver, *wires)
        assert [
            pn for pn, result in zip(arriving, results, strict=True) if result == Verdict.InPktsLate
        ] == late
        assert results.count(FRAME) == len(arriving) - len(late)
        assert counted(receiver).get("InPktsLate", 0) == len(late)
        assert counted(receiver)["InOctetsDecrypted"] == (len(FRAME) - 12) * (len(arriving) - len(late))

    def test_old_and_new_sa_interleave(self, sender: SecY, receiver: SecY) -> None:
        receiver.install_receive_sa(SCI, 1, OTHER_SAK)
        old = protected(sender, FRAME, FRAME)
        sender.install_transmit_sa(1, OTHER_SAK)
        new = protected(sender, FRAME, FRAME)
        assert validated(receiver, old[0], new[0], old[1], new[1]) == [FRAME] * 4
        receiver.remove_receive_sa(SCI, 0)
        assert validated(receiver, old[0], *protected(sender, FRAME)) == [Verdict.InPktsNoSAError, FRAME]

    def test_eight_peers(self, make_secy: SecYMaker) -> None:
        receiver = make_secy(SecYConfig(PEER))
        peers = [bytes([2, 0, 0, 0, 1, i, 0, 1]) for i in range(9)]
        wires = []
        for i, peer in enumerate(peers):
            sak = bytes([i]) * 32
            sender = make_secy(SecYConfig(peer))
            sender.install_transmit_sa(2, sak)
            wires += protected(sender, FRAME)
            if i < 8:
                receiver.install_receive_sa(peer, 2, sak)
        with pytest.raises(SecYError, match="8 receive SCs are installed"):
            receiver.install_receive_sa(peers[8], 2, SAK)
        receiver.install_receive_sa(peers[7], 3, SAK)
        assert validated(receiver, *wires) == [FRAME] * 8 + [Verdict.InPktsNoSAError]
        receiver.remove_receive_sa(peers[0], 2)
        receiver.install_receive_sa(peers[8], 2, bytes([8]) * 32)
        assert validated(receiver, wires[0], wires[8]) == [Verdict.InPktsNoSAError, FRAME]
