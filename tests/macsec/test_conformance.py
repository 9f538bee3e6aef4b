"""The vector runner: the published frames pass on every SecY, and what is not as a vector has it is told."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from netns_lab.macsec_conformance import Implementation, implementations, run_vectors
from netns_lab.macsec_vectors import FORMAT, parse_vectors

from dataplane.frames import FrameBatch
from dataplane.macsec.counters import SLOTS, Verdict
from dataplane.macsec.reference import ReferenceSecY
from dataplane.macsec.secy import SecYError
from tests.macsec.vector_making import PLAINTEXT, VLAN_TAGS, Vector, protected, received_vector, sent_vector

PUBLISHED = json.loads((Path(__file__).parent.parent / "vectors" / "macsec_frames.json").read_text())
EVERY = implementations("all", "auto")


@pytest.fixture(params=EVERY, ids=[each.name for each in EVERY])
def implementation(request: pytest.FixtureRequest) -> Implementation:
    found: Implementation = request.param
    return found


def _published(part: str) -> Vector:
    """A copy of the one published vector with this in its name."""
    (found,) = (each for each in PUBLISHED["frames"] + PUBLISHED["received"] if part in each["name"])
    return copy.deepcopy(found)


def _differences(vector: Vector, implementation: Implementation) -> tuple[str, ...]:
    """What this implementation does otherwise."""
    listed = "received" if "verdicts" in vector else "frames"
    vectors = parse_vectors(json.dumps({"format": FORMAT, listed: [vector]}))
    (result,) = run_vectors(vectors, [implementation])
    assert (result.list, result.vector) == (listed, vector["name"])
    return result.differences[implementation.name]


def test_the_published_frames_pass(implementation: Implementation) -> None:
    results = list(run_vectors(parse_vectors(json.dumps(PUBLISHED)), [implementation]))
    assert len(results) == 40
    assert {result.vector: result.summary for result in results if not result.passed} == {}


@pytest.mark.parametrize("place", [0, 6, 20, 23, 30, 60, 91])
def test_an_octet_that_differs_is_told(implementation: Implementation, place: int) -> None:
    vector = _published("C.6.1")
    frame = bytearray.fromhex(vector["protected_frame"])
    frame[place] ^= 1
    told = _differences(vector | {"protected_frame": frame.hex()}, implementation)
    assert told[0] == f"sent frame octet {place} is {frame[place] ^ 1:02x}, expected {frame[place]:02x}"
    assert told[1].startswith("verdict is In")
    assert "delivered frame is missing" in told


@pytest.mark.parametrize(
    ("name", "changed", "told"),
    [
        ("C.5.1", {"plaintext_frame": "00" * 54}, "delivered frame octets 0 to 53 are e20106d7cd0df076..."),
        ("C.5.1", {"plaintext_frame": "00" * 53}, "delivered frame has 54 octets, expected 53"),
        ("C.5.1", {"scb": True}, "sent frame octets 14 to 77 are 5c2a76d457ed13b4..."),
        ("C.5.1", {"sci_in_sectag": True}, "sent frame has 86 octets, expected 78"),
        ("C.6.1", {"es": True, "sci_in_sectag": False}, "sent frame has 84 octets, expected 92"),
        ("C.1.1", {"key": "00" * 16}, "verdict is InPktsNotValid, expected InPktsOK"),
        ("C.1.1", {"pn": 1}, "sent frame octets 16 to 85 are 0000000112153524..."),
        ("C.1.1", {"sci": "12153524c0895e82"}, "sent frame octets 27 to 85 are 8208000f10111213..."),
        ("C.1.1", {"an": 1}, "InPktsNoSAError rises by 1, expected 0"),
        ("C.1.1", {"encrypted": True}, "sent frame octets 14 to 85 are 2e2ab2c284651215..."),
        ("C.1.3", {"pn": 2999092325}, "verdict is InPktsNotValid, expected InPktsOK"),
        ("C.1.3", {"ssci": "7a30c119"}, "verdict is InPktsNotValid, expected InPktsOK"),
        ("C.1.3", {"salt": "00" * 12}, "verdict is InPktsNotValid, expected InPktsOK"),
    ],
)
def test_a_parameter_of_the_published_frames_counts(
    implementation: Implementation, name: str, changed: Vector, told: str
) -> None:
    assert any(each.startswith(told) for each in _differences(_published(name) | changed, implementation))


@pytest.mark.parametrize(
    ("vector", "field", "other"),
    [
        (sent_vector(offset=30), "confidentiality_offset", 0),
        (sent_vector(offset=50), "confidentiality_offset", 30),
        (sent_vector(clear_tags=VLAN_TAGS), "clear_tag_octets", 4),
        (sent_vector(clear_tags=VLAN_TAGS[4:], offset=30), "clear_tag_octets", 0),
        (sent_vector(clear_tags=VLAN_TAGS[4:], encrypt=False), "encrypted", True),
        (sent_vector(tci=0), "sci_in_sectag", True),
        (sent_vector(tci=0, encrypt=False), "es", True),
        (sent_vector(tci=0x50, sci=bytes.fromhex("02000000000a0000")), "scb", False),
        (sent_vector(tci=0x10, sci=bytes.fromhex("0200000000990000")), "es", True),
    ],
)
def test_options_that_no_published_frame_has(
    implementation: Implementation, vector: Vector, field: str, other: object
) -> None:
    assert _differences(vector, implementation) == ()
    assert _differences(vector | {field: other}, implementation)


def _changed(frame: bytes, place: int, mask: int) -> bytes:
    return frame[:place] + bytes([frame[place] ^ mask]) + frame[place + 1 :]


BY_PN = {pn: protected(pn) for pn in range(1, 8)}
CLEAR = protected(1, encrypt=False)
CLEAR_BAD = _changed(CLEAR, -1 % len(CLEAR), 1)
KAY = _changed(BY_PN[1], 14, 0x04)
OK, LATE, DELAYED = "InPktsOK", "InPktsLate", "InPktsDelayed"
RECEIVED = {
    "window 0": received_vector((BY_PN[5], OK, PLAINTEXT), (BY_PN[5], LATE, None), next_pn=5),
    "below next_pn": received_vector((BY_PN[4], LATE, None), next_pn=5),
    "window": received_vector(
        (BY_PN[3], OK, PLAINTEXT),
        (BY_PN[2], LATE, None),
        (BY_PN[3], OK, PLAINTEXT),
        next_pn=5,
        replay_window=2,
    ),
    "no protection": received_vector(
        (BY_PN[3], OK, PLAINTEXT), (BY_PN[2], DELAYED, PLAINTEXT), replay_protect=False
    ),
    "no protection, next_pn ahead": received_vector(
        (BY_PN[3], OK, PLAINTEXT),
        (BY_PN[2], OK, PLAINTEXT),
        (BY_PN[5], OK, PLAINTEXT),
        (BY_PN[4], DELAYED, PLAINTEXT),
        replay_protect=False,
        next_pn=5,
    ),
    "disabled": received_vector(
        (CLEAR_BAD, "InPktsUnchecked", PLAINTEXT),
        (BY_PN[1], "InPktsNotValid", None),
        validate_frames="disabled",
    ),
    "check": received_vector(
        (CLEAR_BAD, "InPktsInvalid", PLAINTEXT),
        (_changed(BY_PN[1], 40, 1), "InPktsNotValid", None),
        (PLAINTEXT, "InPktsUntagged", PLAINTEXT),
        (_changed(CLEAR, 14, 0x01), "InPktsNoSA", PLAINTEXT),
        validate_frames="check",
    ),
    "strict": received_vector(
        (CLEAR_BAD, "InPktsNotValid", None),
        (PLAINTEXT, "InPktsNoTag", None),
        (_changed(CLEAR, 14, 0x01), "InPktsNoSAError", None),
        (b"", None, None),
        (KAY, None, None),
        (KAY, "InDiscardsKaY", None),
    ),
    "null": received_vector((CLEAR_BAD, None, CLEAR_BAD), validate_frames="null"),
    "offset": received_vector((protected(1, offset=30), OK, PLAINTEXT), confidentiality_offset=30),
    "clear tags": received_vector(
        (
            protected(1, clear_tags=VLAN_TAGS),
            OK,
            PLAINTEXT[:12] + VLAN_TAGS + PLAINTEXT[12:],
        ),
        clear_tag_octets=8,
    ),
}


@pytest.mark.parametrize("case", RECEIVED)
def test_received_frames_end_as_told(implementation: Implementation, case: str) -> None:
    assert _differences(RECEIVED[case], implementation) == ()


@pytest.mark.parametrize("case", RECEIVED)
def test_a_verdict_or_frame_that_is_not_so_is_told(implementation: Implementation, case: str) -> None:
    vector = copy.deepcopy(RECEIVED[case])
    for i, delivered in enumerate(vector["delivered"]):
        wrong = copy.deepcopy(vector)
        wrong["verdicts"][i] = "InPktsOverrun"
        told = _differences(wrong, implementation)
        assert told[0].startswith(f"frame {i}: verdict is In")
        assert told[0].endswith(", expected InPktsOverrun")
        assert f"frame {i}: InPktsOverrun rises by 0, expected 1" in told
        wrong = copy.deepcopy(vector)
        wrong["delivered"][i] = "00" if delivered is None else None
        missing = "is missing" if delivered is None else "is there, expected none"
        assert _differences(wrong, implementation) == (f"frame {i}: delivered frame {missing}",)


class _CountsTwice(ReferenceSecY):
    def validate(self, batch: FrameBatch) -> None:
        super().validate(batch)
        self.counters[SLOTS["InPktsLate"]] += np.uint64(1)


class _FailsAtOnce(ReferenceSecY):
    def validate(self, batch: FrameBatch) -> None:
        super().validate(batch)
        if len(batch) > 1:
            batch.verdict[1] = Verdict.InPktsBadTag


def test_a_counter_that_rises_besides_is_told() -> None:
    broken = Implementation("broken", "cryptography", _CountsTwice)
    assert _differences(_published("C.1.1"), broken) == ("InPktsLate rises by 1, expected 0",)
    assert _differences(RECEIVED["null"], broken) == ("frame 0: InPktsLate rises by 1, expected 0",)


def test_frames_are_also_fed_in_one_batch() -> None:
    broken = Implementation("broken", "cryptography", _FailsAtOnce)
    told = _differences(RECEIVED["no protection"], broken)
    assert told[0] == "in one batch: frame 1: verdict is InPktsBadTag, expected InPktsDelayed"


class _Refuses(ReferenceSecY):
    def install_receive_sa(self, *_: object, **__: object) -> None:
        raise SecYError("not today")


def test_a_refusal_is_told_and_an_unknown_library_is_one() -> None:
    broken = Implementation("broken", "cryptography", _Refuses)
    assert _differences(sent_vector(), broken) == ("refuses the vector's parameters: not today",)
    with pytest.raises(SecYError, match="cipher library none is not usable here, expected "):
        implementations("native", "none")


def test_a_summary_names_who_differs() -> None:
    right, wrong = EVERY[-1], Implementation("broken", "cryptography", _CountsTwice)
    vectors = parse_vectors(json.dumps({"format": FORMAT, "frames": [sent_vector()]}))
    (result,) = run_vectors(vectors, [right, wrong])
    assert result.summary == "broken/cryptography: InPktsLate rises by 1, expected 0"
    (result,) = run_vectors(vectors, [wrong])
    assert result.summary == "InPktsLate rises by 1, expected 0"
