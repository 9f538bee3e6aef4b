"""Frames that this machine lost before any wire: nodes sent them, and the engine had no time to read them."""

from collections.abc import Mapping

from dataplane.client import EngineClient
from dataplane.counters import map_counters
from dataplane.links.link import UNREAD_SLOT, LinkCounters
from netns_lab.directory import LabDirectory


class UnreadWatch:
    """Counts those of all links from when it is made. Raises what EngineClient does."""

    def __init__(self, engine: EngineClient, directory: LabDirectory) -> None:
        """`engine` stays the caller's."""
        self._engine = engine
        self._counters = map_counters(directory.counters)
        self._before = self._read()

    def rise(self) -> dict[str, int]:
        """Until now, by the node and the link where there were some."""
        now = self._read()
        return {where: now[where] - count for where, count in self._before.items() if now[where] > count}

    def _read(self) -> dict[str, int]:
        self._engine.count_unread()
        return {
            f"{end.node} on {state.name}": int(wire[UNREAD_SLOT])
            for state in self._engine.links()
            for end, wire in zip(state.ends, LinkCounters.at(self._counters, state.slot).wires, strict=True)
        }


def unread_doubts(unread: Mapping[str, int]) -> list[str]:
    """The sentence that says what of the loss is the machine's own, where there is any."""
    if not unread:
        return []
    where = ", ".join(f"{count} of {sender}" for sender, count in unread.items())
    return [
        f"this machine lost frames before any wire, with no time to read them ({where}): no fault did that"
    ]
