"""The BFD sessions of a lab's guard: those that the plan has, and which paths they found lost.

What is lost outlives the guard in a file: the next one has not seen the path up, and must not
believe it good.
"""

import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple

from control.bfd.service import BfdService, Endpoint, SessionKey
from control.bfd.session import Session, Settings
from control.bfd.state import BfdState, state_of
from dataplane.whole_file import write_whole
from netns_lab.directory import LabDirectory
from netns_lab.plan import LabPlan

PRIORITY = 2
"""Of the thread that sends and hears: before the guard itself."""
log = logging.getLogger("bfd")


class BfdSessions:
    """Keeps the sessions of the nodes that the guard serves.

    Wait for `fileno()` to be readable, then `read()`. `on_path` is called when a path is lost or found again,
    first; `on_state` when what there is to tell of a session has changed.
    """

    def __init__(
        self,
        directory: LabDirectory,
        on_path: Callable[[SessionKey, bool, int], None],
        on_state: Callable[[BfdState], None],
    ) -> None:
        """Raises OSError."""
        self._file = directory.lost_paths
        self._on_path = on_path
        self._on_state = on_state
        self._service = BfdService(self._changed, PRIORITY)
        self._told: dict[SessionKey, BfdState] = {}
        self._lost = set(self._remembered())

    def fileno(self) -> int:
        return self._service.fileno()

    def states(self) -> list[BfdState]:
        """All sessions as they are now."""
        self._told = {key: self._state(key) for key in self._service.sessions}
        return list(self._told.values())

    def read(self) -> None:
        """Takes in what was heard, or not, since the last call."""
        for key in self._service.read():
            state = self._state(key)
            if state != self._told.get(key):
                self._told[key] = state
                self._on_state(state)

    def follow(
        self, plan: LabPlan, ifindexes: Mapping[tuple[str, str], int], inodes: Mapping[str, int]
    ) -> None:
        """Makes the sessions those of the plan, at nodes of which `inodes` has the namespace.

        Those that stay go on, with new intervals by a poll sequence; those that go end administratively.
        """
        wanted = dict(_wanted(plan, ifindexes, inodes))
        for key in [*self._service.sessions]:
            endpoint = self._service.endpoint(key)
            if key not in wanted or wanted[key][0] != endpoint:
                self._service.end(key)
                self._set_lost(key, False, time.monotonic_ns())
        for key in self._lost - wanted.keys():
            self._set_lost(key, False, time.monotonic_ns())
        for key, (endpoint, settings) in wanted.items():
            if self._service.endpoint(key) is not None:
                self._service.change(key, settings)
            else:
                self._open(key, endpoint, settings)

    def close(self) -> None:
        """Ends all sessions administratively: no neighbor takes a path away for that."""
        self._service.close()

    def _open(self, key: SessionKey, endpoint: Endpoint, settings: Settings) -> None:
        lost = key in self._lost
        try:
            self._service.open(key, endpoint, settings, path_lost=lost)
        except OSError as error:
            log.error("no BFD session at %s:%s (%s): %s", key.node, key.interface, key.family, error)
            return
        if lost:
            self._on_path(key, True, time.monotonic_ns())

    def _changed(self, key: SessionKey, session: Session, t_ns: int) -> None:
        self._set_lost(key, session.path_lost, t_ns)

    def _set_lost(self, key: SessionKey, lost: bool, t_ns: int) -> None:
        if lost == (key in self._lost):
            return
        self._on_path(key, lost, t_ns)
        self._lost ^= {key}
        # Where it cannot be written the next guard believes the path good until it has seen it up.
        with contextlib.suppress(OSError):
            write_whole(self._file, json.dumps([astuple(key) for key in self._lost]))

    def _remembered(self) -> list[SessionKey]:
        try:
            return [SessionKey(*key) for key in json.loads(self._file.read_text())]
        except FileNotFoundError:
            return []
        except (OSError, TypeError, ValueError) as error:
            log.error("which paths were lost before is not known: %s", error)
            return []

    def _state(self, key: SessionKey) -> BfdState:
        endpoint = self._service.endpoint(key)
        assert endpoint is not None
        return state_of(key.node, key.interface, key.family, endpoint.peer, self._service.sessions[key])


def _wanted(
    plan: LabPlan, ifindexes: Mapping[tuple[str, str], int], inodes: Mapping[str, int]
) -> Iterator[tuple[SessionKey, tuple[Endpoint, Settings]]]:
    namespaces = {node.name: node.namespace for node in plan.nodes}
    for session in (session for link in plan.links for session in link.bfd):
        for end in session.ends:
            ifindex = ifindexes.get((end.node, end.interface))
            if ifindex is None or end.node not in inodes:
                continue
            local, peer = session.seen_from(end.node)
            endpoint = Endpoint(namespaces[end.node], inodes[end.node], ifindex, local.address, peer.address)
            key = SessionKey(end.node, end.interface, session.family)
            yield key, (endpoint, Settings(end.interval_us, end.multiplier))
