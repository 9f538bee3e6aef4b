"""What goes over the engine's socket comes out as it went in, and no line does more than raise ValueError."""

import contextlib
import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane import lines, wireformat
from dataplane.interface import (
    CarrierEvent,
    EndState,
    EngineEvent,
    FaultEvent,
    LinkState,
    PendingEvent,
    SecYState,
)
from dataplane.links.faults import LinkFault
from dataplane.links.specification import (
    EndSpecification,
    FaultMode,
    Impairment,
    JitterModel,
    LinkSpecification,
    LinkType,
    LossModel,
    MacsecSpecification,
)

counts = st.integers(0, 2**64 - 1)
ends = st.builds(EndSpecification, st.text(), st.text(), st.text(), st.binary(min_size=6, max_size=6))
specifications = st.builds(
    LinkSpecification,
    st.text(),
    st.tuples(ends, ends),
    st.integers(68, 65535),
    st.none() | st.from_type(MacsecSpecification),
)
end_states = st.builds(EndState, st.text(), st.text(), st.integers(0, 2**31 - 1), st.booleans())
secy_states = st.builds(SecYState)
shares = st.floats(0, 1)
impairments = st.builds(
    Impairment,
    loss=shares,
    loss_model=st.sampled_from(LossModel),
    enter_burst=shares,
    delay_us=st.floats(0, 1e6),
    jitter_model=st.sampled_from(JitterModel),
    reorder=shares,
    reorder_frames=st.integers(1, 9),
    rate_mbps=st.floats(1, 1e6),
    queue_octets=st.integers(0, 1 << 30),
)
faults = st.builds(
    LinkFault,
    id=st.text(),
    mode=st.sampled_from(FaultMode),
    sender=st.none() | st.sampled_from((0, 1)),
    since_ns=counts,
    until_ns=st.none() | counts,
    period_ns=st.none() | counts,
    impairment=st.dictionaries(st.text(), st.integers()),
)
states = st.builds(
    LinkState,
    name=st.text(),
    type=st.sampled_from(LinkType),
    ends=st.tuples(end_states, end_states),
    state=st.text(),
    faults=st.lists(faults, max_size=2).map(tuple),
    macsec=st.none() | st.from_type(MacsecSpecification),
    secys=st.just(()) | st.tuples(secy_states, secy_states),
    slot=counts,
    impairments=st.tuples(impairments, impairments),
)
events = (
    st.builds(CarrierEvent, st.text(), st.text(), st.text(), st.booleans(), counts)
    | st.builds(
        FaultEvent, st.text(), st.lists(st.text()).map(tuple), st.none() | st.sampled_from(FaultMode), counts
    )
    | st.builds(PendingEvent)
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def travelled(document: dict[str, Any]) -> dict[str, Any]:
    """The document as the other side of the socket reads it."""
    line = lines.to_line(document)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    return lines.from_line(line)


@given(specifications)
def test_a_specification_survives_the_way(specification: LinkSpecification) -> None:
    document = travelled(wireformat.specification_to_document(specification))
    assert wireformat.specification_from_document(document) == specification


@given(states)
def test_a_state_survives_the_way_with_its_types(state: LinkState) -> None:
    found = wireformat.state_from_document(travelled(wireformat.state_to_document(state)))
    assert found == state
    assert isinstance(found.type, LinkType)
    assert all(isinstance(fault.mode, FaultMode) for fault in found.faults)


@given(events)
def test_an_event_survives_the_way(event: EngineEvent) -> None:
    assert wireformat.event_from_document(travelled(wireformat.event_to_document(event))) == event


@given(st.binary())
def test_octets_travel_as_hex(octets: bytes) -> None:
    assert bytes.fromhex(travelled({"frame": octets})["frame"]) == octets


@given(st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()))
def test_a_line_is_an_object_or_a_value_error(line: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(lines.from_line(line), dict)


@pytest.mark.parametrize("line", [b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b"", b"null", b"[1]"])
def test_a_line_that_is_no_object_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        lines.from_line(line)


@given(st.dictionaries(st.sampled_from(["name", "ends", "mtu", "macsec", "more"]), values))
def test_a_malformed_specification_raises_what_it_says(document: dict[str, Any]) -> None:
    with contextlib.suppress(KeyError, TypeError, ValueError):
        wireformat.specification_from_document(document)


@given(specifications, st.sampled_from(["name", "ends", "mtu", "macsec"]), values)
def test_a_specification_with_one_wrong_field_raises_what_it_says(
    specification: LinkSpecification, field: str, value: object
) -> None:
    document = {**travelled(asdict(specification)), field: value}
    with contextlib.suppress(KeyError, TypeError, ValueError):
        wireformat.specification_from_document(document)
