"""How engine requests, answers and events travel: as JSON objects with the fields of the dataclasses."""

from dataclasses import asdict

from dataplane.interface import (
    CarrierEvent,
    ChannelState,
    EndState,
    EngineEvent,
    FaultEvent,
    LinkState,
    PendingEvent,
    SecYState,
)
from dataplane.lines import Document
from dataplane.links.faults import FaultSpecification, LinkFault
from dataplane.links.specification import (
    EndSpecification,
    FaultMode,
    Impairment,
    LinkSpecification,
    LinkType,
    MacsecSpecification,
    PortType,
)
from dataplane.macsec.sak import Sak

MAXIMUM_LINE_OCTETS = 1 << 20


def specification_to_document(specification: LinkSpecification) -> Document:
    """A link specification as JSON types, MAC addresses as octets."""
    return asdict(specification)


def specification_from_document(document: Document) -> LinkSpecification:
    """The inverse; KeyError, TypeError or ValueError where a field is not what it should be."""
    first, second = (
        EndSpecification(**{**end, "mac": bytes.fromhex(end["mac"]), "port": PortType(end["port"])})
        for end in document["ends"]
    )
    return LinkSpecification(
        name=document["name"],
        ends=(first, second),
        mtu=document["mtu"],
        macsec=_macsec_from_document(document["macsec"]),
    )


def _macsec_from_document(document: Document | None) -> MacsecSpecification | None:
    if document is None:
        return None
    return MacsecSpecification(**{**document, "bypass": tuple(document.get("bypass", ()))})


def sak_to_document(sak: Sak) -> Document:
    """A SAK and its salt as JSON types, octets as hex: only between an engine and its client."""
    return {"key": sak.key.hex(), "salt": sak.salt.hex()}


def sak_from_document(document: Document) -> Sak:
    """The inverse; KeyError, TypeError or ValueError where a field is not what it should be."""
    return Sak(bytes.fromhex(document["key"]), bytes.fromhex(document["salt"]))


def fault_from_document(document: Document) -> FaultSpecification:
    """A fault that is to begin; TypeError or ValueError where a field is not what it should be."""
    return FaultSpecification(**{**document, "mode": FaultMode(document["mode"])})


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
            "faults": tuple(
                LinkFault(**{**fault, "mode": FaultMode(fault["mode"])}) for fault in document["faults"]
            ),
            "impairments": (Impairment(**one), Impairment(**other)),
            "macsec": _macsec_from_document(document["macsec"]),
            "secys": tuple(map(_secy_from_document, document["secys"])),
        }
    )


def _secy_from_document(document: Document) -> SecYState:
    channels = tuple(ChannelState(**channel) for channel in document["channels"])
    return SecYState(**{**document, "channels": channels})


def event_to_document(event: EngineEvent) -> Document:
    """An event as JSON types."""
    return asdict(event)


def event_from_document(document: Document) -> EngineEvent:
    """The inverse."""
    if "carrier" in document:
        return CarrierEvent(**document)
    if "fault" not in document:
        return PendingEvent(**document)
    fault = FaultMode(document["fault"]) if document["fault"] else None
    return FaultEvent(document["id"], tuple(document["links"]), fault, document["t_ns"])
