"""Rtnetlink messages: round trips, and nothing but DecodeError for octets that are none."""

import errno
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.routes.messages import decode_nexthop, decode_route, encode_operation
from control.routes.model import (
    KernelNexthop,
    KernelRoute,
    NextHop,
    PutGroup,
    PutNexthop,
    PutRoute,
    PutUnreachable,
)
from dataplane.link_state import RTM_DELLINK, RTM_NEWLINK, LinkState, decode_link
from dataplane.netlink import (
    NLM_F_ACK_TLVS,
    NLM_F_CAPPED,
    NLMSG_DONE,
    NLMSG_ERROR,
    DecodeError,
    Message,
    Request,
    decode_answer,
    decode_attributes,
    decode_integer,
    decode_messages,
    encode_attribute,
    encode_message,
    encode_unsigned_attribute,
)

UINT16 = st.integers(0, 0xFFFF)
UINT32 = st.integers(0, 0xFFFFFFFF)
IPV4 = st.ip_addresses(v=4).map(str)


def message_of(request: Request) -> Message:
    return Message(request.type, request.flags, 0, request.body)


@given(
    st.lists(
        st.builds(
            Message, UINT16, UINT16, UINT32, st.binary(max_size=40).map(lambda b: b + bytes(-len(b) % 4))
        )
    )
)
def test_messages_come_back_as_they_were(messages: list[Message]) -> None:
    datagram = b"".join(encode_message(m.type, m.flags, m.sequence, m.body) for m in messages)
    assert decode_messages(datagram) == messages


@given(st.dictionaries(st.integers(0, 0x3FFF), st.binary(max_size=20)))
def test_attributes_come_back_as_they_were(attributes: dict[int, bytes]) -> None:
    octets = b"".join(encode_attribute(type, payload) for type, payload in attributes.items())
    assert decode_attributes(octets) == attributes


@given(octets=st.binary(max_size=120), type=st.sampled_from([2, 3, 16, 17, 24, 104]), flags=UINT16)
def test_any_octets_decode_or_raise_decode_error(octets: bytes, type: int, flags: int) -> None:
    message = Message(type, flags, 0, octets)
    for decode in (decode_link, decode_route, decode_nexthop, decode_answer):
        with suppress(DecodeError):
            decode(message)
    with suppress(DecodeError):
        decode_messages(octets)


@given(
    header=st.binary(min_size=16, max_size=16),
    attributes=st.lists(st.tuples(st.integers(0, 50), st.binary(max_size=24)), max_size=6),
)
def test_any_attributes_decode_or_raise_decode_error(
    header: bytes, attributes: list[tuple[int, bytes]]
) -> None:
    tail = b"".join(encode_attribute(type, payload) for type, payload in attributes)
    for decode, message in (
        (decode_link, Message(RTM_NEWLINK, 0, 0, b"\0" + header[1:] + tail)),
        (decode_route, Message(24, 0, 0, header[:12] + tail)),
        (decode_nexthop, Message(104, 0, 0, header[:8] + tail)),
    ):
        with suppress(DecodeError):
            decode(message)


@pytest.mark.parametrize("octets", [b"\0", b"\x03\0\0\0" + bytes(12), b"\x14\0\0\0" + bytes(12)])
def test_a_message_cut_short_is_a_decode_error(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_messages(octets)


@pytest.mark.parametrize("octets", [b"\0", b"\x03\0\x01\0", b"\x09\0\x01\0abcd"])
def test_an_attribute_cut_short_is_a_decode_error(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_attributes(octets)


@pytest.mark.parametrize(
    ("octets", "value"), [(b"\x07", 7), (struct.pack("=H", 9), 9), (struct.pack("=I", 11), 11)]
)
def test_integers_have_8_16_or_32_bits(octets: bytes, value: int) -> None:
    assert decode_integer(octets) == value
    with pytest.raises(DecodeError):
        decode_integer(octets + bytes(5))


def test_an_answer_tells_the_error_and_the_words_of_the_kernel() -> None:
    words = encode_attribute(1, b"Nexthop id does not exist\0")
    header = struct.pack("=IHHII", 60, 24, 0, 5, 0)
    refused = struct.pack("=i", -errno.EINVAL)
    flags = NLM_F_CAPPED | NLM_F_ACK_TLVS
    assert decode_answer(Message(NLMSG_ERROR, flags, 5, refused + header + words)) == (
        errno.EINVAL,
        "Nexthop id does not exist",
    )
    whole = refused + header + bytes(44) + words
    assert decode_answer(Message(NLMSG_ERROR, NLM_F_ACK_TLVS, 5, whole))[1] == "Nexthop id does not exist"
    assert decode_answer(Message(NLMSG_ERROR, 0, 5, refused + header)) == (errno.EINVAL, "Invalid argument")
    assert decode_answer(Message(NLMSG_DONE, 0, 5, bytes(4)))[0] == 0


@given(
    address=IPV4 | st.ip_addresses(v=6).map(lambda a: f"fd00::{int(a) & 0xFFFF:x}"), ifindex=UINT32, id=UINT32
)
def test_nexthops_come_back_as_they_were(address: str, ifindex: int, id: int) -> None:
    next_hop = NextHop("::" if address == "fd00::0" else address, ifindex)
    request = encode_operation(PutNexthop(id, next_hop))
    assert decode_nexthop(message_of(request)) == KernelNexthop(id, 186, next_hop)


@given(members=st.lists(UINT32, min_size=1, max_size=70), id=UINT32)
def test_groups_come_back_as_they_were(members: list[int], id: int) -> None:
    request = encode_operation(PutGroup(id, tuple(members)))
    assert decode_nexthop(message_of(request)) == KernelNexthop(id, 186, members=tuple(members))


@pytest.mark.parametrize(
    "prefix", ["0.0.0.0/0", "10.1.0.0/16", "192.0.2.1/32", "::/0", "fd01::/48", "fd01::1/128"]
)
def test_routes_come_back_as_they_were(prefix: str) -> None:
    request = encode_operation(PutRoute(prefix, 1_000_000))
    assert decode_route(message_of(request)) == KernelRoute(prefix, 186, 20, 1_000_000)
    request = encode_operation(PutUnreachable(prefix))
    assert decode_route(message_of(request)) == KernelRoute(prefix, 186, 1 << 20, None, True)


def test_an_address_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match=r"expected an IP address, found '10\.1'"):
        encode_operation(PutRoute("10.1/16", 1))


def test_a_link_is_read_with_its_carrier_and_alias() -> None:
    header = struct.pack("=BxHiII", 0, 1, 7, 1, 0)
    attributes = [
        encode_attribute(3, b"eth1\0"),
        encode_attribute(1, b"\x02\0\0\0\0\x01"),
        encode_unsigned_attribute(4, 1500),
        encode_attribute(20, b"quad ch1\0"),
        encode_attribute(33, b"\x01"),
        encode_unsigned_attribute(48, 3),
    ]
    link = decode_link(Message(RTM_NEWLINK, 0, 0, header + b"".join(attributes)))
    assert link == LinkState(7, "eth1", True, True, b"\x02\0\0\0\0\x01", 1500, "quad ch1", 3)
    assert link.usable
    gone = decode_link(Message(RTM_DELLINK, 0, 0, header + attributes[0]))
    assert gone is not None
    assert (gone.ifindex, gone.present, gone.usable) == (7, False, False)


def test_a_bridge_speaking_of_its_port_is_not_a_link() -> None:
    assert decode_link(Message(RTM_DELLINK, 0, 0, struct.pack("=BxHiII", 7, 1, 7, 1, 0))) is None
