"""How engine requests, answers and events travel: one JSON object a line, the fields of the dataclasses."""

import json
from dataclasses import asdict
from typing import Any

from dataplane.interface import CarrierEvent, EndState, LinkState, SecYState
from dataplane.links.specification import (
    EndSpecification,
    FaultMode,
    Impairment,
    LinkSpecification,
    LinkType,
    MacsecSpecification,
)

MAXIMUM_LINE_OCTETS = 1 << 20
Document = dict[str, Any]


def to_line(document: Document) -> bytes:
    """One line; octet strings become hex."""
    return json.dumps(document, default=lambda value: value.hex()).encode() + b"\n"


def from_line(line: bytes) -> Document:
    """The object on a line; ValueError where there is none."""
    try:
        document = json.loads(line)
    except RecursionError:
        raise ValueError("found brackets nested without end, expected an object") from None
    if not isinstance(document, dict):
        raise ValueError(f"found {type(document).__name__}, expected an object")
    return document


def specification_to_document(specification: LinkSpecification) -> Document:
    """A link specification as JSON types, MAC addresses as octets."""
    return asdict(specification)


def specification_from_document(document: Document) -> LinkSpecification:
    """The inverse; KeyError, TypeError or ValueError where a field is not what it should be."""
    first, second = (
        EndSpecification(end["node"], end["namespace"], end["interface"], bytes.fromhex(end["mac"]))
        for end in document["ends"]
    )
    macsec = document["macsec"]
    return LinkSpecification(
        name=document["name"],
        ends=(first, second),
        mtu=document["mtu"],
        macsec=MacsecSpecification(**macsec) if macsec is not None else None,
    )


def state_to_document(state: LinkState) -> Document:
    """A link state as JSON types."""
    return asdict(state)


def state_from_document(document: Document) -> LinkState:
    """The inverse."""
    first, second = (EndState(**end) for end in document["ends"])
    one, other = document["impairments"]
    return LinkState(
        **{
            **document,
            "type": LinkType(document["type"]),
            "ends": (first, second),
            "fault": FaultMode(document["fault"]) if document["fault"] else None,
            "impairments": (Impairment(**one), Impairment(**other)),
            "secys": tuple(SecYState(**secy) for secy in document["secys"]),
        }
    )


def event_to_document(event: CarrierEvent) -> Document:
    """An event as JSON types."""
    return asdict(event)


def event_from_document(document: Document) -> CarrierEvent:
    """The inverse."""
    return CarrierEvent(**document)
