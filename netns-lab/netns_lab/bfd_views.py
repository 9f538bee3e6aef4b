"""BFD sessions as `inspect` tells of them: those of a link, and those on the links of a BGP session."""

from collections.abc import Mapping
from dataclasses import asdict

from control.bfd.state import BfdState
from dataplane.lines import Document
from netns_lab.plan import LabPlan

NS_PER_S = 1e9
Told = Mapping[tuple[str, str, str], BfdState]
"""By node, interface and family, what the guard told last."""


def bfd_by_link(plan: LabPlan, told: Told, now_ns: int) -> dict[str, list[Document]]:
    """The sessions of each link as each of their ends sees them; an end that nobody told of is left out."""
    return {
        link.name: [
            _document(told[key], now_ns)
            for session in link.bfd
            for end in session.ends
            if (key := (end.node, end.interface, session.family)) in told
        ]
        for link in plan.links
    }


def bfd_by_session(plan: LabPlan, told: Told, now_ns: int) -> dict[tuple[str, str], list[Document]]:
    """By node and its neighbor's address: what the node sees of BFD on the links of each BGP session."""
    by_link = bfd_by_link(plan, told, now_ns)
    return {
        (local.node, peer.address): [
            document
            for link in session.links
            for document in by_link[link]
            if (document["node"], document["family"]) == (local.node, session.family)
        ]
        for session in plan.sessions
        for local, peer in (session.ends, session.ends[::-1])
    }


def _document(state: BfdState, now_ns: int) -> Document:
    document = asdict(state)
    document["since_s"] = round((now_ns - document.pop("since_ns")) / NS_PER_S, 1)
    return document
