"""What is told of a BFD session to who looks at a lab."""

from dataclasses import dataclass

from control.bfd.packet import Diagnostic, State
from control.bfd.session import Session


def words(name: State | Diagnostic) -> str:
    """A state or a diagnostic as people read it."""
    return name.name.lower().replace("_", " ")


@dataclass(frozen=True, slots=True)
class BfdState:
    """One session of a node as its own end sees it; since_ns is monotonic.

    What is the neighbor's is None while nothing is heard of it.
    """

    node: str
    interface: str
    family: str
    peer: str
    """The neighbor's address."""
    state: str
    since_ns: int
    diagnostic: str
    """Why it last ceased to be up; `none` if it never did."""
    path_lost: bool
    interval_us: int
    multiplier: int
    transmit_interval_us: int | None
    """What came of both ends' wishes, before jitter; None where the neighbor wants nothing sent."""
    remote_interval_us: int | None
    """How often the neighbor wishes to send."""
    remote_multiplier: int | None
    detection_time_us: int | None


def state_of(node: str, interface: str, family: str, peer: str, session: Session) -> BfdState:
    """A session as it is now."""
    remote = session.remote
    return BfdState(
        node,
        interface,
        family,
        peer,
        words(session.state),
        session.since_ns,
        words(session.last_failure),
        session.path_lost,
        session.settings.interval_us,
        session.settings.multiplier,
        session.interval_us,
        remote.desired_min_tx_us if remote else None,
        remote.multiplier if remote else None,
        session.detection_time_us if remote else None,
    )
