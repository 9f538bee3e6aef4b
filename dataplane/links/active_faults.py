"""The faults of an engine's links that are active, by id: which links each is on, and which time it is."""

from collections.abc import Sequence

from dataplane.interface import LinkError
from dataplane.links.faults import FaultSpecification
from dataplane.links.link import Link


class ActiveFaults:
    """Puts faults into the signals of links and takes them out; the caller settles what that changes."""

    def __init__(self) -> None:
        self._links: dict[str, list[Link]] = {}

    def begin(self, id: str, links: Sequence[Link], fault: FaultSpecification, now_ns: int) -> None:
        """Begins a fault on all of these links, or raises LinkError and does nothing."""
        if id in self._links:
            raise LinkError(f"{id}: already failed ({fault.mode}); heal it first")
        begun = []
        for link in links:
            try:
                link.changed((fault.impairment, fault.impairment))
                sender = None if fault.from_node is None else link.specification.end_of(fault.from_node)
            except (TypeError, ValueError) as error:
                raise LinkError(f"link {link.specification.name}: {error}") from error
            begun.append(fault.begin(id, sender, now_ns))
        for link, one in zip(links, begun, strict=True):
            link.signal.faults[id] = one
        self._links[id] = list(links)

    def end(self, id: str) -> list[Link]:
        """Ends a fault; the links it was on, none where it is not active."""
        links = self._links.pop(id, [])
        for link in links:
            del link.signal.faults[id]
        return links

    def forget(self, link: Link) -> None:
        """Takes in that a link goes."""
        for id in link.signal.faults:
            self._links[id].remove(link)

    def next_change_ns(self) -> int | None:
        """When a fault next ends or changes by itself."""
        changes_ns = (link.signal.next_change_ns(link.settled_ns) for link in self._failed())
        return min((at_ns for at_ns in changes_ns if at_ns is not None), default=None)

    def ended(self, now_ns: int) -> list[str]:
        """The faults whose time has come."""
        faults = (fault for link in self._failed() for fault in link.signal.faults.values())
        return list({it.id: it for it in faults if it.until_ns is not None and it.until_ns <= now_ns})

    def changed(self, now_ns: int) -> list[Link]:
        """The links to which a fault does something else than when they were settled."""
        changes_ns = [(link, link.signal.next_change_ns(link.settled_ns)) for link in self._failed()]
        return [link for link, at_ns in changes_ns if at_ns is not None and at_ns <= now_ns]

    def _failed(self) -> list[Link]:
        return list({link.slot: link for links in self._links.values() for link in links}.values())
