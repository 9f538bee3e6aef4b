"""What is still on its way between two routers: announced by policy at one end, not taken in at the other."""

from collections.abc import Sequence

import pytest

from control.bgp.configuration import NeighborConfig, SpeakerConfig
from control.bgp.model import (
    GRACEFUL_SHUTDOWN,
    Announce,
    Origin,
    PathAttributes,
    SessionUp,
    SnapshotEnd,
)
from control.bgp.policy import LimitAction, MaximumPrefixes, NeighborSettings, PrefixRange, Term
from control.router import Router
from control.routes.model_kernel import ModelKernel
from control.routes.table import RouteTable
from control.session import Session
from tests.router.setting import PLAIN, V4, make_router

HERE, THERE, BEYOND = "169.254.0.0", "169.254.0.1", "169.254.0.3"
OWN, TRANSIT, PRIVATE, OURS = "10.2.0.0/16", "10.3.0.0/16", "10.2.200.0/24", "10.1.0.0/16"


def router(asn: int, peers: Sequence[NeighborConfig], originate: Sequence[str]) -> Router:
    made = make_router(
        SpeakerConfig("r", asn, f"10.255.0.{asn}", tuple(peers)),
        [Session(peer.peer_address, "r", "ch1", "ch1", frozenset({7})) for peer in peers],
        originate,
        RouteTable(ModelKernel()),
        interior={},
    )
    made.receive([SessionUp(peer.peer_address) for peer in peers] + [SnapshotEnd()], 1)
    return made


def here(settings: NeighborSettings = PLAIN) -> Router:
    return router(1, [NeighborConfig(HERE, THERE, 2, V4, settings=settings)], [OURS])


@pytest.fixture
def there() -> Router:
    """Announces two prefixes of its own, one of them to nobody, and two that another AS brought."""
    private = Term((PrefixRange.parse(PRIVATE),), accept=False)
    settings = NeighborSettings(export_terms=(private,))
    peers = [NeighborConfig(THERE, HERE, 1, V4, settings=settings), NeighborConfig(THERE, BEYOND, 3, V4)]
    made = router(2, peers, [OWN, PRIVATE])
    made.receive([announcement(BEYOND, (3,), TRANSIT), announcement(BEYOND, (3, 1), "10.9.0.0/16")], 2)
    return made


def announcement(neighbor: str, as_path: tuple[int, ...], *prefixes: str) -> Announce:
    return Announce(neighbor, V4, neighbor, PathAttributes(Origin.IGP, as_path), prefixes)


def test_what_export_policy_and_loops_leave_is_unheard_until_it_has_come(there: Router) -> None:
    ours = here()
    assert set(ours.unheard(THERE, there)) == {OWN, TRANSIT}
    ours.receive([announcement(THERE, (2, 3), TRANSIT)], 3)
    assert ours.unheard(THERE, there) == [OWN]
    ours.receive([announcement(THERE, (2,), OWN)], 4)
    assert ours.unheard(THERE, there) == []


def test_what_has_not_been_heard_to_be_the_last_to_be_used_is_unheard(there: Router) -> None:
    ours = here()
    ours.receive([announcement(THERE, (2, 3), TRANSIT), announcement(THERE, (2,), OWN)], 3)
    there.drain(frozenset(), frozenset({BEYOND}))
    assert ours.unheard(THERE, there) == [TRANSIT]
    last = PathAttributes(Origin.IGP, (2, 3), communities=(GRACEFUL_SHUTDOWN,))
    ours.receive([Announce(THERE, V4, THERE, last, (TRANSIT,))], 4)
    assert ours.unheard(THERE, there) == []
    there.drain(frozenset())
    assert ours.unheard(THERE, there) == [TRANSIT]


def test_what_import_policy_refuses_or_a_limit_leaves_out_is_not_waited_for(there: Router) -> None:
    refusing = here(NeighborSettings(import_terms=(Term((PrefixRange.parse(OWN),), accept=False),)))
    assert refusing.unheard(THERE, there) == [TRANSIT]
    limited = here(NeighborSettings(maximum_prefixes=MaximumPrefixes(1, LimitAction.DISCARD)))
    limited.receive([announcement(THERE, (2,), OWN, TRANSIT)], 3)
    assert limited.unheard(THERE, there) == []
