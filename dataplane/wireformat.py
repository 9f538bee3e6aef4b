"""How engine requests, answers and events travel: as JSON objects with the fields of the dataclasses."""

from dataclasses import asdict

from dataplane.interface import CarrierEvent, EndState, EngineEvent, FaultEvent, LinkState, SecYState
from dataplane.lines import Document
from dataplane.links.specification import (
    EndSpecification,
    FaultMode,
    Impairment,
    LinkSpecification,
    LinkType,
    MacsecSpecification,
)

MAXIMUM_LINE_OCTETS = 1 << 20


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


def event_to_document(event: EngineEvent) -> Document:
    """An event as JSON types."""
    return asdict(event)


def event_from_document(document: Document) -> EngineEvent:
    """The inverse."""
    if "carrier" in document:
        return CarrierEvent(**document)
    fault = FaultMode(document["fault"]) if document["fault"] else None
    return FaultEvent(document["link"], fault, document["t_ns"])
