"""Whatever happened before, the next controller's router finds everything right and changes nothing of it."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from control.bgp.model import Event, SessionDown, SessionUp, SnapshotEnd, Withdraw
from control.routes.model import FAMILIES, Installed, KernelNexthop, Operation, Refused
from control.routes.model_kernel import ModelKernel
from control.routes.table import RouteTable
from tests.router.setting import FAR, INTERIOR, OVER, OWN, V4, Setting, announce, make_router, make_sessions

PREFIXES = (FAR, "198.51.100.0/24", "203.0.113.0/24")
IFINDEXES = tuple(sorted({ifindex for over in OVER.values() for ifindex in over}))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("announce"), st.sampled_from(list(OVER)), st.sampled_from(PREFIXES)),
        st.tuples(st.just("withdraw"), st.sampled_from(list(OVER)), st.sampled_from(PREFIXES)),
        st.tuples(st.just("up"), st.sampled_from(list(OVER)), st.none()),
        st.tuples(st.sampled_from(("lose", "lose ipv4", "regain")), st.sampled_from(IFINDEXES), st.none()),
    ),
    max_size=15,
)


class Found:
    """A kernel as an earlier router left it, which writes down what it is asked."""

    def __init__(self, kernel: ModelKernel) -> None:
        self._kernel = kernel
        self.asked: list[Operation] = []

    def execute(self, operations: Iterable[Operation]) -> list[Refused]:
        asked = list(operations)
        self.asked += asked
        return self._kernel.execute(asked)

    def dump(self) -> Installed:
        return self._kernel.dump()

    def nexthops(self) -> list[KernelNexthop]:
        return self._kernel.nexthops()


class History:
    """A setting to which things happen; what its helper would replay, and which ways are usable."""

    def __init__(self) -> None:
        self.setting = Setting()
        self.heard: dict[str, set[str]] = {peer: set() for peer in OVER}
        self.lost: set[tuple[int, str]] = set()

    def happens(self, what: str, where: str | int, prefix: str | None) -> None:
        setting = self.setting
        if isinstance(where, int):
            families = ["ipv4"] if what == "lose ipv4" else list(FAMILIES)
            if what == "regain":
                self.lost -= {(where, family) for family in families}
                setting.regain(where)
                return
            self.lost |= {(where, family) for family in families}
            if what == "lose":
                setting.kernel.link_down(where)
            setting.router.path_loss(where, families)
            setting.router.end_sessions(where, "lost", 2)
        elif what == "up":
            if not setting.router.sessions[where].up:
                setting.receive(SessionUp(where))
                self.heard[where] = set()
        elif setting.router.sessions[where].up:
            assert prefix is not None
            if what == "announce":
                self.heard[where].add(prefix)
                setting.receive(announce(where, prefix))
            else:
                self.heard[where].discard(prefix)
                setting.receive(Withdraw(where, V4, (prefix,)))

    def replayed(self) -> list[Event]:
        events: list[Event] = []
        for peer, session in self.setting.router.sessions.items():
            if not session.up:
                events.append(SessionDown(peer, "lost"))
                continue
            events.append(SessionUp(peer))
            if self.heard[peer]:
                events.append(announce(peer, *sorted(self.heard[peer])))
        return [*events, SnapshotEnd()]


@given(steps=STEPS)
def test_a_next_router_finds_all_as_it_is_to_be(steps: list[tuple[str, str | int, str | None]]) -> None:
    history = History()
    for step in steps:
        history.happens(*step)
    before = history.setting.kernel.dump()
    found = Found(history.setting.kernel)
    table = RouteTable(found, history.lost)
    after = make_router(history.setting.config, make_sessions(), [OWN], table, interior=INTERIOR)
    after.receive(history.replayed(), 3)
    assert found.asked == []
    assert history.setting.kernel.dump() == before
