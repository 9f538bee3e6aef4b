"""A link with a given SAK: the same wire at every up, never the same packet number, the key in no process."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dataplane.macsec.ledger import Ledger
from dataplane.macsec.sak import Sak
from tests.lab.harness import Lab, quadlink
from tests.lab.two_hosts import DATAGRAMS, cross, up
from tests.waiting import eventually

pytestmark = pytest.mark.lab

LINK = "ch1"


@pytest.fixture(scope="module")
def sak() -> Sak:
    """Fresh, so that no two runs of this test meet in the ledger."""
    return Sak(os.urandom(32))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, sak: Sak) -> Iterator[Path]:
    """Where the topology goes; the lab and what the ledger knows of the key go at the end."""
    path = tmp_path_factory.mktemp("given") / f"k{os.getpid()}.yaml"
    scis: set[bytes] = set()
    try:
        lab = up(path, {LINK: settings(sak)})
        scis = {bytes.fromhex(end.mac.replace(":", "")) + b"\0\1" for end in lab.plan.link(LINK).ends}
        yield path
    finally:
        quadlink("down", "--name", path.stem)
        for sci in scis:
            Ledger().file(sak, sci, None).unlink()


def settings(sak: Sak, replay_window: int = 64) -> str:
    return f'{{sak: "{sak.key.hex()}", replay_window: {replay_window}}}'


def used(lab: Lab) -> dict[str, tuple[int, int]]:
    """By SCI the first packet number of each SecY's life and the next one."""
    seen: list[Any] = [None]

    def quiet() -> bool:
        """No frame came between two looks, nor in the middle of one."""
        seen.append(lab.json("inspect", "macsec")["secys"])
        return bool(seen[-2] == seen[-1])

    eventually(quiet)
    return {
        secy["sci"]: (secy["next_pn"] - secy["counters"]["OutPktsEncrypted"], secy["next_pn"])
        for secy in seen[-1]
    }


def memory_of(pid: int) -> bytes:
    """All that a process has in memory and may write to."""
    pieces = []
    with Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            with suppress(OSError):
                if match is not None:
                    first, end = (int(text, 16) for text in match.groups())
                    memory.seek(first)
                    pieces.append(memory.read(end - first))
    return b"".join(pieces)


def test_no_process_but_the_engine_and_no_file_of_the_lab_has_the_key(path: Path, sak: Sak) -> None:
    lab = up(path, {LINK: settings(sak)})
    pids = lab.json("inspect", "links")["pids"]
    told = [memory_of(pids[name]) for name in ("guard", "controller")]
    assert all(len(octets) > 1 << 20 for octets in told)
    told += [file.read_bytes() for file in lab.directory.path.rglob("*") if file.is_file()]
    told += [lab.run("inspect", topic, "--format", "json").stdout.encode() for topic in ("links", "macsec")]
    for octets in told:
        assert sak.key not in octets
        assert sak.key.hex().encode() not in octets


def test_packet_numbers_go_on_over_changes_and_lives_of_a_lab(path: Path, sak: Sak) -> None:
    lives = []
    for replay_window, fresh in ((64, False), (32, False), (32, True)):
        if fresh:
            quadlink("down", "--name", path.stem)
        lab = up(path, {LINK: settings(sak, replay_window)})
        assert cross(lab, LINK) == DATAGRAMS
        lives.append(used(lab))
    assert all(life.keys() == lives[0].keys() for life in lives), "the wire has the same SCIs each time"
    for before, after in pairwise(lives):
        for sci, (first_pn, _) in after.items():
            assert first_pn >= before[sci][1]
