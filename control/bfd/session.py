"""One BFD session, RFC 5880 section 6.8: states, poll sequences, intervals and detection, free of I/O.

Asynchronous mode. Left out: the Echo function, Demand mode of our own (a neighbor's is respected), the
Passive role, authentication. Both intervals that a session asks for, to send and to receive, are the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from control.bfd.packet import ControlPacket, Diagnostic, State

NS_PER_US = 1_000
SLOW_US = 1_000_000
"""No session that is not Up sends more often (6.8.3)."""
EARLIEST, LATEST, LATEST_OF_ONE = 0.75, 1.0, 0.9
"""Within these parts of the interval a packet is sent, the last for a multiplier of 1 (6.8.7)."""

NEXT_STATE: Mapping[tuple[State, State], State] = MappingProxyType(
    {
        (State.ADMIN_DOWN, State.ADMIN_DOWN): State.ADMIN_DOWN,
        (State.ADMIN_DOWN, State.DOWN): State.ADMIN_DOWN,
        (State.ADMIN_DOWN, State.INIT): State.ADMIN_DOWN,
        (State.ADMIN_DOWN, State.UP): State.ADMIN_DOWN,
        (State.DOWN, State.ADMIN_DOWN): State.DOWN,
        (State.DOWN, State.DOWN): State.INIT,
        (State.DOWN, State.INIT): State.UP,
        (State.DOWN, State.UP): State.DOWN,
        (State.INIT, State.ADMIN_DOWN): State.DOWN,
        (State.INIT, State.DOWN): State.INIT,
        (State.INIT, State.INIT): State.UP,
        (State.INIT, State.UP): State.UP,
        (State.UP, State.ADMIN_DOWN): State.DOWN,
        (State.UP, State.DOWN): State.DOWN,
        (State.UP, State.INIT): State.UP,
        (State.UP, State.UP): State.UP,
    }
)
"""(our state, the state that is received) to our next state (6.2 and 6.8.6)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an end of a session asks for."""

    interval_us: int
    """To send and to receive at, 1 to 2**32 - 1; 1 s at least holds until the session is Up."""
    multiplier: int
    """So many packets may be lost in succession, 1 to 255, before the other end finds the path down."""


class Session:
    """One end of a session. Whatever the outside did: `packets()` are to be sent then, each at once.

    `random` draws from 0 to 1, for the jitter. Times are nanoseconds of one clock.
    """

    def __init__(
        self, discriminator: int, settings: Settings, now_ns: int, random: Callable[[], float]
    ) -> None:
        self.discriminator = discriminator
        self.settings = settings
        self.state = State.DOWN
        self.since_ns = now_ns
        """When the state last changed."""
        self.diagnostic = Diagnostic.NONE
        """Why the session is not Up."""
        self.last_failure = Diagnostic.NONE
        """Why the session last ceased to be Up."""
        self.path_lost = False
        """Whether the session was Up and failed; until it is Up again or an end is administratively down."""
        self.remote: ControlPacket | None = None
        """The neighbor's newest packet; None after a detection time without one."""
        self._random = random
        self._outbox: list[ControlPacket] = []
        self._sent: ControlPacket | None = None
        self.heard_ns = 0
        """When the newest packet was last heard."""
        self._advertised = self._wanted_intervals()
        # While Up other than advertised, until the neighbor has confirmed that.
        self._sending_us, self._receiving_us = self._advertised
        self._polled: tuple[int, int] | None = None  # the intervals that a poll sequence is about
        self._remote_min_rx_us = 1
        self._last_interval_us = self.interval_us
        self._tx_base_ns = self._next_tx_ns = now_ns

    @property
    def interval_us(self) -> int | None:
        """The time between two packets before jitter; None where the neighbor wants none (6.8.2, 6.8.7)."""
        if self._remote_min_rx_us == 0:
            return None
        remote = self.remote
        if remote and remote.demand and remote.state is self.state is State.UP and self._polled is None:
            return None
        return max(self._sending_us, self._remote_min_rx_us)

    @property
    def jitter(self) -> tuple[float, float]:
        """The earliest and the latest part of the interval at which the next packet may follow."""
        return EARLIEST, LATEST if self.settings.multiplier > 1 else LATEST_OF_ONE

    @property
    def detection_time_us(self) -> int:
        """After so long without a packet the path is down (6.8.4); 0 before the neighbor's first packet."""
        if self.remote is None:
            return 0
        return self.remote.multiplier * max(self._receiving_us, self.remote.desired_min_tx_us)

    @property
    def periodic_packet(self) -> ControlPacket:
        """What is sent at the interval."""
        return replace(self._packet(), poll=self._polled is not None)

    @property
    def repetition(self) -> ControlPacket | None:
        """The packet whose coming once more is no more than `heard`; None while none is."""
        remote = self.remote
        if remote is None or remote.poll or remote.final:
            return None
        return remote if NEXT_STATE[self.state, remote.state] is self.state else None

    @property
    def next_tx_ns(self) -> int | None:
        """When the next periodic packet is due."""
        return None if self.interval_us is None else self._next_tx_ns

    def next_deadline(self) -> int | None:
        """When `advance` has something to do next."""
        deadlines = [self.next_tx_ns, self._detection_deadline()]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def packets(self) -> list[ControlPacket]:
        """What is to be sent, in order, since the last call."""
        packets, self._outbox = self._outbox, []
        return packets

    def receive(self, packet: ControlPacket, now_ns: int) -> bool:
        """Takes a packet of the neighbor; whether it is of this session (6.8.6)."""
        if packet.your_discriminator not in (0, self.discriminator):
            return False
        self.remote = packet
        self.heard_ns = now_ns
        self._remote_min_rx_us = packet.required_min_rx_us
        if packet.final:
            self._poll_answered()
        if packet.state is State.ADMIN_DOWN:
            self.path_lost = False
        self._enter(NEXT_STATE[self.state, packet.state], Diagnostic.NEIGHBOR_SIGNALED_DOWN, now_ns)
        if packet.poll and self.state is not State.ADMIN_DOWN:
            self._send(replace(self._packet(), final=True))
        self._settle(now_ns)
        return True

    def heard(self, t_ns: int) -> None:
        """The neighbor's newest packet came once more at that time."""
        self.heard_ns = max(self.heard_ns, t_ns)

    def advance(self, now_ns: int) -> None:
        """Does what is due: finds that the neighbor fell silent, sends the next periodic packet."""
        detection_ns = self._detection_deadline()
        if detection_ns is not None and now_ns >= detection_ns:
            self.remote = None
            if self.state in (State.INIT, State.UP):
                self._enter(State.DOWN, Diagnostic.DETECTION_TIME_EXPIRED, now_ns)
        self._settle(now_ns)
        if self.next_tx_ns is not None and now_ns >= self.next_tx_ns:
            self._send_periodic(now_ns)

    def change(self, settings: Settings, now_ns: int) -> None:
        """Asks for another interval, by a poll sequence (6.8.3), or has another multiplier (6.8.12)."""
        self.settings = settings
        self._settle(now_ns)

    def disable(self, now_ns: int) -> None:
        """Takes the session administratively down, which takes no path away at the other end (6.8.16)."""
        self.path_lost = False
        self._enter(State.ADMIN_DOWN, Diagnostic.ADMINISTRATIVELY_DOWN, now_ns)
        self._settle(now_ns)

    def _enter(self, state: State, reason: Diagnostic, now_ns: int) -> None:
        if state is self.state:
            return
        if self.state is State.UP:
            self.last_failure = reason
            administrative = state is State.ADMIN_DOWN or (
                self.remote is not None and self.remote.state is State.ADMIN_DOWN
            )
            self.path_lost = not administrative
        if state is State.UP:
            self.diagnostic = Diagnostic.NONE
            self.path_lost = False
        elif state is not State.INIT:
            self.diagnostic = reason
        self.state, self.since_ns = state, now_ns

    def _wanted_intervals(self) -> tuple[int, int]:
        """To send and to receive at, as they are advertised."""
        interval_us = self.settings.interval_us
        return interval_us if self.state is State.UP else max(interval_us, SLOW_US), interval_us

    def _settle(self, now_ns: int) -> None:
        """Makes intervals, schedule and what the neighbor was told last follow the state."""
        wanted = self._wanted_intervals()
        if wanted != self._advertised:
            self._advertised = wanted
            if self._polled is None:
                self._polled = wanted
            # While Up what the neighbor does not know of yet must not make either end miss the other (6.8.3).
            up = self.state is State.UP
            self._sending_us = min(self._sending_us, wanted[0]) if up else wanted[0]
            self._receiving_us = max(self._receiving_us, wanted[1]) if up else wanted[1]
        if self.interval_us != self._last_interval_us:
            self._last_interval_us = self.interval_us
            self._schedule()
        content = self._packet()
        if self._sent is not None and replace(self._sent, poll=False, final=False) != content:
            self._send_periodic(now_ns)

    def _poll_answered(self) -> None:
        """Ends the poll sequence; one about intervals that have changed since is followed by the next."""
        if self._polled is None:
            return
        if self._polled == self._advertised:
            self._polled = None
            self._sending_us, self._receiving_us = self._advertised
        else:
            self._polled = self._advertised

    def _detection_deadline(self) -> int | None:
        return None if self.remote is None else self.heard_ns + self.detection_time_us * NS_PER_US

    def _send_periodic(self, now_ns: int) -> None:
        if self._remote_min_rx_us == 0:
            return
        self._send(self.periodic_packet)
        self._tx_base_ns = now_ns
        self._schedule()

    def _send(self, packet: ControlPacket) -> None:
        self._outbox.append(packet)
        self._sent = packet

    def _schedule(self) -> None:
        if (interval_us := self.interval_us) is not None:
            earliest, latest = self.jitter
            part = earliest + (latest - earliest) * self._random()
            self._next_tx_ns = self._tx_base_ns + int(interval_us * part) * NS_PER_US

    def _packet(self) -> ControlPacket:
        desired_min_tx_us, required_min_rx_us = self._advertised
        return ControlPacket(
            self.state,
            self.diagnostic,
            self.settings.multiplier,
            self.discriminator,
            self.remote.my_discriminator if self.remote else 0,
            desired_min_tx_us,
            required_min_rx_us,
            control_plane_independent=True,
        )
