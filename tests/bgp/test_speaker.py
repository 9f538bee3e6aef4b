"""Real ExaBGP between two routers: everything `Speaker` promises, seen from both controllers."""

import asyncio
import functools
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from control.backoff import Backoff
from control.bgp import commands
from control.bgp.event_lines import decode
from control.bgp.export import Export
from control.bgp.model import (
    SnapshotEnd,
)
from control.bgp.rib import Rib
from dataplane.priority import NICENESS
from tests.bgp.two_routers import (
    EVENT_TIMEOUT_S,
    LINKS,
    MARK,
    NAMESPACES,
    PREFIXES,
    Router,
    address,
    any_begun,
    config,
    helper_of,
    play,
    run,
)
from tests.priorities import niceness

pytestmark = pytest.mark.lab

CLIENT = """
import socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
print(client.recv(1), flush=True)
while client.recv(65536):
    pass
"""


def test_sessions_with_md5_carry_both_families_over_both_links(
    namespaces: tuple[str, str], tmp_path: Path
) -> None:
    async def scene(a: Router, b: Router) -> None:
        for router, other, heard in ((a, b, PREFIXES[1]), (b, a, PREFIXES[0])):
            await router.established()
            await router.learned(heard)
            for prefix, version in zip(heard, (4, 6), strict=True):
                side = 0 if other is a else 1
                hops = [path.next_hop for path in router.rib.best(prefix)]
                assert hops == [address(side, link, version) for link in range(LINKS)]
                assert router.rib.best(prefix)[0].attributes.as_path == (other.config.asn,)
        for path in (a.speaker.configuration_path, a.speaker.socket_path):
            assert path.stat().st_mode & 0o077 == 0
        assert a.speaker.pid is not None
        marks = Path(f"/proc/{a.speaker.pid}/environ").read_bytes().split(b"\0")
        assert f"QUADLINK_LAB={MARK}".encode() in marks
        assert niceness(a.speaker.pid) == {NICENESS}

    play(tmp_path, scene)


def test_a_wrong_password_keeps_its_session_down(namespaces: tuple[str, str], tmp_path: Path) -> None:
    right = config(1)
    wrong = replace(right, neighbors=(replace(right.neighbors[0], password="another"), *right.neighbors[1:]))
    refused = wrong.neighbors[0]

    async def scene(a: Router, b: Router) -> None:
        rest = {neighbor.peer_address for neighbor in b.config.neighbors} - {refused.peer_address}
        await b.until(lambda: b.up >= rest)
        await b.learned(PREFIXES[0][1:])
        await b.learned(PREFIXES[0][:1], paths=LINKS - 1)
        rejected = 0
        while not rejected:
            counters = await asyncio.to_thread(
                subprocess.run,
                ["ip", "netns", "exec", NAMESPACES[1], "cat", "/proc/net/netstat"],
                capture_output=True,
                text=True,
            )
            names, values = (
                line.split() for line in counters.stdout.splitlines() if line.startswith("TcpExt")
            )
            rejected = int(values[names.index("TCPMD5Failure")])
        assert refused.peer_address not in b.up
        assert refused.local_address not in a.up

    play(tmp_path, scene, (config(0), wrong))


def test_speakers_start_one_after_the_other_where_there_is_one_turn(
    namespaces: tuple[str, str], tmp_path: Path
) -> None:
    turns = asyncio.Semaphore()

    async def scene(a: Router, b: Router) -> None:
        await turns.acquire()
        await asyncio.sleep(0)  # both have come to where they wait
        assert (a.speaker.pid, b.speaker.pid) == (None, None)
        turns.release()
        await any_begun(a, b)
        starting, waiting = (a, b) if b.speaker.pid is None else (b, a)
        assert waiting.speaker.pid is None
        starting.speaker.hold()  # a start that comes to nothing gives its turn back
        await waiting.until(lambda: waiting.snapshots > 0)
        starting.speaker.release()
        await a.learned(PREFIXES[1])
        assert not turns.locked()

    play(tmp_path, scene, turns=turns)


def test_a_speaker_that_was_held_starts_as_soon_as_it_is_released(
    namespaces: tuple[str, str], tmp_path: Path
) -> None:
    async def scene(a: Router, b: Router) -> None:
        await a.learned(PREFIXES[1])
        a.speaker.hold()
        await a.until(lambda: a.exits == [-signal.SIGKILL])
        a.speaker.release()
        await a.learned(PREFIXES[1])

    play(tmp_path, scene, backoff=Backoff(first_s=10 * EVENT_TIMEOUT_S))


def test_a_killed_speaker_loses_its_routes_and_comes_back(
    namespaces: tuple[str, str], tmp_path: Path
) -> None:
    async def scene(a: Router, b: Router) -> None:
        await a.learned(PREFIXES[1])
        await b.learned(PREFIXES[0])
        assert a.speaker.pid is not None
        first = a.speaker.pid
        os.kill(first, signal.SIGKILL)
        await b.until(lambda: not any(b.rib.best(prefix) for prefix in PREFIXES[0]))
        await a.until(lambda: a.exits == [-signal.SIGKILL])
        assert not any(a.rib.best(prefix) for prefix in PREFIXES[1])
        await a.learned(PREFIXES[1])
        await b.learned(PREFIXES[0])
        assert a.speaker.restarts == 1
        assert a.speaker.pid not in (None, first)

    play(tmp_path, scene)


def test_a_speaker_without_its_helper_is_started_again(
    namespaces: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("control.bgp.speaker.HELPER_LIMIT_S", 2.0)

    async def scene(a: Router, b: Router) -> None:
        await a.learned(PREFIXES[1])
        os.kill(helper_of(a), signal.SIGKILL)
        await a.until(lambda: len(a.exits) == 1)
        await a.learned(PREFIXES[1])
        await b.learned(PREFIXES[0])

    play(tmp_path, scene)


def test_teardown_ends_one_session_at_both_ends_and_it_returns(
    namespaces: tuple[str, str], tmp_path: Path
) -> None:
    async def scene(a: Router, b: Router) -> None:
        await a.learned(PREFIXES[1])
        await b.learned(PREFIXES[0])
        peer = a.config.neighbors[0].peer_address
        local = a.config.neighbors[0].local_address
        a.downs.clear()
        b.downs.clear()
        a.speaker.send([commands.teardown(peer, commands.BFD_DOWN)])
        await a.until(lambda: [down.neighbor for down in a.downs] == [peer])
        await b.until(lambda: [down.neighbor for down in b.downs] == [local])
        assert b.downs[0].reason == "notification received (6,10)"
        await a.learned(PREFIXES[1])
        await b.learned(PREFIXES[0])

    play(tmp_path, scene)


def test_a_cut_link_costs_its_own_paths_and_gives_them_back(
    namespaces: tuple[str, str], tmp_path: Path
) -> None:
    async def scene(a: Router, b: Router) -> None:
        await a.learned(PREFIXES[1])
        await b.learned(PREFIXES[0])
        run(f"ip -n {NAMESPACES[1]} link set eth0 down")
        for router in (a, b):
            router.speaker.send(commands.teardown(cut.peer_address) for cut in router.config.neighbors[:2])
        await a.learned(PREFIXES[1], paths=LINKS - 1)
        await b.learned(PREFIXES[0], paths=LINKS - 1)
        assert a.rib.best(PREFIXES[1][0])[0].next_hop == address(1, 1, 4)
        run(f"ip -n {NAMESPACES[1]} address add {address(1, 0, 6)}/64 dev eth0 nodad")
        run(f"ip -n {NAMESPACES[1]} link set eth0 up")
        for router in (a, b):
            router.speaker.send(commands.reconnect(cut.peer_address) for cut in router.config.neighbors[:2])
        await a.learned(PREFIXES[1])
        await b.learned(PREFIXES[0])

    play(tmp_path, scene)


def test_a_speaker_stopped_as_soon_as_it_is_started_leaves_nothing(
    namespaces: tuple[str, str], tmp_path: Path
) -> None:
    async def scene(a: Router, b: Router) -> None:
        await any_begun(a)

    play(tmp_path, scene)


def test_a_speaker_stopped_before_it_has_started_leaves_nothing(
    namespaces: tuple[str, str], tmp_path: Path
) -> None:
    async def scene(a: Router, b: Router) -> None:
        assert a.speaker.pid is None

    play(tmp_path, scene)


def test_a_later_controller_adopts_the_child_and_learns_all_it_knows(
    namespaces: tuple[str, str], tmp_path: Path
) -> None:
    async def scene(a: Router, b: Router) -> None:
        await a.learned(PREFIXES[1])
        await b.learned(PREFIXES[0])
        assert a.speaker.pid is not None
        pid = a.speaker.pid
        successor = Router(0, tmp_path, a.config)
        successor.export = Export(a.config, ["10.1.0.0/16", "10.9.0.0/16"])
        b.downs.clear()
        await a.speaker.detach()
        successor.speaker.adopt(pid)
        try:
            await successor.established()
            await successor.learned(PREFIXES[1])
            await b.learned(["10.1.0.0/16", "10.9.0.0/16"])
            await b.until(lambda: not b.rib.best("fd01::/48"))
            assert b.downs == []
        finally:
            await successor.speaker.detach()

    play(tmp_path, scene)


def test_a_stopped_client_holds_nobody_up(namespaces: tuple[str, str], tmp_path: Path) -> None:
    """A client is stopped and more events follow than its socket takes: ExaBGP and the controller go on."""
    prefixes = [f"172.{16 + n // 256}.{n % 256}.0/24" for n in range(1000)]

    def all_carry(router: Router, community: int) -> bool:
        paths = (path for prefix in prefixes for path in router.rib.best(prefix))
        return sum(path.attributes.communities == (community,) for path in paths) == len(prefixes)

    async def scene(a: Router, b: Router) -> None:
        await b.established()
        b.downs.clear()
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CLIENT, str(b.speaker.socket_path), stdout=subprocess.PIPE
        )
        assert client.stdout is not None
        try:
            await client.stdout.readline()
            client.send_signal(signal.SIGSTOP)
            for turn in range(12):
                attributes = f"next-hop self origin igp as-path [ 64512 ] community [ 64512:{turn} ]"
                a.speaker.send(commands.announce(a.config.neighbors[0].peer_address, attributes, prefixes))
                await b.until(functools.partial(all_carry, b, 64512 << 16 | turn))
            assert (b.speaker.restarts, b.snapshots, b.downs) == (0, 1, [])
        finally:
            client.kill()
            await client.wait()

    play(tmp_path, scene)


def test_a_new_client_gets_the_snapshot_first(namespaces: tuple[str, str], tmp_path: Path) -> None:
    async def scene(a: Router, b: Router) -> None:
        await a.learned(PREFIXES[1])
        reader, writer = await asyncio.open_unix_connection(a.speaker.socket_path)
        observer = Rib(a.config)
        try:
            async with asyncio.timeout(EVENT_TIMEOUT_S):
                while not isinstance(event := decode(await reader.readline()), SnapshotEnd):
                    observer.receive(event)
            for prefix in PREFIXES[1]:
                assert observer.best(prefix) == a.rib.best(prefix)
        finally:
            writer.close()

    play(tmp_path, scene)
