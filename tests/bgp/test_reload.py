"""Real ExaBGP goes by another configuration: sessions that stay lose nothing, whatever other neighbors do."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from control.bgp.configuration import NeighborConfig, SpeakerConfig
from control.bgp.journal import Journal
from control.bgp.model import AddressFamily, SessionDown, SnapshotEnd
from tests.bgp.two_routers import LINKS, PREFIXES, Router, address, config, play

pytestmark = pytest.mark.lab

UNREACHABLE = NeighborConfig("169.254.0.1", "169.254.0.99", 64999, AddressFamily.IPV4_UNICAST)


def over(links: set[int], full: SpeakerConfig) -> SpeakerConfig:
    """The configuration with only the neighbors over some links, and one that never answers."""
    peers = {address(side, link, version) for link in links for side in (0, 1) for version in (4, 6)}
    kept = tuple(neighbor for neighbor in full.neighbors if neighbor.peer_address in peers)
    return replace(full, neighbors=(*kept, replace(UNREACHABLE, local_address=kept[0].local_address)))


async def succeeded(old: Router, side: int, directory: Path, links: set[int]) -> Router:
    new = Router(side, directory, over(links, config(side)))
    await old.speaker.detach()
    new.speaker.succeed(old.speaker)
    await new.until(lambda: bool(new.snapshots))
    return new


def test_neighbors_leave_and_come_back_and_the_others_notice_nothing(
    namespaces: tuple[str, str], tmp_path: Path
) -> None:
    everything = set(range(LINKS))
    staying = [{address(1 - side, 0, version) for version in (4, 6)} for side in (0, 1)]

    async def scene(a: Router, b: Router) -> None:
        await a.learned(PREFIXES[1])
        await b.learned(PREFIXES[0])
        pids = a.speaker.pid, b.speaker.pid
        routers = [a, b]
        try:
            for links in ({0}, everything, {0}, everything):
                routers = [
                    await succeeded(router, side, tmp_path, links) for side, router in enumerate(routers)
                ]
                if links == everything:
                    for side, router in enumerate(routers):
                        await router.learned(PREFIXES[1 - side], len(links))
                for side, router in enumerate(routers):
                    lost = {down.neighbor for down in router.downs if down.reason}
                    assert not staying[side] & lost, links
            assert (routers[0].speaker.pid, routers[1].speaker.pid) == pids
        finally:
            await asyncio.gather(*(router.speaker.stop() for router in routers))

    play(tmp_path, scene, (over(everything, config(0)), over(everything, config(1))))


def test_a_forgotten_neighbor_is_in_no_snapshot() -> None:
    journal = Journal()
    journal.record_command("neighbor 10.0.0.1 announce attributes next-hop self nlri 10.1.0.0/16")
    journal.receive(SessionDown("10.0.0.1", "removed"))
    assert len(list(journal.snapshot())) == 3
    journal.record_command("# forget neighbor 10.0.0.1")
    assert list(journal.snapshot()) == [SnapshotEnd()]
