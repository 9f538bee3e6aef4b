"""Real ExaBGP: sessions end once for each reason that there is, and connect as soon as they can."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from control.bgp import commands
from tests.bgp.two_routers import LINKS, PREFIXES, Router, play

pytestmark = pytest.mark.lab

SESSIONS = 2 * LINKS


def end_all(router: Router) -> None:
    router.speaker.send(commands.teardown(peer.peer_address) for peer in router.config.neighbors)


async def all_down(router: Router) -> None:
    await router.until(lambda: not router.up)


async def all_ended(router: Router) -> None:
    await router.until(lambda: len(router.downs) >= SESSIONS)


async def heard_anything(router: Router) -> None:
    await router.until(lambda: router.announcements > 0)


def test_sessions_that_both_ends_end_at_once_come_back_at_once(
    namespaces: tuple[str, str], tmp_path: Path
) -> None:
    async def scene(a: Router, b: Router) -> None:
        pair = (a, b)
        for _ in range(20):
            for router in pair:
                await router.established()
            for router in pair:
                router.downs.clear()
                end_all(router)
            for router in pair:
                await all_ended(router)
        for router, prefixes in zip(pair, reversed(PREFIXES), strict=True):
            await router.learned(prefixes)
            assert len(router.downs) == SESSIONS

    play(tmp_path, scene)


def reload(router: Router) -> None:
    slower = tuple(replace(peer, hold_time_s=9) for peer in router.config.neighbors)
    router.speaker.configure(replace(router.config, neighbors=slower))


@pytest.mark.parametrize("act", [end_all, reload])
def test_what_is_asked_of_sessions_that_are_down_does_not_end_the_next_ones(
    act: Callable[[Router], None], namespaces: tuple[str, str], tmp_path: Path
) -> None:
    async def scene(a: Router, b: Router) -> None:
        for held, other in ((a, b), (b, a)):
            await held.established()
            await other.established()
            held.speaker.hold()
            await all_down(held)
            await all_down(other)
            act(other)
            for router in (a, b):
                router.downs.clear()
            held.speaker.release()
            await other.established()
            await held.learned(PREFIXES[0 if other is a else 1])
            await other.learned(PREFIXES[0 if other is b else 1])
            assert held.downs == other.downs == []

    play(tmp_path, scene)


def test_reconnect_leaves_a_session_that_is_up_alone(namespaces: tuple[str, str], tmp_path: Path) -> None:
    async def scene(a: Router, b: Router) -> None:
        await a.learned(PREFIXES[1])
        await b.learned(PREFIXES[0])
        for router in (a, b):
            router.downs.clear()
        for router, other in ((a, b), (b, a)):
            other.announcements = 0
            peer = router.config.neighbors[0].peer_address
            router.speaker.send(
                [commands.reconnect(peer), *commands.announce(peer, "next-hop self", ["10.9.0.0/16"])]
            )
            await heard_anything(other)
            assert other.announcements == 1
            assert other.downs == router.downs == []

    play(tmp_path, scene)
