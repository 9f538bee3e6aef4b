"""`quadlink ping-all`: asks, from one process, for everything that a lab promises to reach."""

import select
import time
from contextlib import ExitStack, closing

from dataplane import descriptors
from dataplane.probes.echo import EchoSocket
from netns_lab.directory import LabError
from netns_lab.plan import Family, LabPlan
from netns_lab.reachability import Reachability

ROUNDS = 3
# So many requests may be on their way, which is fewer than an interface queues.
WINDOW = 256
# When no answer came for so long they are not waited for any more: there is a hole, or a link with delay.
PATIENCE_S = 0.02
# After the last burst of a round: as long as an answer is still worth waiting for.
QUIET_S = 1.0


def ping_all(plan: LabPlan, reachability: Reachability) -> None:
    """Asks ROUNDS times for what is not answered yet, and notes the answers.

    Raises LabError where there is nothing to ask, OSError where a node's namespace or address is gone.
    """
    if not reachability.count(False):
        raise LabError(f"no two nodes of lab {plan.name} are to reach each other")
    descriptors.allow_all()
    with ExitStack() as opened:
        pinger = _Pinger(plan, reachability, opened)
        for _ in range(ROUNDS):
            pinger.round()


class _Pinger:
    """A number, which a request carries and its answer brings back, is a place in the matrix of a family."""

    def __init__(self, plan: LabPlan, reachability: Reachability, opened: ExitStack) -> None:
        self._reachability = reachability
        self._sockets: dict[tuple[Family, int], EchoSocket] = {}
        self._by_descriptor: dict[int, tuple[Family, EchoSocket]] = {}
        self._epoll = opened.enter_context(select.epoll())
        for family, addresses in reachability.addresses.items():
            for source, address in enumerate(addresses):
                if address is not None and False in reachability.answers[family][source]:
                    echo = opened.enter_context(closing(EchoSocket(plan.nodes[source].namespace, address)))
                    self._sockets[family, source] = echo
                    self._by_descriptor[echo.fileno()] = family, echo
                    self._epoll.register(echo.fileno(), select.EPOLLIN)

    def round(self) -> None:
        """Asks once for all that is not answered."""
        waited_for = 0
        for family, source, destination in self._reachability.unanswered():
            address = self._reachability.addresses[family][destination]
            assert address is not None, "nobody asks for a node without an address"
            number = source * len(self._reachability.nodes) + destination
            self._sockets[family, source].ask(address, number)
            waited_for += 1
            while waited_for >= WINDOW:
                new = self._listen(PATIENCE_S)
                waited_for = max(0, waited_for - new) if new else 0
        waited_for = self._reachability.count(False)
        while waited_for > 0 and (new := self._listen(QUIET_S)):
            waited_for -= new

    def _listen(self, timeout_s: float) -> int:
        """Waits for answers; how many are new, 0 when the time is over."""
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            if new := sum(self._take(descriptor) for descriptor, _ in self._epoll.poll(left_s)):
                return new
        return 0

    def _take(self, descriptor: int) -> int:
        """How many answers are new of those that a socket has."""
        family, echo = self._by_descriptor[descriptor]
        answers = self._reachability.answers[family]
        new = 0
        for address, number in echo.answers():
            source, destination = divmod(number, len(self._reachability.nodes))
            asked = self._sockets.get((family, source)) is echo
            if asked and self._reachability.addresses[family][destination] == address:
                new += answers[source][destination] is False
                answers[source][destination] = True
        return new
