"""`quadlink metrics`: reads labs from outside and answers Prometheus.

Counters come out of shared memory, carriers from the engine's events. The engine is asked for its links only
when the lab's plan has changed; once a scrape it counts what it had no time to read, and the controller is
asked for its BGP sessions.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import start_http_server

from dataplane.client import EngineEvents
from dataplane.counters import map_counters
from dataplane.interface import CarrierEvent, LinkState
from dataplane.lines import Document, LineStream
from dataplane.links.link import LINK_SLOTS, Counters, LinkCounters
from netns_lab.api import listens
from netns_lab.directory import LabDirectory, LabError, running_labs
from netns_lab.metrics import LabReading, LinkReading, registry
from netns_lab.running_links import asked_engine

ANSWER_TIMEOUT_S = 1.0
"""A scrape does not wait longer for a controller that is stopped."""
HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class _Engine:
    """An engine that is listened to: its links as they were when the plan was `plan`."""

    events: EngineEvents
    counters: Counters
    plan: tuple[int, int]
    links: list[LinkState]
    carriers: dict[tuple[str, str, str], bool]


class LabSource:
    """One lab, read again and again, whatever of it ends or is built anew meanwhile."""

    def __init__(self, directory: LabDirectory) -> None:
        self._directory = directory
        self._engine: _Engine | None = None

    def read(self) -> LabReading:
        """The lab now. What does not answer is left out."""
        links = self._read_links()
        sessions = self._read_sessions()
        processes = {
            "engine": links is not None,
            "guard": listens(self._directory.guard_socket, ANSWER_TIMEOUT_S),
            "controller": sessions is not None,
        }
        return LabReading(self._directory.name, processes, links or [], sessions or [])

    def close(self) -> None:
        if self._engine is not None:
            self._engine.events.close()
            self._engine = None

    def _read_links(self) -> list[LinkReading] | None:
        try:
            engine = self._listen()
            with asked_engine(self._directory) as asked:
                asked.count_unread()
        except (OSError, LabError):
            self.close()
            return None
        readings = []
        for state in engine.links:
            first, second = (engine.carriers[state.name, end.node, end.interface] for end in state.ends)
            slots = engine.counters[state.slot * LINK_SLOTS : (state.slot + 1) * LINK_SLOTS].copy()
            readings.append(LinkReading(state, (first, second), LinkCounters.of(slots)))
        return readings

    def _listen(self) -> _Engine:
        """The engine with what is newly known of it. Raises OSError or LabError without it."""
        status = os.stat(self._directory.plan)
        plan = status.st_ino, status.st_mtime_ns
        if self._engine is not None and self._engine.plan != plan:
            self.close()
        if self._engine is None:
            self._engine = self._connect(plan)
        while news := self._engine.events.read():
            for event in news:
                if isinstance(event, CarrierEvent):
                    self._engine.carriers[event.link, event.node, event.interface] = event.carrier
        return self._engine

    def _connect(self, plan: tuple[int, int]) -> _Engine:
        events = EngineEvents(self._directory.engine_socket)
        try:
            with asked_engine(self._directory) as engine:
                states = engine.links()
            planned = {link["name"] for link in self._directory.read_plan()["links"]}
            links = [state for state in states if state.name in planned]
            carriers = {
                (state.name, end.node, end.interface): end.carrier for state in states for end in state.ends
            }
            return _Engine(events, map_counters(self._directory.counters), plan, links, carriers)
        except BaseException:
            events.close()
            raise

    def _read_sessions(self) -> list[Document] | None:
        try:
            stream = LineStream(self._directory.controller_socket, ANSWER_TIMEOUT_S)
            try:
                stream.send({"request": "inspect", "arguments": {"topic": "bgp"}})
                sessions: list[Document] = stream.receive()["result"]["sessions"]
            finally:
                stream.close()
        except (OSError, KeyError, ValueError):
            return None
        return sessions


class Sources:
    """The labs that are read: one, or all that there are at the time."""

    def __init__(self, name: str | None) -> None:
        self._name = name
        self._sources: dict[str, LabSource] = {}
        self._lock = threading.Lock()  # scrapes may overlap

    def read(self) -> list[LabReading]:
        """Every lab now."""
        with self._lock:
            names = running_labs() if self._name is None else [self._name]
            for gone in self._sources.keys() - names:
                self._sources.pop(gone).close()
            for name in names:
                self._sources.setdefault(name, LabSource(LabDirectory(name)))
            return [source.read() for source in self._sources.values()]


@contextmanager
def exporter(listen: str, sources: Sources) -> Iterator[str]:
    """Answers scrapes at HOST:PORT, in threads of its own, for the time of a block; port 0 is any free one.

    Gives the URL. Raises LabError where it cannot listen there.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > HIGHEST_PORT:
        raise LabError(
            f"--listen: found {listen!r}, expected an address such as 127.0.0.1:9817 or [::1]:9817"
        )
    try:
        server, _ = start_http_server(int(port), host.strip("[]"), registry(sources.read))
    except OSError as error:
        raise LabError(f"--listen: cannot listen on {listen}: {error.strerror}") from None
    try:
        yield f"http://{host}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
