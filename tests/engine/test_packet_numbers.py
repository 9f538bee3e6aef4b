"""Which packet numbers a link may use: reserved ahead for a given SAK, told of in time when they run out."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from dataplane.engine import Engine
from dataplane.interface import EngineEvent, LinkError, PendingEvent
from dataplane.links.specification import LinkSpecification, MacsecSpecification
from dataplane.macsec.ledger import Ledger
from dataplane.macsec.sak import Sak
from dataplane.macsec.suites import CIPHER_SUITES, GCM_AES_256
from tests.engine.bench import FRAME, attend_until, memory_ports, specification

BLOCK = 64
SAK, SALTED = Sak(bytes(range(32))), Sak(bytes(range(32)), bytes(range(12)))
PENDING_PN = 0xC000_0000


class Line:
    """An engine with the link ch1 over memory ports and a ledger of small blocks."""

    def __init__(self, folder: Path, macsec: MacsecSpecification, sak: Sak | None) -> None:
        self.events: list[EngineEvent] = []
        self.now_ns = 0
        self.engine = Engine(
            1,
            ledger=Ledger(folder / "ledger", BLOCK),
            on_event=self.events.append,
            now_ns=lambda: self.now_ns,
        )
        self.ports = memory_ports()
        try:
            self.engine.add_link(secured(macsec), sak, self.ports)
        except BaseException:
            self.engine.close()
            raise

    def cross(self, frames: int, end: int = 0) -> None:
        """So many frames arrive at the other end, while the engine's owner serves it as it does."""
        for _ in range(frames):
            self.ports[end].node.send(FRAME)
            assert self.ports[1 - end].node.recv(4096) == FRAME
            self.engine.attend()

    def attend_until(self, holds: Callable[[], object]) -> None:
        attend_until(self.engine, holds)

    def next_pns(self) -> list[int]:
        return [secy.next_pn for secy in self.engine.links()[0].secys]

    def last_pns(self) -> list[int]:
        return [secy.last_pn for secy in self.engine.links()[0].secys]

    def pending(self) -> list[str]:
        return [event.node for event in self.events if isinstance(event, PendingEvent)]


def secured(macsec: MacsecSpecification, name: str = "ch1") -> LinkSpecification:
    return replace(specification(name=name), macsec=macsec)


@contextmanager
def line(folder: Path, macsec: MacsecSpecification | None = None, sak: Sak | None = SAK) -> Iterator[Line]:
    made = Line(folder, macsec or MacsecSpecification(), sak)
    try:
        yield made
    finally:
        with suppress(LinkError):
            made.engine.remove_link("ch1")
        made.engine.close()


@pytest.mark.parametrize("cipher", [name.lower() for name in CIPHER_SUITES])
def test_the_next_engine_goes_on_where_the_one_before_ended(tmp_path: Path, cipher: str) -> None:
    macsec = MacsecSpecification(cipher)
    sak = Sak(bytes(16 if "128" in cipher else 32), SALTED.salt if "xpn" in cipher else b"")
    with line(tmp_path, macsec, sak) as first:
        first.cross(5, end=0)
        first.cross(2, end=1)
        assert first.next_pns() == [6, 3]
    with line(tmp_path, macsec, sak) as second:
        assert second.next_pns() == [6, 3]
        second.cross(1, end=0)
        second.cross(1, end=1)


def test_blocks_are_reserved_before_they_are_used_and_traffic_goes_on(tmp_path: Path) -> None:
    with line(tmp_path) as one:
        assert one.last_pns() == [BLOCK, BLOCK]
        one.cross(10 * BLOCK)
        next_pn, last_pn = one.next_pns()[0], one.last_pns()[0]
        assert next_pn == 10 * BLOCK + 1
        assert next_pn + BLOCK // 2 - 1 <= last_pn <= next_pn + 2 * BLOCK
        assert one.last_pns()[1] == BLOCK
    with line(tmp_path) as again:
        assert again.next_pns() == [10 * BLOCK + 1, 1]


def test_where_nothing_can_be_reserved_the_link_falls_silent_and_comes_back(tmp_path: Path) -> None:
    with line(tmp_path) as one:
        reservation = one.engine._links["ch1"].secys[0].numbers
        assert reservation is not None
        kept, reservation._descriptor = reservation._descriptor, -1
        for _ in range(BLOCK + 3):
            one.ports[0].node.send(FRAME)
        for _ in range(BLOCK):
            assert one.ports[1].node.recv(4096) == FRAME
        one.attend_until(lambda: not one.ports[0].carrier)
        assert one.next_pns()[0] == one.last_pns()[0] + 1 == BLOCK + 1
        reservation._descriptor = kept
        one.engine.attend()
        assert not one.ports[0].carrier
        again_ns = one.engine.next_deadline_ns()
        assert again_ns is not None
        one.now_ns = again_ns
        one.engine.attend()
        assert one.ports[0].carrier
        assert one.engine.next_deadline_ns() is None
        one.cross(1)


def test_a_sak_in_use_is_refused_to_another_engine_and_to_another_link(tmp_path: Path) -> None:
    with line(tmp_path) as one:
        with (
            pytest.raises(LinkError, match="link ch1: another link uses this SAK under the same SCI"),
            line(tmp_path),
        ):
            pass
        with pytest.raises(LinkError, match="link ch2: another link uses this SAK under the same SCI"):
            one.engine.add_link(secured(MacsecSpecification(), "ch2"), SAK, memory_ports())
        one.cross(1)
    with line(tmp_path) as two:
        two.cross(1)


def test_next_pn_is_taken_where_it_was_not_used_and_needed_without_a_ledger(tmp_path: Path) -> None:
    with line(tmp_path, MacsecSpecification(next_pn=1000)) as one:
        assert one.next_pns() == [1000, 1000]
        one.cross(1)
    with (
        pytest.raises(LinkError, match=r"next_pn 1000 may have been used .* expected 1001 or later"),
        line(tmp_path, MacsecSpecification(next_pn=1000)),
    ):
        pass
    with line(tmp_path, MacsecSpecification(next_pn=2**32 - 1)) as last:
        last.cross(1, end=0)
        last.cross(1, end=1)
    with pytest.raises(LinkError, match="may have used all its packet numbers"), line(tmp_path):
        pass
    nowhere = tmp_path / "file"
    nowhere.touch()
    with (
        pytest.raises(LinkError, match=r"Not a directory; without it a given SAK needs next_pn"),
        line(nowhere),
    ):
        pass
    with line(nowhere, MacsecSpecification(next_pn=7)) as known:
        assert known.next_pns() == [7, 7]
        known.cross(1)
    with line(nowhere, sak=None) as fresh:
        fresh.cross(1)


def test_a_disk_that_is_full_is_as_if_there_were_no_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with line(tmp_path, MacsecSpecification(next_pn=100)):
        pass

    def full(descriptor: int, data: bytes, at: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(LinkError, match=r"No space left on device; .* needs next_pn"), line(tmp_path):
        pass
    with (
        pytest.raises(LinkError, match="expected 100 or later"),
        line(tmp_path, MacsecSpecification(next_pn=99)),
    ):
        pass
    with line(tmp_path, MacsecSpecification(next_pn=200)) as known:
        known.cross(1)
    assert caplog.text.count("from packet number 200 on is not kept") == 2


def test_a_link_that_is_refused_takes_no_packet_number(tmp_path: Path) -> None:
    with line(tmp_path) as one:
        far_sci = bytes.fromhex(one.engine.links()[0].secys[1].sci)
    taken = Ledger(tmp_path / "ledger").open(GCM_AES_256, SAK, far_sci, None)
    with pytest.raises(LinkError, match="another link"), line(tmp_path, MacsecSpecification(next_pn=1000)):
        pass
    taken.close()
    with line(tmp_path, MacsecSpecification(next_pn=10)) as after:
        assert after.next_pns() == [10, 10]


def test_a_key_that_the_suite_cannot_have_leaves_nothing_in_the_ledger(tmp_path: Path) -> None:
    for macsec, sak in (
        (MacsecSpecification(), Sak(bytes(16))),
        (MacsecSpecification("gcm-aes-xpn-256"), SAK),
        (MacsecSpecification("gcm-aes-xpn-256", confidentiality_offset=30), SALTED),
        (MacsecSpecification(cipher_library="none"), SAK),
    ):
        with pytest.raises(LinkError, match="expected"), line(tmp_path, macsec, sak):
            pass
    with line(tmp_path) as after:
        assert after.next_pns() == [1, 1]


@pytest.mark.parametrize("sak", [None, SAK], ids=["fresh", "given"])
def test_a_key_that_should_be_replaced_is_told_once_for_each_end(tmp_path: Path, sak: Sak | None) -> None:
    with line(tmp_path, MacsecSpecification(next_pn=PENDING_PN - 3), sak) as one:
        one.cross(2)
        assert one.pending() == []
        one.cross(2 * BLOCK)
        assert one.pending() == ["a"]
        one.cross(5, end=1)
        one.attend_until(lambda: one.pending() == ["a", "b"])
        states = one.engine.links()[0].secys
        assert [secy.pending_since_ns for secy in states] == [
            event.t_ns for event in one.events if isinstance(event, PendingEvent)
        ]
