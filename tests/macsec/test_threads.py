"""A SecY that several threads use at once spends every packet number once."""

import threading
from collections import Counter
from collections.abc import Callable

from dataplane.frames import FrameBatch
from dataplane.macsec.counters import Verdict, counters_by_name
from dataplane.macsec.secy import SecYConfig, SecYError
from tests.macsec.traffic import FRAME, OTHER_SAK, PEER, SAK, SCI, SecYMaker

THREADS = 4
BATCHES = 25
FRAMES = 40


def together(*works: Callable[[], None]) -> None:
    """Does all at the same time; raises what one of them raised."""
    failures: list[BaseException] = []
    start = threading.Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        start.wait()
        try:
            work()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def packet_number(wire: bytes) -> tuple[int, int]:
    """AN and PN of a frame."""
    return wire[14] & 3, int.from_bytes(wire[16:20])


def test_no_packet_number_is_spent_twice_or_lost(make_secy: SecYMaker) -> None:
    secy = make_secy(SecYConfig(SCI))
    secy.install_transmit_sa(0, SAK)
    sent: list[bytes] = []

    def send() -> None:
        for _ in range(BATCHES):
            batch = FrameBatch.from_frames([FRAME] * FRAMES)
            secy.protect(batch)
            sent.extend(batch.frames())

    together(*[send] * THREADS)
    total = THREADS * BATCHES * FRAMES
    assert sorted(packet_number(wire)[1] for wire in sent) == list(range(1, total + 1))
    assert counters_by_name(secy.counters)["OutPktsEncrypted"] == total

    receiver = make_secy(SecYConfig(PEER, replay_window=total))
    receiver.install_receive_sa(SCI, 0, SAK)
    batch = FrameBatch.from_frames(sent)
    receiver.validate(batch)
    assert set(batch.verdict.tolist()) == {Verdict.InPktsOK}


def test_rollovers_meanwhile_spend_none_twice(make_secy: SecYMaker) -> None:
    """Each SAK keeps its AN, so that the wire tells which one protected a frame."""
    secy = make_secy(SecYConfig(SCI))
    saks = SAK, OTHER_SAK
    for an, sak in enumerate(saks):
        secy.install_transmit_sa(an, sak)
    sent: list[bytes] = []
    ended: list[None] = []

    def send() -> None:
        try:
            for _ in range(BATCHES):
                batch = FrameBatch.from_frames([FRAME] * FRAMES)
                secy.protect(batch)
                passed = zip(batch.frames(), batch.verdict.tolist(), strict=True)
                sent.extend(frame for frame, verdict in passed if Verdict(verdict).passes)
        finally:
            ended.append(None)

    def roll_over() -> None:
        next_pn = [1, 1]
        while len(ended) < THREADS:
            for an, sak in enumerate(saks):
                secy.remove_transmit_sa(an)
                while True:
                    try:
                        secy.install_transmit_sa(an, sak, next_pn[an])
                        break
                    except SecYError:  # this number was spent
                        next_pn[an] += FRAMES // 2

    together(*[send] * THREADS, roll_over)
    assert [number for number, times in Counter(map(packet_number, sent)).items() if times > 1] == []
    assert len(sent) == counters_by_name(secy.counters)["OutPktsEncrypted"] > 0
