"""Published frames: IEEE 802.1AE-2018 Annex C and what other implementations sent or expect."""

import json
from pathlib import Path
from typing import Any

import pytest

from dataplane.frames import FrameBatch
from dataplane.macsec.counters import Verdict, counters_by_name
from dataplane.macsec.sak import Sak
from dataplane.macsec.secy import SecYConfig, ValidateFrames
from tests.macsec.traffic import PEER, SecYMaker, counted

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "macsec_frames.json").read_text())


def test_no_vector_is_lost() -> None:
    assert (len(VECTORS["frames"]), len(VECTORS["received"])) == (34, 6)


def _octets(vector: dict[str, Any], name: str) -> bytes:
    return bytes.fromhex(vector.get(name, ""))


def _sak(vector: dict[str, Any]) -> Sak:
    return Sak(
        _octets(vector, "key"),
        salt=_octets(vector, "salt"),
        encrypt=vector.get("encrypted", True),
        confidentiality_offset=vector.get("confidentiality_offset", 0),
    )


def _ssci(vector: dict[str, Any]) -> int | None:
    return int(vector["ssci"], 16) if "ssci" in vector else None


@pytest.mark.parametrize("vector", VECTORS["frames"], ids=lambda vector: vector["name"])
def test_frame(make_secy: SecYMaker, vector: dict[str, Any]) -> None:
    sci, an, pn = _octets(vector, "sci"), vector["an"], vector["pn"]
    clear_tags = vector.get("clear_tag_octets", 0) // 4
    sender = make_secy(
        SecYConfig(
            sci,
            vector["suite"],
            always_include_sci=vector["sci_in_sectag"],
            use_es=vector["es"],
            use_scb=vector["scb"],
            clear_tags=clear_tags,
        )
    )
    sender.install_transmit_sa(an, _sak(vector), pn, _ssci(vector))
    receiver = make_secy(SecYConfig(PEER, vector["suite"], clear_tags=clear_tags))
    receiver.install_receive_sa(sci, an, _sak(vector), pn, _ssci(vector))

    batch = FrameBatch.from_frames([_octets(vector, "plaintext_frame")])
    sender.protect(batch)
    assert batch.frame(0).hex() == vector["protected_frame"]
    receiver.validate(batch)
    assert batch.frame(0).hex() == vector["plaintext_frame"]
    octets = len(_octets(vector, "plaintext_frame")) - 12 - 4 * clear_tags
    kind, checked = ("Encrypted", "Decrypted") if vector["encrypted"] else ("Protected", "Validated")
    assert counted(sender) == {f"OutPkts{kind}": 1, f"OutOctets{kind}": octets}
    assert counted(receiver) == {"InPktsOK": 1, f"InOctets{checked}": octets}


@pytest.mark.parametrize("vector", VECTORS["received"], ids=lambda vector: vector["name"])
@pytest.mark.parametrize("at_once", [True, False])
def test_received(make_secy: SecYMaker, vector: dict[str, Any], at_once: bool) -> None:
    secy = make_secy(
        SecYConfig(
            PEER,
            vector["suite"],
            validate_frames=ValidateFrames(vector["validate_frames"]),
            replay_protect=vector["replay_protect"],
            replay_window=vector["replay_window"],
        )
    )
    lowest_pn = max(1, vector["next_pn"] - vector["replay_window"]) if vector["replay_protect"] else 1
    secy.install_receive_sa(_octets(vector, "sci"), vector["an"], _sak(vector), lowest_pn, _ssci(vector))
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
