"""Published frames: IEEE 802.1AE-2018 Annex C and what other implementations sent or expect."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dataplane.frames import FrameBatch
from dataplane.macsec.counters import Verdict, counters_by_name
from dataplane.macsec.secy import SecY, SecYConfig

SecYMaker = Callable[[SecYConfig], SecY]

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "macsec_frames.json").read_text())

FRAMES = [
    frame
    for frame in VECTORS["frames"]
    if (frame["suite"], frame["encrypted"], frame["sci_in_sectag"], frame["confidentiality_offset"])
    == ("GCM-AES-256", True, True, 0)
    and not frame.get("clear_tag_octets")
]
RECEIVED = [
    received
    for received in VECTORS["received"]
    if (received["suite"], received["validate_frames"], received["replay_protect"])
    == ("GCM-AES-256", "strict", True)
]


def test_no_vector_is_lost() -> None:
    assert [frame["name"] for frame in FRAMES] == [
        "802.1AE-2018 Annex C.6.2 GCM-AES-256 60B conf",
        "802.1AE-2018 Annex C.7.2 GCM-AES-256 61B conf",
    ]
    assert [received["name"] for received in RECEIVED] == ["replay DPDK anti-replay GCM-AES-128 window 32"]


def _octets(vector: dict[str, Any], name: str) -> bytes:
    return bytes.fromhex(vector[name])


@pytest.mark.parametrize("vector", FRAMES, ids=lambda vector: vector["name"])
def test_frame(make_secy: SecYMaker, vector: dict[str, Any]) -> None:
    sci, sak = _octets(vector, "sci"), _octets(vector, "key")
    secy = make_secy(SecYConfig(sci))
    secy.install_transmit_sa(vector["an"], sak, vector["pn"])
    secy.install_receive_sa(sci, vector["an"], sak, vector["pn"])
    batch = FrameBatch.from_frames([_octets(vector, "plaintext_frame")])
    secy.protect(batch)
    assert batch.frame(0) == _octets(vector, "protected_frame")
    secy.validate(batch)
    assert batch.frame(0) == _octets(vector, "plaintext_frame")
    assert batch.verdict.tolist() == [Verdict.InPktsOK]


@pytest.mark.parametrize("vector", RECEIVED, ids=lambda vector: vector["name"])
@pytest.mark.parametrize("at_once", [True, False])
def test_received(make_secy: SecYMaker, vector: dict[str, Any], at_once: bool) -> None:
    secy = make_secy(SecYConfig(_octets(vector, "sci"), replay_window=vector["replay_window"]))
    lowest_pn = max(1, vector["next_pn"] - vector["replay_window"])
    secy.install_receive_sa(_octets(vector, "sci"), vector["an"], _octets(vector, "key"), lowest_pn)
    frames = [bytes.fromhex(frame) for frame in vector["frames"]]
    batches = [FrameBatch.from_frames(frames)] if at_once else [FrameBatch.from_frames([f]) for f in frames]
    for batch in batches:
        secy.validate(batch)
    verdicts = [Verdict(verdict) for batch in batches for verdict in batch.verdict.tolist()]
    delivered = [frame for batch in batches for frame in batch.frames()]
    assert [verdict.name for verdict in verdicts] == vector["verdicts"]
    for verdict, frame, expected in zip(verdicts, delivered, vector["delivered"], strict=True):
        assert (frame.hex() if verdict.passes else None) == expected
    for name in set(vector["verdicts"]):
        assert counters_by_name(secy.counters)[name] == vector["verdicts"].count(name)
