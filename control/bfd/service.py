"""The BFD sessions of one process: their machines, their sockets, and the native heartbeats that keep them.

The machine judges each packet that is not the repetition of the one before; sending, and hearing those, is
done by a thread that no other Python can hold up.
"""

import ipaddress
import itertools
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from control.bfd.packet import ControlPacket, DecodeError, State
from control.bfd.session import NS_PER_US, Session, Settings
from control.bfd.sockets import SOURCE_PORTS, SessionSockets, open_sockets
from dataplane.heartbeats import Heartbeat, HeartbeatEvent, Heartbeats

LAST_PACKETS = 3
"""Times that the end of a session is told, which nothing repeats later."""


@dataclass(frozen=True, slots=True)
class SessionKey:
    """One family of one interface of a node; there is one session for each (RFC 5881, 3)."""

    node: str
    interface: str
    family: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a session is: its namespace, by name and inode, its device there, and both addresses."""

    namespace: str
    inode: int
    ifindex: int
    address: str
    peer: str


@dataclass(slots=True)
class _Running:
    key: SessionKey
    endpoint: Endpoint
    session: Session
    sockets: SessionSockets
    heartbeat: int
    told: tuple[State, bool]


class BfdService:
    """All `sessions`: wait for `fileno()` to be readable, then `read()`.

    `on_change` is called when a session has another state or its path is lost or found again, before anybody
    else is told.
    """

    def __init__(self, on_change: Callable[[SessionKey, Session, int], None], priority: int) -> None:
        """Starts the thread at that SCHED_FIFO priority, where it is allowed. Raises OSError."""
        self._on_change = on_change
        self._heartbeats = Heartbeats(priority)
        self.sessions: dict[SessionKey, Session] = {}
        self._running: dict[SessionKey, _Running] = {}
        self._by_heartbeat: dict[int, _Running] = {}
        self._source_ports = itertools.cycle(random.sample(SOURCE_PORTS, len(SOURCE_PORTS)))

    def fileno(self) -> int:
        return self._heartbeats.fileno()

    def endpoint(self, key: SessionKey) -> Endpoint | None:
        """Where a session is; None where there is none."""
        running = self._running.get(key)
        return running.endpoint if running else None

    def open(self, key: SessionKey, endpoint: Endpoint, settings: Settings, path_lost: bool = False) -> None:
        """Begins a session; `path_lost`: an earlier one of the same path said so. Raises OSError."""
        sockets = open_sockets(
            endpoint.namespace, key.interface, endpoint.address, endpoint.peer, self._source_ports
        )
        try:
            heartbeat = self._heartbeats.add(sockets.sending.fileno(), sockets.receiving.fileno())
        except OSError:
            sockets.close()
            raise
        now_ns = time.monotonic_ns()
        session = Session(self._new_discriminator(), settings, now_ns, random.random)
        session.path_lost = path_lost
        told = session.state, path_lost
        running = _Running(key, endpoint, session, sockets, heartbeat, told)
        self.sessions[key] = session
        self._running[key] = self._by_heartbeat[heartbeat] = running
        session.advance(now_ns)
        self._follow(running, now_ns)

    def change(self, key: SessionKey, settings: Settings) -> None:
        """Has a session ask for other intervals, or go on where they are the same."""
        running = self._running[key]
        if running.session.settings != settings:
            now_ns = time.monotonic_ns()
            running.session.change(settings, now_ns)
            self._follow(running, now_ns)

    def end(self, key: SessionKey) -> None:
        """Ends a session, administratively: the neighbor takes no path away."""
        running = self._running.pop(key)
        del self.sessions[key], self._by_heartbeat[running.heartbeat]
        running.session.disable(time.monotonic_ns())
        for _ in range(LAST_PACKETS):
            _send(running, running.session.periodic_packet)
        self._heartbeats.remove(running.heartbeat)
        running.sockets.close()

    def close(self) -> None:
        """Ends all sessions, and the thread."""
        for key in list(self._running):
            self.end(key)
        self._heartbeats.close()

    def read(self) -> set[SessionKey]:
        """Takes in what was heard, or not, since the last call; the sessions that it was about."""
        touched = set()
        for event in self._heartbeats.take():
            if (running := self._by_heartbeat.get(event.id)) is not None:
                _take(running, event)
                self._follow(running, event.t_ns)
                touched.add(running.key)
        return touched

    def _new_discriminator(self) -> int:
        taken = {session.discriminator for session in self.sessions.values()} | {0}
        while (number := random.getrandbits(32)) in taken:
            pass
        return number

    def _follow(self, running: _Running, t_ns: int) -> None:
        """Lets everybody know what became of a session: who moves traffic, the neighbor, the thread."""
        session = running.session
        if (now := (session.state, session.path_lost)) != running.told:
            running.told = now
            self._on_change(running.key, session, t_ns)
        for packet in session.packets():
            _send(running, packet)
        self._heartbeats.set(running.heartbeat, _heartbeat(session))


def _take(running: _Running, event: HeartbeatEvent) -> None:
    session = running.session
    if event.packet is None:
        session.heard(event.heard_ns)
        session.advance(event.t_ns)
        return
    try:
        packet = ControlPacket.decode(event.packet)
    except DecodeError:
        return
    # One that does not know the session yet is told by where it came from (RFC 5881, 3).
    if packet.your_discriminator or event.source == ipaddress.ip_address(running.endpoint.peer).packed:
        session.receive(packet, event.t_ns)


def _heartbeat(session: Session) -> Heartbeat:
    interval_ns = None
    if (interval_us := session.interval_us) is not None:
        earliest, latest = session.jitter
        interval_ns = int(interval_us * earliest) * NS_PER_US, int(interval_us * latest) * NS_PER_US
    repetition = session.repetition
    return Heartbeat(
        session.periodic_packet.encode(),
        interval_ns,
        session.next_tx_ns or 0,
        repetition.encode() if repetition else None,
        session.heard_ns,
        session.detection_time_us * NS_PER_US or None,
    )


def _send(running: _Running, packet: ControlPacket) -> None:
    """What cannot be sent is lost, as it could be on the way."""
    for _ in range(2):
        try:
            running.sockets.sending.send(packet.encode())
            return
        except ConnectionRefusedError:  # an answer to an earlier one, told in the place of sending
            continue
        except OSError:
            return
