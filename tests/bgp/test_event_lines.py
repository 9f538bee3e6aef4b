"""Events survive their way through the socket; anything else is one DecodeError."""

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.bgp.event_lines import LineBuffer, decode, encode
from control.bgp.model import (
    AddressFamily,
    Advertised,
    Announce,
    DecodeError,
    EndOfRib,
    Event,
    Origin,
    PathAttributes,
    RestartCapability,
    SessionDown,
    SessionUp,
    SnapshotEnd,
    Withdraw,
)

text = st.text()
texts = st.lists(text).map(tuple)
family = st.sampled_from(AddressFamily)
numbers = st.lists(st.integers(0, 2**32 - 1)).map(tuple)
number = st.none() | st.integers(0, 2**32 - 1)
attributes = st.builds(
    PathAttributes, st.sampled_from(Origin), numbers, number, number, numbers, st.none() | text, texts
)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(SessionUp, text),
    st.builds(SessionDown, text, text),
    st.builds(RestartCapability, text, st.integers(0, 4095), st.booleans()),
    st.builds(Announce, text, family, text, attributes, texts),
    st.builds(Withdraw, text, family, texts),
    st.builds(EndOfRib, text, family),
    st.builds(Advertised, text, text, texts),
    st.builds(SnapshotEnd),
)


@given(events)
def test_what_is_encoded_is_one_line_and_decodes_to_the_same(event: Event) -> None:
    line = encode(event)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line[:-1]) == event


@given(
    st.binary().filter(lambda line: not line.strip().endswith(b"}"))
    | st.builds(lambda event, cut: encode(event)[:-2][:cut], events, st.integers(0, 60))
)
def test_anything_else_is_a_decode_error(line: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(line)


@given(events, st.integers(0, 200), st.binary(max_size=3))
def test_damage_raises_nothing_but_decode_error(event: Event, position: int, octets: bytes) -> None:
    line = encode(event)
    with contextlib.suppress(DecodeError):
        decode(line[:position] + octets + line[position + len(octets) :])


@given(st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=8), st.data())
def test_lines_come_out_whole_however_the_stream_is_cut(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    buffer = LineBuffer(limit=8)
    out = [
        line for start, end in pairwise([0, *cuts, len(stream)]) for line in buffer.feed(stream[start:end])
    ]
    assert out == [line for line in lines if len(line) <= 8]
    assert buffer.dropped == sum(len(line) > 8 for line in lines)
