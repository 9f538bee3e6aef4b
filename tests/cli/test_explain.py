"""`explain`: what it prints of a frame, of several, and of what is none."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from netns_lab import cli
from netns_lab.explain import document, text
from netns_lab.explain import explain as explanation_of
from netns_lab.receivers import ReceiverOptions, described
from scapy.layers.l2 import Ether
from scapy.utils import PcapNgWriter

from dataplane.captures.files import RecordedFrame

Capture = pytest.CaptureFixture[str]
Explain = Callable[..., tuple[int, str, str]]
KEY = "ad7a2bd03eac835a6f620fdcb506b345"
SECURED = (
    "d609b1f056637a0d46df998d88e5222ab2c2846512153524c0895e8108000f101112131415161718191a1b1c1d1e1f20"
    "2122232425262728292a2b2c2d2e2f30313233340001f09478a9b09007d06f46e9b6a1da25dd"
)
"""IEEE 802.1AE-2018 Annex C.1.1, GCM-AES-128, integrity only, 54 octets."""
CLEAR = (
    "02000000000b02000000000a0800450000280001000040060000"
    "0a0100010a0200019c4000b3000000070000000050020000000000000000"
)


@pytest.fixture
def explain(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> Explain:
    """Runs `explain`; exit code, stdout, stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["quadlink", "explain", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out, printed.err

    return run


def test_every_field_is_told_with_and_without_the_key(explain: Explain) -> None:
    code, out, err = explain(SECURED)
    assert (code, err) == (0, "")
    for row in (
        "6 source 7a:0d:46:df:99:8d",
        "12 SecTAG EtherType 88e5 MACsec",
        "14 V 0... .... version 0",
        "14 SC ..1. .... an SCI ends the tag",
        "14 E .... 0... not encrypted",
        "14 AN .... ..10 which SA of the SC",
        "15 SL 42 42 octets of Secure Data",
        "16 PN 2999092325 of an XPN suite the low 32 bits",
        "20 SCI 12153524c0895e81 explicit: 12:15:35:24:c0:89/24193",
        "70 ICV f09478a9b09007d06f46e9b6a1da25dd",
        "10.6.3 the ICV is that of the frame not known",
        "strict ICV wrong discarded InPktsNotValid +1, InOctetsValidated +42",
        "disabled no such SA delivered InPktsNoSA +1",
        "null in any case delivered InPassesNull +1 (not of the standard)",
    ):
        assert row in [" ".join(line.split()) for line in out.splitlines()]
    _, opened, _ = explain(SECURED, "--sak", KEY, "--validate", "strict")
    assert "InPktsOK +1, InOctetsValidated +42" in opened
    assert "0x0000:  d609 b1f0 5663 7a0d 46df 998d 0800 0f10" in opened
    assert opened.count("strict  ") == 1


def test_the_key_comes_from_a_file_and_the_document_says_what_the_table_does(
    explain: Explain, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    words = (SECURED, "--sak", f"@{tmp_path / 'key'}", "--next-pn", "2999092330", "--replay-window", "4")
    code, out, _ = explain(*words, "--format", "json")
    (frame,) = json.loads(out)["frames"]
    assert code == 0
    assert [check["met"] for check in frame["checks"]] == [True, True, True, False]
    assert {result["validate"]: result["counters"] for result in frame["results"]} == {
        "strict": {"InPktsLate": 1},
        "check": {"InPktsLate": 1},
        "disabled": {"InPktsLate": 1},
        "null": {"InPassesNull": 1},
    }
    assert frame["opened"] == SECURED[:24] + SECURED[56:140]  # it is opened though it is late
    _, table, _ = explain(*words)
    for field in frame["fields"]:
        assert field["meaning"] in table
    assert KEY not in out + table


def test_a_clear_frame_is_summed_up(explain: Explain) -> None:
    code, out, _ = explain(CLEAR)
    assert code == 0
    assert "IPv4 10.1.0.1 > 10.2.0.1, TCP 40000 > 179 SYN, sequence 7, 0 octets of data" in out
    assert "InPktsNoTag +1" in out


def test_a_capture_is_listed_and_one_of_its_frames_explained(
    explain: Explain,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "x.pcapng"
    tagged = SECURED[:24] + "81000064" + SECURED[24:]
    with PcapNgWriter(str(path)) as writer:
        for frame in (CLEAR, SECURED, tagged):
            writer.write(Ether(bytes.fromhex(frame)))
    code, out, err = explain(str(path))
    assert (code, err, len(out.splitlines())) == (0, "", 4)
    assert "MACsec SCI 12:15:35:24:c0:89/24193 AN 2 PN 2999092325, integrity only, 42 octets" in out
    listed = json.loads(explain(str(path), "--format", "json")[1])["frames"]
    assert [frame["octets"] for frame in listed] == [len(frame) // 2 for frame in (CLEAR, SECURED, tagged)]
    assert [frame["verdict"] for frame in listed] == ["InPktsNoTag", None, None]
    opened = json.loads(explain(str(path), "--sak", KEY, "--format", "json")[1])["frames"]
    assert [frame["verdict"] for frame in opened] == ["InPktsNoTag", "InPktsOK", "InPktsOK"]
    assert opened[0]["inside"] is None
    assert opened[1]["inside"].startswith("IPv4")
    code, out, _ = explain(str(path), "--frame", "3", "--sak", KEY)
    assert code == 0
    assert "VLAN 100, priority 0" in out
    assert "clear_tags 1 is assumed, because a SecTAG follows the VLAN tags" in out
    assert "InPktsOK" in out
    assert explain(str(path), "--frame", "4")[2] == "quadlink: --frame: found 4, expected 1 to 3\n"
    path.write_bytes(path.read_bytes()[:-2])
    code, out, err = explain(str(path))
    assert (code, len(out.splitlines())) == (2, 3)
    assert err == f"quadlink: {path}: the file ends within a block\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(SECURED.encode()))))
    assert "12153524c0895e81" in explain("-")[1]


@given(st.binary(max_size=90), st.integers(0, 3), st.booleans())
def test_any_octets_have_an_explanation(octets: bytes, cut: int, known: bool) -> None:
    recorded = RecordedFrame(octets, len(octets) + cut, 0, "ch1", None)
    options = ReceiverOptions(sak=KEY if known else None)
    explanation = explanation_of(1, recorded, described(options, octets))
    assert (explanation.judgement is None) == (cut > 0)
    assert json.loads(json.dumps(document(explanation)))["octets"] == len(octets) + cut
    told = text(explanation)
    assert all(field.name in told for field in explanation.fields)
    assert ("were not kept" in told) == (cut > 0)


def test_raw_octets_are_a_frame_as_they_stand(explain: Explain, tmp_path: Path) -> None:
    (tmp_path / "frame").write_bytes(bytes.fromhex(SECURED))
    assert explain(str(tmp_path / "frame"))[1] == explain(SECURED)[1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("ch1.pcap",), "'ch1.pcap' is no file, and as a frame: found 'ch1', expected hex digits"),
        (("12345",), "'12345' is no file, and as a frame: found 5 hex digits at '12345', expected two"),
        (("README.md",), "README.md: found '#', expected hex digits"),
        ((SECURED, "--sak", "ab"), "SAK of 1 octets, expected 32 for GCM-AES-256"),
        ((SECURED, "--sak", "secret"), "--sak: found 6 characters that are no octets in hex"),
        ((SECURED, "--sak", KEY, "--salt", "00" * 12), "no SSCI, expected one for GCM-AES-XPN-128"),
        ((SECURED, "--cipher", "des"), "--cipher: cipher suite 'des', expected one of GCM-AES-128"),
        ((SECURED, "--replay-window", "-1"), "replay window -1, expected 0 to 4294967295"),
        ((SECURED, "--sci", "12"), "SCI of 1 octets, expected 8"),
        ((SECURED, "--sak", "@.git"), "quadlink: "),
        ((SECURED, "--sak", "@docs/quad.svg"), "characters that are no octets in hex"),
        ((SECURED, "--next-pn", "4294967297"), "packet number 4294967297, expected 1 to 4294967295"),
        ((SECURED, "--with-keys"), "--with-keys goes with --link"),
        ((SECURED, "--link", "ch1", "--next-pn", "3"), "--link tells how the SecY is set"),
        (("",), "'' is no file, and as a frame: found no octets"),
        ((bytes(70000).hex(),), "found a frame of 70000 octets, expected at most 65535"),
    ],
)
def test_what_cannot_be_explained_is_one_sentence(
    explain: Explain, words: tuple[str, ...], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    code, out, err = explain(*words)
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.startswith("quadlink: ")
    assert err.count("\n") == 1
