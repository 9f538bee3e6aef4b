"""The packet-number ledger: whatever ends an engine, and when, no packet number of a SAK comes twice."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.macsec.ledger import Ledger, LedgerError, LedgerUnusable
from dataplane.macsec.sak import Sak
from dataplane.macsec.suites import GCM_AES_256, GCM_AES_XPN_256

BLOCK = 100
SCI = bytes.fromhex("0200000000010001")
KEY = bytes(range(32))
SAK, SALTED = Sak(KEY), Sak(KEY, bytes(range(12)))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "made" / "ledger", BLOCK)


def test_what_an_orderly_end_gives_back_comes_next(ledger: Ledger) -> None:
    numbers = ledger.open(GCM_AES_256, SAK, SCI, None)
    assert numbers.reserved_pn == 1
    numbers.reserve(1)
    assert (numbers.reserved_pn, numbers.half_used_pn) == (BLOCK + 1, BLOCK // 2 + 1)
    numbers.reserve(numbers.reserved_pn)
    numbers.give_back(137)
    again = ledger.open(GCM_AES_256, SAK, SCI, None)
    assert again.reserved_pn == 137
    again.close()


def test_what_was_reserved_when_an_engine_died_is_not_used_again(ledger: Ledger) -> None:
    numbers = ledger.open(GCM_AES_256, SAK, SCI, None)
    numbers.reserve(7)
    numbers.close()  # as the kernel does it
    again = ledger.open(GCM_AES_256, SAK, SCI, None)
    assert again.reserved_pn == BLOCK + 7
    again.close()


def test_two_engines_cannot_have_one_sak_and_sci_and_can_have_two(ledger: Ledger) -> None:
    numbers = ledger.open(GCM_AES_256, SAK, SCI, None)
    with pytest.raises(LedgerError, match="another link uses this SAK under the same SCI"):
        ledger.open(GCM_AES_256, SAK, SCI, None)
    for sak, sci in ((SAK, bytes(8)), (Sak(bytes(32)), SCI)):
        other = ledger.open(GCM_AES_256, sak, sci, None)
        assert other.reserved_pn == 1
        other.close()
    numbers.close()


def test_a_salt_goes_with_its_ssci_and_another_that_could_make_the_same_nonces_is_refused(
    ledger: Ledger,
) -> None:
    numbers = ledger.open(GCM_AES_XPN_256, SALTED, SCI, 1)
    numbers.reserve(1)
    numbers.give_back(5)
    other_sci = ledger.open(GCM_AES_XPN_256, SALTED, bytes(8), 1)
    assert other_sci.reserved_pn == 5, "the nonce of an XPN suite has no SCI"
    other_sci.close()
    rest = Sak(KEY, SALTED.salt[:4] + bytes(8))
    with pytest.raises(LedgerError, match="another salt"):
        ledger.open(GCM_AES_XPN_256, rest, SCI, 1)
    # SSCI 1 under one salt and 2 under another are the same four octets of the nonce.
    same = Sak(KEY, bytes([SALTED.salt[0], SALTED.salt[1], SALTED.salt[2], SALTED.salt[3] ^ 3]) + bytes(8))
    with pytest.raises(LedgerError, match="another salt"):
        ledger.open(GCM_AES_XPN_256, same, SCI, 2)
    fresh = ledger.open(GCM_AES_XPN_256, SALTED, SCI, 2)
    assert fresh.reserved_pn == 1
    fresh.close()


def test_a_block_ends_with_the_packet_numbers_of_the_suite(ledger: Ledger) -> None:
    for suite, sak, ssci in ((GCM_AES_256, SAK, None), (GCM_AES_XPN_256, SALTED, 1)):
        numbers = ledger.open(suite, sak, SCI, ssci)
        numbers.reserve(suite.pn_end - 10)
        assert numbers.reserved_pn == suite.pn_end
        numbers.close()


@pytest.mark.parametrize("torn", [b"9", b"999 ", b"999 -", b"99\0\0\0"])
def test_a_line_that_was_not_written_to_its_end_does_not_count(
    ledger: Ledger, tmp_path: Path, torn: bytes
) -> None:
    numbers = ledger.open(GCM_AES_256, SAK, SCI, None)
    numbers.reserve(1)
    numbers.close()
    with only_file(tmp_path).open("ab") as file:
        file.write(torn)
    numbers = ledger.open(GCM_AES_256, SAK, SCI, None)
    assert numbers.reserved_pn == BLOCK + 1
    numbers.give_back(3)
    again = ledger.open(GCM_AES_256, SAK, SCI, None)
    assert again.reserved_pn == 3
    again.close()


@pytest.mark.parametrize("damaged", [b"-5 -\n", b"0 -\n", b"101 -\x0b", b"\n", b"101 -\nlost", b"101 -\n\n"])
def test_a_file_that_says_nothing_is_refused_and_left_as_it_is(
    ledger: Ledger, tmp_path: Path, damaged: bytes
) -> None:
    ledger.open(GCM_AES_256, SAK, SCI, None).close()
    only_file(tmp_path).write_bytes(damaged)
    with pytest.raises(LedgerError, match=r"is damaged: remove it, and never use its SAK again"):
        ledger.open(GCM_AES_256, SAK, SCI, None)
    assert only_file(tmp_path).read_bytes() == damaged


def test_nobody_else_may_enter_and_nothing_tells_the_key(ledger: Ledger, tmp_path: Path) -> None:
    numbers = ledger.open(GCM_AES_256, SAK, SCI, None)
    numbers.reserve(1)
    file = only_file(tmp_path)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    told = f"{file} {file.read_text()}"
    assert not any(KEY[at : at + 4].hex() in told for at in range(len(KEY) - 3))
    assert SCI.hex() not in told
    numbers.close()


def test_a_directory_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "linked").symlink_to(tmp_path / "gone" / "away")
    for name, why in (
        ("file/ledger", "Not a directory"),
        ("open", "is open to others"),
        ("linked", "exists"),
    ):
        with pytest.raises(LedgerUnusable, match=rf"the packet-number ledger \S+ .*{why}"):
            Ledger(tmp_path / name).open(GCM_AES_256, SAK, SCI, None)


def test_a_full_disk_gives_no_packet_numbers_and_loses_none(ledger: Ledger, tmp_path: Path) -> None:
    numbers = ledger.open(GCM_AES_256, SAK, SCI, None)
    numbers.reserve(1)
    full = os.open("/dev/full", os.O_RDWR)
    kept = os.dup(numbers._descriptor)
    os.dup2(full, numbers._descriptor)
    with pytest.raises(LedgerUnusable):
        numbers.reserve(numbers.reserved_pn)
    assert numbers.reserved_pn == BLOCK + 1
    os.dup2(kept, numbers._descriptor)
    numbers.reserve(numbers.reserved_pn)
    numbers.close()
    os.close(full)
    os.close(kept)
    again = ledger.open(GCM_AES_256, SAK, SCI, None)
    assert again.reserved_pn == 2 * BLOCK + 1
    again.close()


lives = st.lists(st.tuples(st.integers(0, 3 * BLOCK), st.booleans()), max_size=6)


@settings(max_examples=25, deadline=None)
@given(lives)
def test_over_any_lives_of_engines_no_packet_number_comes_twice(
    tmp_path_factory: pytest.TempPathFactory, lives: list[tuple[int, bool]]
) -> None:
    """Each life sends so many frames, as an engine does, and ends orderly or not."""
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "made", BLOCK)
    last_used = 0
    for frames, orderly in lives:
        numbers = ledger.open(GCM_AES_256, SAK, SCI, None)
        next_pn = numbers.reserved_pn
        assert next_pn > last_used
        numbers.reserve(next_pn)
        for _ in range(frames):
            if next_pn >= numbers.half_used_pn:
                numbers.reserve(numbers.reserved_pn)
            assert next_pn < numbers.reserved_pn
            last_used, next_pn = next_pn, next_pn + 1
        if orderly:
            numbers.give_back(next_pn)
        else:
            numbers.close()


def only_file(folder: Path) -> Path:
    (file,) = (path for path in folder.rglob("*") if path.is_file())
    return file
