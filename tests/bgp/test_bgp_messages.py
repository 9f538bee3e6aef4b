"""Lines recorded from ExaBGP 5.0.15, and mutations of them: events or DecodeError, nothing else."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.bgp.messages import decode_message
from control.bgp.model import (
    NO_EXPORT,
    AddressFamily,
    Announce,
    DecodeError,
    EndOfRib,
    Event,
    Origin,
    PathAttributes,
    RestartCapability,
    SessionDown,
    SessionUp,
    Withdraw,
    canonical_prefix,
)

RECORDED = Path(__file__).with_name("exabgp-5.0.15.jsonl").read_bytes().splitlines()
V4, V6 = AddressFamily.IPV4_UNICAST, AddressFamily.IPV6_UNICAST
LINK = "fd00:9::1"
AS_PATH = {"0": {"element": "as-sequence", "value": [65001]}}


def recorded(text: str) -> bytes:
    """The one recorded line that contains `text`."""
    (line,) = [line for line in RECORDED if text.encode() in line]
    return line


def changed(text: str, **message: object) -> bytes:
    """A recorded UPDATE with parts of its inner message replaced."""
    fields = json.loads(recorded(text))
    fields["neighbor"]["message"]["update"] |= message
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ('"state": "up"', [SessionUp(LINK)]),
        ('"notification received (6,2)"', [SessionDown(LINK, "notification received (6,2)")]),
        ('"graceful restart"', [RestartCapability("169.254.9.2", 60, True)]),
        ('"afi" : "ipv4"', [EndOfRib("169.254.9.1", V4)]),
        ('"afi" : "ipv6"', [EndOfRib(LINK, V6)]),
        (
            '"10.1.0.0/16"',
            [
                Announce(
                    "169.254.9.0",
                    V4,
                    "169.254.9.0",
                    PathAttributes(Origin.IGP, (65001,)),
                    ("10.1.0.0/16", "10.4.0.0/16", "10.5.0.0/16"),
                )
            ],
        ),
        (
            '"10.2.0.0/16"',
            [
                Announce(
                    "169.254.9.0",
                    V4,
                    "169.254.9.0",
                    PathAttributes(Origin.INCOMPLETE, (65001, 65009), None, 50, (65001 << 16 | 7, NO_EXPORT)),
                    ("10.2.0.0/16",),
                )
            ],
        ),
        ('"withdraw": { "ipv4', [Withdraw("169.254.9.0", V4, ("10.4.0.0/16", "10.5.0.0/16"))]),
        ('"withdraw": { "ipv6', [Withdraw(LINK, V6, ("fd02::/48",))]),
    ],
)
def test_recorded_lines_become_these_events(text: str, events: list[Event]) -> None:
    assert decode_message(recorded(text)) == events


def test_a_prefix_listed_under_a_global_and_a_link_local_next_hop_is_announced_once() -> None:
    attributes = PathAttributes(Origin.IGP, (65002, 4200000000))
    for line in (recorded('"fd03::/48"'), changed('"fd03::/48"', announce=reversed_hops('"fd03::/48"'))):
        assert decode_message(line) == [Announce(LINK, V6, LINK, attributes, ("fd02::/48", "fd03::/48"))]


def reversed_hops(text: str) -> dict[str, Any]:
    hops = json.loads(recorded(text))["neighbor"]["message"]["update"]["announce"]["ipv6 unicast"]
    return {"ipv6 unicast": dict(reversed(hops.items()))}


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ('"fd04::/48"', "fd04::/48"),  # AS_SET
        ('"fd05::/48"', "fd05::/48"),  # AS 0
        ('"fd06::/48"', "fd06::/48"),  # no ORIGIN
        ('"10.7.0.0/16"', "10.7.0.0/16"),  # empty AS_PATH
    ],
)
def test_what_may_not_be_used_is_withdrawn(text: str, prefix: str) -> None:
    (event,) = decode_message(recorded(text))
    assert isinstance(event, Withdraw)
    assert event.prefixes == (prefix,)


def test_every_attribute_is_read() -> None:
    (event,) = decode_message(recorded('"::/0"'))
    assert isinstance(event, Announce)
    assert event.attributes == PathAttributes(
        Origin.IGP, (65002,), 900, 4294967295, (65002 << 16 | 7, NO_EXPORT)
    )


@pytest.mark.parametrize("kind", ["negotiated", "keepalive", "fsm", "notification"])
def test_other_kinds_are_no_event(kind: str) -> None:
    lines = [line for line in RECORDED if f'"type": "{kind}"'.encode() in line]
    assert lines
    for line in lines:
        assert decode_message(line) == []


def test_the_shutdown_notification_without_a_neighbor_is_no_event() -> None:
    line = recorded('"notification": "shutdown"')
    assert "neighbor" not in json.loads(line)
    assert decode_message(line) == []


def test_withdrawals_come_before_announcements_of_the_same_update() -> None:
    line = changed('"10.1.0.0/16"', withdraw={"ipv4 unicast": [{"nlri": "10.1.0.0/16"}]})
    assert [type(event) for event in decode_message(line)] == [Withdraw, Announce]


def test_other_families_are_no_event() -> None:
    line = changed('"10.1.0.0/16"', announce={"ipv4 flow": {"no-nexthop": [{"nlri": "?"}]}})
    assert decode_message(line) == []


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"done",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        changed('"10.1.0.0/16"', announce={"ipv4 unicast": {"169.254.9.0": [{"nlri": "10.1.0.1/16"}]}}),
        changed('"10.1.0.0/16"', announce={"ipv4 unicast": {"169.254.9.0": [{"nlri": "10.1.0.0/33"}]}}),
        changed('"10.1.0.0/16"', announce={"ipv4 unicast": {"nowhere": []}}),
        changed('"10.1.0.0/16"', attribute={"origin": "x", "as-path": AS_PATH}),
        b'{"type": "update", "neighbor": {"address": {"peer": "\\ud800"}}}',
        recorded('"state": "up"').replace(b'"up"', b'"sideways"'),
    ],
)
def test_anything_else_is_a_decode_error(line: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_message(line)


JUNK: st.SearchStrategy[object] = st.sampled_from(
    [None, True, -1, 2**70, 1.5, float("nan"), "", "igp", "\0", "\ud800", "ff" * 99, [], [[]], {}, {"0": {}}]
).map(copy.deepcopy)


@given(data=st.data())
def test_no_mutation_raises_anything_but_decode_error(data: st.DataObject) -> None:
    fields = json.loads(data.draw(st.sampled_from(RECORDED)))
    for _ in range(data.draw(st.integers(1, 3))):
        mutate(fields, data)
    decode_or_refuse(json.dumps(fields).encode())


@given(line=st.sampled_from(RECORDED), position=st.integers(0, 400), octets=st.binary(max_size=4))
def test_no_overwritten_octets_raise_anything_but_decode_error(
    line: bytes, position: int, octets: bytes
) -> None:
    decode_or_refuse(line[:position] + octets + line[position + len(octets) :])


def mutate(fields: dict[str, Any], data: st.DataObject) -> None:
    """Walk down to some place in the message and put something else there, or remove it."""
    place: Any = fields
    while place:
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place[key], dict | list) and data.draw(st.integers(0, 4)):
            place = place[key]
            continue
        if data.draw(st.booleans()):
            place[key] = data.draw(JUNK)
        else:
            del place[key]
        return


def decode_or_refuse(line: bytes) -> None:
    try:
        events = decode_message(line)
    except DecodeError:
        return
    for event in events:
        if isinstance(event, Announce | Withdraw):
            assert event.prefixes
            assert list(event.prefixes) == [canonical_prefix(prefix) for prefix in event.prefixes]
            assert len(set(event.prefixes)) == len(event.prefixes)
