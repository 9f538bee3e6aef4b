"""What the guard tells: the state of every interface to whoever connects, then each change.

One JSON object a line on a unix socket. `{"interfaces": [...], "bfd": [...]}` is the whole truth at its
moment, `{"change": {...}}` and `{"session": {...}}` what came after it. A client may send `{"reload": true}`:
the guard looks again which interfaces there are, and tells everybody by a new whole truth.
`{"controller": true}` says that the client is the one to be started again should it end.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from control.bfd.state import BfdState
from dataplane.lines import Document, LineStream

TIMEOUT_S = 10.0


class GuardGone(ConnectionError):
    """The guard does not answer, now or any more."""


@dataclass(frozen=True, slots=True)
class InterfaceState:
    """Which families an interface of a router can carry; `ifindex` is its number in the namespace."""

    node: str
    interface: str
    ifindex: int
    families: dict[str, bool]

    @property
    def usable(self) -> bool:
        """Whether it can carry any."""
        return any(self.families.values())


@dataclass(frozen=True, slots=True)
class InterfaceChange:
    """An interface became usable in these families, or stopped being so, at monotonic time t_ns.

    By the word of `witness`. `moved_ns` is when the guard had taken what was lost out of the nexthop groups;
    None: it was in none.
    """

    node: str
    interface: str
    ifindex: int
    families: tuple[str, ...]
    usable: bool
    witness: str
    t_ns: int
    moved_ns: int | None


News = list[InterfaceState] | InterfaceChange | BfdState


def states_document(states: Iterable[InterfaceState], bfd: Iterable[BfdState] = ()) -> Document:
    """The whole truth as it travels."""
    return {"interfaces": [asdict(state) for state in states], "bfd": [asdict(state) for state in bfd]}


def change_document(change: InterfaceChange) -> Document:
    """One change as it travels."""
    return {"change": asdict(change)}


def session_document(session: BfdState) -> Document:
    """A BFD session that changed, as it travels."""
    return {"session": asdict(session)}


class GuardEvents:
    """The guard's word, for a loop that waits on fileno(). The first of `read` is the whole truth.

    `bfd` is what it told last of each BFD session, by node, interface and family.
    """

    def __init__(self, socket_path: Path) -> None:
        """Raises GuardGone where nothing listens on the socket."""
        try:
            self._stream = LineStream(socket_path, TIMEOUT_S)
        except OSError as error:
            raise GuardGone(f"no guard listens on {socket_path}: {error}") from error
        self.bfd: dict[tuple[str, str, str], BfdState] = {}

    @property
    def pid(self) -> int:
        """The guard's process."""
        return self._stream.pid

    @property
    def closed(self) -> bool:
        return self._stream.closed

    def fileno(self) -> int:
        return self._stream.fileno()

    def close(self) -> None:
        self._stream.close()

    def wait(self) -> list[InterfaceState]:
        """The whole truth that comes first, or after a `reload`; raises GuardGone where none comes.

        Changes that come before it are in it.
        """
        try:
            while not isinstance(news := self._news(self._stream.receive()), list):
                pass
        except OSError as error:
            raise GuardGone(f"the guard does not answer: {error}") from error
        return news

    def read(self) -> list[News]:
        """What has come since the last call, without waiting; raises GuardGone at the guard's end."""
        try:
            return [self._news(document) for document in self._stream.take()]
        except OSError as error:
            raise GuardGone(str(error)) from error

    def reload(self) -> None:
        """Has the guard look at the lab again; raises GuardGone."""
        self._ask("reload")

    def introduce(self) -> None:
        """Says that this process is the controller; raises GuardGone."""
        self._ask("controller")

    def _ask(self, what: str) -> None:
        try:
            self._stream.send({what: True})
        except OSError as error:
            raise GuardGone(str(error)) from error

    def _news(self, document: Document) -> News:
        if "session" in document:
            session = BfdState(**document["session"])
            self.bfd[session.node, session.interface, session.family] = session
            return session
        if "change" in document:
            change = document["change"]
            return InterfaceChange(**{**change, "families": tuple(change["families"])})
        told = [BfdState(**session) for session in document["bfd"]]
        self.bfd = {(state.node, state.interface, state.family): state for state in told}
        return [InterfaceState(**state) for state in document["interfaces"]]
