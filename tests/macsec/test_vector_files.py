"""Reading vectors: one sentence for everything that is wrong, with the place, and never a key in it."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from netns_lab.macsec_conformance import implementations, run_vectors
from netns_lab.macsec_vectors import parse_vectors

from tests.lab.harness import quadlink
from tests.macsec.vector_making import KEY

FILE = Path(__file__).parent.parent / "vectors" / "macsec_frames.json"
PUBLISHED = json.loads(FILE.read_text())
FIRST = "frames[0] '802.1AE-2018 Annex C.1.1 GCM-AES-128 54B integ': "
XPN = "frames[2] '802.1AE-2018 Annex C.1.3 GCM-AES-XPN-128 54B integ': "
RECEIVED = "received[0] 'derived V=1': "
ENTRIES = st.sampled_from([("frames", 0), ("frames", 2), ("received", 0), ("received", 5)])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["strict", "00", ""]),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)


def _complaint(text: str) -> str:
    """Why the text is refused, in one line; nothing where it is not."""
    try:
        parse_vectors(text)
    except ValueError as refused:
        complaint = str(refused)
    else:
        return ""
    assert complaint.isprintable()
    return complaint


def _with(listed: str, index: int, field: str, value: object) -> str:
    document = copy.deepcopy(PUBLISHED)
    document[listed][index][field] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("place", "field", "value", "sentence"),
    [
        (FIRST, "key", "0" * 31, "key: found 31 hexadecimal digits, expected two for each octet"),
        (FIRST, "key", "0" * 30, "key: found 15 octets, expected 16 for GCM-AES-128"),
        (FIRST, "key", "00:11", "key: found ':' as digit 3, expected hexadecimal digits"),
        (FIRST, "key", 5, "key: found no text, expected hexadecimal digits"),
        (FIRST, "sci", "00" * 7, "sci: found 7 octets, expected 8"),
        (FIRST, "sci", "ff" * 8, "sci: found all ones, which is reserved, expected another SCI"),
        (FIRST, "an", 4, "an: found 4, expected at most 3"),
        (FIRST, "an", -1, "an: found -1, expected at least 0"),
        (FIRST, "an", "2", "an: found '2', expected a whole number"),
        (FIRST, "pn", 0, "pn: found 0, expected at least 1"),
        (FIRST, "pn", 1 << 32, "pn: found 4294967296, expected at most 4294967295 for GCM-AES-128"),
        (XPN, "pn", 1 << 64, "pn: found 18446744073709551616, expected at most 18446744073709551615 for"),
        (FIRST, "es", 1, "es: found 1, expected true or false"),
        (FIRST, "suite", "AES", "suite: cipher suite 'AES', expected one of GCM-AES-128, GCM-AES-256, GCM-"),
        (FIRST, "ssci", "00000001", "ssci: found 4 octets, expected 0 for GCM-AES-128"),
        (XPN, "ssci", "", "ssci: found 0 octets, expected 4 for GCM-AES-XPN-128"),
        (XPN, "salt", "00", "salt: found 1 octets, expected 12 for GCM-AES-XPN-128"),
        (XPN, "confidentiality_offset", 30, "confidentiality_offset: found 30, expected at most 0 for GCM"),
        (FIRST, "confidentiality_offset", 31, "confidentiality_offset: found 31, expected one of 0, 30, 50"),
        (FIRST, "confidentiality_offset", False, "confidentiality_offset: found false, expected one of 0"),
        (FIRST, "clear_tag_octets", 12, "clear_tag_octets: found 12, expected one of 0, 4, 8"),
        (
            FIRST,
            "clear_tags",
            1,
            "clear_tags: found no such field in the format, nearest is 'clear_tag_octets'",
        ),
        (FIRST, "plaintext_frame", "00", "plaintext_frame: found 1 octets, expected at least 14"),
        ("frames[0] 'a\\nb': ", "name", "a\nb", "name: found 'a\\nb', expected text that can be printed"),
        ("frames[0] 3: ", "name", 3, "name: found 3, expected text"),
        (
            RECEIVED,
            "validate_frames",
            "Strict",
            "validate_frames: found 'Strict', expected one of null, disab",
        ),
        (RECEIVED, "replay_window", 1 << 32, "replay_window: found 4294967296, expected at most 4294967295"),
        (RECEIVED, "next_pn", 0, "next_pn: found 0, expected at least 1"),
        (RECEIVED, "frames", [], "frames: found a list, expected at least one entry"),
        (RECEIVED, "frames", ["0g"], "frames[0]: found 'g' as digit 2, expected hexadecimal digits"),
        (RECEIVED, "verdicts", [], "verdicts: found 0 entries, expected 1, one for each of frames"),
        (
            RECEIVED,
            "verdicts",
            ["InPktsOk"],
            "verdicts[0]: found 'InPktsOk', expected one of InPktsUntagged, ",
        ),
        (
            RECEIVED,
            "delivered",
            [None, None],
            "delivered: found 2 entries, expected 1, one for each of frames",
        ),
        (RECEIVED, "delivered", [1], "delivered[0]: found no text, expected hexadecimal digits"),
    ],
)
def test_a_wrong_value_is_told_with_vector_and_field(
    place: str, field: str, value: object, sentence: str
) -> None:
    listed, index = place.split("]")[0].split("[")
    assert _complaint(_with(listed, int(index), field, value)).startswith(place + sentence)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda file: file.pop("format"), "format: found nothing, expected this field"),
        (
            lambda file: file.update(format="pcap"),
            "format: found 'pcap', expected one of quadlink-macsec-vect",
        ),
        (lambda file: file["frames"][0].pop("pn"), FIRST + "pn: found nothing, expected this field"),
        (
            lambda file: file["received"][0].pop("name"),
            "received[0]: name: found nothing, expected this field",
        ),
        (lambda file: file.update(frames=5), "frames: found 5, expected a list"),
        (lambda file: file.update(frames=[5]), "frames[0]: found 5, expected an object"),
        (
            lambda file: file.update(frames=[], received=[]),
            "found no vector, expected some in frames or received",
        ),
        (
            lambda file: file.update(recieved=[]),
            "recieved: found no such field in the format, nearest is 'rec",
        ),
    ],
)
def test_a_file_of_another_shape_is_refused(change: Callable[[Any], object], sentence: str) -> None:
    document = copy.deepcopy(PUBLISHED)
    change(document)
    assert _complaint(json.dumps(document)).startswith(sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "line 1, column 1: JSON syntax: Expecting value"),
        ('{\n "format": }', "line 2, column 12: JSON syntax: Expecting value"),
        ("[]", "found a list, expected an object"),
        ('{"name": "x", "pn": 1, "pn": 2}', "found field 'pn' of 'x' twice, expected it once"),
        ("[" * 100_000, "found values nested too deeply"),
        ("1" * 5000, "found a number of 5000 digits, expected at most 40"),
    ],
)
def test_what_is_no_such_json_is_refused(text: str, sentence: str) -> None:
    assert _complaint(text).startswith(sentence)


def test_other_fields_are_commentary() -> None:
    document = json.loads(_with("frames", 0, "source", "my own"))
    document["license"] = None
    document["received"][0]["encrypted"] = True
    assert parse_vectors(json.dumps(document)).frames[0].name == PUBLISHED["frames"][0]["name"]


@given(st.text() | JSON.map(json.dumps))
def test_any_other_text_is_refused_in_one_line(text: str) -> None:
    assert _complaint(text)


@given(ENTRIES, st.data())
def test_any_value_is_run_or_refused_in_one_line(entry: tuple[str, int], data: st.DataObject) -> None:
    listed, index = entry
    vector = PUBLISHED[listed][index]
    text = _with(listed, index, data.draw(st.sampled_from(sorted(vector))), data.draw(JSON))
    complaint = _complaint(text)
    assert vector["key"] not in complaint
    if not complaint:
        assert len(list(run_vectors(parse_vectors(text), implementations("all", "auto")))) == 40


def test_conform_prints_a_line_for_each_vector(tmp_path: Path) -> None:
    answer = quadlink("conform", "macsec", str(FILE))
    lines = answer.stdout.splitlines()
    assert (answer.returncode, answer.stderr, len(lines)) == (0, "", 42)
    assert "FAIL" not in answer.stdout
    assert lines[-1].startswith("40 vectors on native/")
    assert lines[-1].endswith(" and reference/cryptography: 40 passed, 0 failed")

    changed = tmp_path / "changed.json"
    changed.write_text(_with("received", 4, "verdicts", ["InPktsLate"]))
    answer = quadlink("conform", "macsec", str(changed), "--engine", "reference", "--format", "json")
    document = json.loads(answer.stdout)
    assert (answer.returncode, answer.stderr) == (1, "")
    assert document["total"] == {"vectors": 40, "passed": 39, "failed": 1}
    (failed,) = (vector for vector in document["vectors"] if not vector["passed"])
    assert (failed["list"], failed["name"]) == ("received", PUBLISHED["received"][4]["name"])
    assert failed["differences"]["reference/cryptography"][0] == (
        "frame 0: verdict is InPktsOK, expected InPktsLate"
    )


def test_conform_needs_no_native_library_that_is_not_asked_for() -> None:
    answer = quadlink("conform", "macsec", str(FILE), "--engine", "native", "--cipher", "openssl")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "ipsec-mb" not in answer.stdout
    assert "reference" not in answer.stdout


@pytest.mark.parametrize(
    ("content", "words", "sentence"),
    [
        (None, (), "file.json: cannot be read: No such file or directory"),
        (b"\xff\xfe", (), "file.json: found no UTF-8 at octet 0, expected JSON text"),
        (b"{", (), "file.json: line 1, column 2: JSON syntax: Expecting property name"),
        (_with("frames", 0, "key", KEY.hex()).encode(), (), "file.json: " + FIRST + "key: found 32 octets"),
        (
            FILE.read_bytes(),
            ("--engine", "reference", "--cipher", "openssl"),
            "--cipher openssl is the native engine's, expected none with --engine reference",
        ),
    ],
)
def test_conform_says_in_one_line_what_is_wrong(
    tmp_path: Path, content: bytes | None, words: tuple[str, ...], sentence: str
) -> None:
    file = tmp_path / "file.json"
    if content is not None:
        file.write_bytes(content)
    answer = quadlink("conform", "macsec", str(file), *words)
    assert (answer.returncode, answer.stdout, answer.stderr.count("\n")) == (2, "", 1)
    assert sentence in answer.stderr
    assert KEY.hex() not in answer.stderr
