"""Frames as hex digits, in the words of the programs that print them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from netns_lab.hex_dump import frames_of_text

FRAME = bytes.fromhex("02000000000b02000000000a88e52c040000000102000000000a0001617c2063") + bytes(16)
DUMPS = {
    "digits": FRAME.hex(),
    "0x": f"0x{FRAME.hex()}",
    "colons": FRAME.hex(":").upper(),
    "lines": FRAME.hex(" ", 2).replace(" ", "\n"),
    "C": ", ".join(f"0x{octet:02x}" for octet in FRAME),
    "escapes": '"' + "".join(f"\\x{octet:02x}" for octet in FRAME) + '"',
    "tcpdump -xx": """\
10:22:33.123456 02:00:00:00:00:0a > 02:00:00:00:00:0b, ethertype 802.1AE MACsec (0x88e5), length 48:
\t0x0000:  0200 0000 000b 0200 0000 000a 88e5 2c04
\t0x0010:  0000 0001 0200 0000 000a 0001 617c 2063
\t0x0020:  0000 0000 0000 0000 0000 0000 0000 0000""",
    "tcpdump -XX": """\
\t0x0000:  0200 0000 000b 0200 0000 000a 88e5 2c04  ..............,.
\t0x0010:  0000 0001 0200 0000 000a 0001 617c 2063  ............a|.c
\t0x0020:  0000 0000 0000 0000 0000 0000 0000 0000  ................""",
    "Wireshark": """\
0000   02 00 00 00 00 0b 02 00 00 00 00 0a 88 e5 2c 04   ..............,.
0010   00 00 00 01 02 00 00 00 00 0a 00 01 61 7c 20 63   ............a| c
0020   00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00   ................""",
    "hexdump -C": """\
00000000  02 00 00 00 00 0b 02 00  00 00 00 0a 88 e5 2c 04  |..............,.|
00000010  00 00 00 01 02 00 00 00  00 0a 00 01 61 7c 20 63  |............a| c|
00000020  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
00000030""",
    "xxd": """\
00000000: 0200 0000 000b 0200 0000 000a 88e5 2c04  ..............,.
00000010: 0000 0001 0200 0000 000a 0001 617c 2063  ............a| c
00000020: 0000 0000 0000 0000 0000 0000 0000 0000  ................""",
}


@pytest.mark.parametrize("text", DUMPS.values(), ids=DUMPS.keys())
def test_the_frame_is_read_from(text: str) -> None:
    assert frames_of_text(text) == [FRAME]
    assert frames_of_text(f"{text}\n\n{text}\n") == [FRAME, FRAME]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "found no octets, expected hex digits"),
        ("hello", "found 'hello', expected hex digits"),
        ("0200 00", None),
        ("02000", "found 5 hex digits at '02000', expected two for each octet"),
        ("0x0000:  0200 0000\n0x0010:  0000", "line 2: found offset 0x0010, expected 0x0004"),
        ("0000:  02zz", "line 1: found '02zz', expected hex digits"),
    ],
)
def test_what_is_no_frame_is_told_in_one_sentence(text: str, sentence: str | None) -> None:
    if sentence is None:
        assert frames_of_text(text) == [b"\2\0\0"]
        return
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the sentence is compared
        frames_of_text(text)
    assert str(refused.value) == sentence


@given(st.text() | st.text("0123456789abcdefx: \n\t|.\\"))
def test_any_text_is_frames_or_one_sentence(text: str) -> None:
    try:
        assert frames_of_text(text)
        sentence = ""
    except ValueError as error:
        sentence = str(error)
    assert "\n" not in sentence
