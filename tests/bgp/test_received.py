"""IPv4 prefixes of a received UPDATE, read at once: ExaBGP says the same of them as by its own parser."""

from collections.abc import Sequence

import pytest
from exabgp.bgp.message import Action  # type: ignore[import-untyped]
from exabgp.bgp.message.direction import Direction  # type: ignore[import-untyped]
from exabgp.bgp.message.notification import Notify  # type: ignore[import-untyped]
from exabgp.bgp.message.open.capability.negotiated import Negotiated  # type: ignore[import-untyped]
from exabgp.bgp.message.update import Update  # type: ignore[import-untyped]
from exabgp.bgp.neighbor import Neighbor  # type: ignore[import-untyped]
from exabgp.reactor.api.response.json import JSON  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

import control.bgp.exabgp  # noqa: F401 - mends ExaBGP
from control.bgp import received
from control.bgp.adj_rib_out import nlri

ORIGIN, AS_PATH, NEXT_HOP = (
    b"\x40\x01\x01\x00",
    b"\x40\x02\x06\x02\x01\0\0\xfc\0",
    b"\x40\x03\x04\xa9\xfe\0\x01",
)
BAD_ORIGIN = b"\x40\x01\x01\x07"
ATTRIBUTES = st.sampled_from(
    (b"", ORIGIN + AS_PATH + NEXT_HOP, AS_PATH + NEXT_HOP, BAD_ORIGIN + AS_PATH + NEXT_HOP)
)


def prefix(value: int, length: int) -> str:
    address = value >> (32 - length) << (32 - length)
    return ".".join(str(address >> shift & 255) for shift in (24, 16, 8, 0)) + f"/{length}"


PREFIXES = st.lists(st.builds(prefix, st.integers(0, 2**32 - 1), st.integers(0, 32)), max_size=5, unique=True)


def body(withdrawn: Sequence[bytes], attributes: bytes, announced: Sequence[bytes]) -> bytes:
    return bytes(Update.prefix(b"".join(withdrawn)) + Update.prefix(attributes) + b"".join(announced))


def negotiated() -> Negotiated:
    session = Negotiated(Neighbor())
    session.asn4 = True
    return session


def test_it_is_in_place_of_exabgps_wherever_exabgp_is_started_by_us() -> None:
    assert Update.unpack_message is received.unpack_message


@given(withdrawn=PREFIXES, attributes=ATTRIBUTES, announced=PREFIXES)
def test_exabgp_says_the_same_of_it(withdrawn: list[str], attributes: bytes, announced: list[str]) -> None:
    data = body(list(map(nlri, withdrawn)), attributes, list(map(nlri, announced)) if attributes else [])
    ours = received.unpack_message(data, Direction.IN, negotiated())
    theirs = received.EXABGPS_OWN(data, Direction.IN, negotiated())
    assert ours.TYPE == theirs.TYPE
    assert type(ours) is type(theirs)
    if isinstance(ours, Update):
        assert JSON("5")._update(ours) == JSON("5")._update(theirs)
        for message in (ours, theirs):
            for entry in message.nlris:  # as ExaBGP does where RFC 7606 says so
                entry.action = Action.WITHDRAW
        assert JSON("5")._update(ours) == JSON("5")._update(theirs)


def test_bits_beyond_the_length_are_irrelevant() -> None:
    update = received.unpack_message(body([b"\x09\x0a\xff"], b"", []), Direction.IN, negotiated())
    assert update.nlris[0].prefixes == ("10.128.0.0/9",)


@pytest.mark.parametrize("octets", [b"\x21\x0a\0\0\0\0", b"\x18\x0a\0", b"\x08"])
def test_what_is_no_prefix_ends_the_session(octets: bytes) -> None:
    with pytest.raises(Notify):
        received.unpack_message(body([], ORIGIN + AS_PATH + NEXT_HOP, [octets]), Direction.IN, negotiated())
