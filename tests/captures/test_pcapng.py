"""pcapng: what scapy and our own reader find in it is what was written."""

# mypy: disable-error-code="no-untyped-call,attr-defined"

import struct
from io import BytesIO
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from scapy.utils import RawPcapNgReader

from dataplane.captures.files import RecordedFrame, read_frames
from dataplane.captures.pcapng import (
    INBOUND,
    OUTBOUND,
    enhanced_packet,
    interface_description,
    interface_statistics,
    section_header,
)

BEGIN_NS = 1_795_777_804_066_905_545
NAMES = ("ch1 clear aws", "ch1 wire aws->gcp")
HEAD = section_header("quadlink") + b"".join(
    interface_description(name, f"what {name} is", 2048, "tcp port 179") for name in NAMES
)
FRAMES = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(0, 1 << 62),
        st.binary(min_size=1, max_size=70),
        st.integers(0, 9000),
        st.sampled_from([INBOUND, OUTBOUND]),
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
    ),
    max_size=5,
)


@given(FRAMES)
def test_every_frame_is_read_back_with_its_interface_time_and_comment(
    frames: list[tuple[int, int, bytes, int, int, str]],
) -> None:
    blocks = [
        enhanced_packet(interface, time_ns, data, len(data) + more, direction, comment)
        for interface, time_ns, data, more, direction, comment in frames
    ]
    assert all(len(block) % 4 == 0 for block in blocks)
    statistics = interface_statistics(0, BEGIN_NS, BEGIN_NS + 5, received=9, dropped=4, accepted=3)
    found = list(read_frames(BytesIO(HEAD + b"".join(blocks) + statistics)))
    assert found == [
        RecordedFrame(data, len(data) + more, time_ns, NAMES[interface], comment or None)
        for interface, time_ns, data, more, direction, comment in frames
    ]


def test_scapy_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcapng"
    data = bytes(range(61))
    path.write_bytes(
        HEAD
        + enhanced_packet(1, BEGIN_NS, data, 90, INBOUND, "sci=0225220000010001 pn=42")
        + enhanced_packet(0, BEGIN_NS + 1, data, 61, OUTBOUND, "")
        + interface_statistics(1, BEGIN_NS, BEGIN_NS + 1, received=1, dropped=0, accepted=1)
    )
    with RawPcapNgReader(str(path)) as reader:
        (one, about), (other, about_other) = reader
    assert one == other == data
    assert (about.wirelen, about.tsresol, about.ifname) == (90, 10**9, NAMES[1].encode())
    assert (about.tshigh << 32 | about.tslow) == BEGIN_NS
    assert about.comments == [b"sci=0225220000010001 pn=42"]
    assert not about_other.comments
    assert (about.direction, about_other.direction) == (INBOUND, OUTBOUND)


def test_the_statistics_of_an_interface_say_what_was_lost() -> None:
    block = interface_statistics(1, BEGIN_NS, BEGIN_NS + 5, received=9, dropped=4, accepted=3)
    kind, octets, interface = struct.unpack_from("=III", block)
    assert (kind, octets, interface) == (5, len(block), 1)
    options, at = {}, 20
    while (option := struct.unpack_from("=HH", block, at)) != (0, 0):
        options[option[0]] = block[at + 4 : at + 4 + option[1]]
        at += 4 + option[1]
    high_low = {code: struct.unpack("=II", options[code]) for code in (2, 3)}
    times = [high << 32 | low for high, low in high_low.values()]
    assert times == [BEGIN_NS, BEGIN_NS + 5]
    assert [struct.unpack("=Q", options[code])[0] for code in (4, 5, 6)] == [9, 4, 3]
