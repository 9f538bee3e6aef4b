"""Two routers, two links, real ExaBGP: each with the BGP half of a controller, to play scenes with."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from control.backoff import Backoff
from control.bgp.configuration import NeighborConfig, SpeakerConfig
from control.bgp.export import Export
from control.bgp.model import (
    AddressFamily,
    Announce,
    Event,
    SessionDown,
    SessionUp,
    SnapshotEnd,
)
from control.bgp.rib import Rib
from control.bgp.speaker import Speaker

EVENT_TIMEOUT_S = 30
MARK = "bgp-lab"
NAMESPACES = (f"{MARK}-a", f"{MARK}-b")
LINKS = 2
PREFIXES = (["10.1.0.0/16", "fd01::/48"], ["10.2.0.0/16", "fd02::/48"])


def run(command: str) -> None:
    subprocess.run(command.split(), check=True, capture_output=True)


def address(side: int, link: int, version: int) -> str:
    return f"169.254.{link}.{1 + side}" if version == 4 else f"fd00:{link + 1}::{1 + side}"


@contextmanager
def two_namespaces() -> Iterator[tuple[str, str]]:
    """Two namespaces and LINKS veth pairs; different ifindex at the ends makes carrier loss seen at once."""
    try:
        for name in NAMESPACES:
            run(f"ip netns add {name}")
        for link in range(LINKS):
            first, second = (
                f"eth{link} index {10 + 2 * link + side} netns {NAMESPACES[side]}" for side in (0, 1)
            )
            run(f"ip link add {first} type veth peer name {second}")
            for side, name in enumerate(NAMESPACES):
                run(f"ip -n {name} address add {address(side, link, 4)}/30 dev eth{link}")
                run(f"ip -n {name} address add {address(side, link, 6)}/64 dev eth{link} nodad")
                run(f"ip -n {name} link set eth{link} up")
        yield NAMESPACES
    finally:
        for name in NAMESPACES:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def config(side: int, password: str = 'a "lab"; password {') -> SpeakerConfig:
    neighbors = tuple(
        NeighborConfig(
            address(side, link, version),
            address(1 - side, link, version),
            64513 - side,
            AddressFamily.IPV4_UNICAST if version == 4 else AddressFamily.IPV6_UNICAST,
            password,
            peer_is_exabgp=True,
        )
        for link in range(LINKS)
        for version in (4, 6)
    )
    return SpeakerConfig(f"r{side}", 64512 + side, f"10.255.0.{1 + side}", neighbors)


class Router:
    """A controller's BGP half: what it does with a speaker's events, and what a test may wait for."""

    def __init__(
        self,
        side: int,
        directory: Path,
        speaker_config: SpeakerConfig,
        backoff: Backoff | None = None,
        turns: asyncio.Semaphore | None = None,
    ) -> None:
        self.config = speaker_config
        self.rib = Rib(speaker_config)
        self.export = Export(speaker_config, PREFIXES[side])
        self.up: set[str] = set()
        self.downs: list[SessionDown] = []
        self.exits: list[int | None] = []
        self.snapshots = 0
        self.announcements = 0
        self._changed = asyncio.Event()
        self.speaker = Speaker(
            speaker_config,
            namespace=NAMESPACES[side],
            directory=directory,
            environment={"QUADLINK_LAB": MARK},
            on_events=self._take,
            on_exit=self._exited,
            backoff=backoff or Backoff(first_s=0.1),
            turns=turns,
        )

    def _take(self, events: Sequence[Event]) -> None:
        changed: set[str] = set()
        peers = {neighbor.peer_address for neighbor in self.config.neighbors}
        for event in events:
            self.export.receive(event)
            if not isinstance(event, SnapshotEnd) and event.neighbor not in peers:
                continue
            changed |= self.rib.receive(event)
            match event:
                case SessionUp(neighbor):
                    self.up.add(neighbor)
                case SessionDown(neighbor, _):
                    self.up.discard(neighbor)
                    self.downs.append(event)
                case Announce():
                    self.announcements += 1
                case SnapshotEnd():
                    self.snapshots += 1
        self.speaker.send(self.export.update(self.rib, changed))
        self._changed.set()

    def _exited(self, status: int | None) -> None:
        self.exits.append(status)
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(EVENT_TIMEOUT_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def established(self) -> None:
        peers = {neighbor.peer_address for neighbor in self.config.neighbors}
        await self.until(lambda: self.up == peers)

    async def learned(self, prefixes: list[str], paths: int = LINKS) -> None:
        await self.until(lambda: all(len(self.rib.best(prefix)) == paths for prefix in prefixes))


def play(
    directory: Path,
    scene: Callable[[Router, Router], Coroutine[Any, Any, None]],
    configs: tuple[SpeakerConfig, SpeakerConfig] | None = None,
    backoff: Backoff | None = None,
    turns: asyncio.Semaphore | None = None,
) -> None:
    """Run a scene between two routers; whatever happens, no process of theirs is left."""

    async def perform() -> None:
        pair = configs or (config(0), config(1))
        routers = [
            Router(side, directory, speaker_config, backoff, turns)
            for side, speaker_config in enumerate(pair)
        ]
        try:
            for router in routers:
                router.speaker.start()
            await scene(routers[0], routers[1])
        finally:
            await asyncio.gather(*(router.speaker.stop() for router in routers))

    try:
        asyncio.run(perform())
        assert processes_of(directory) == []
        assert {path.suffix for path in directory.iterdir()} == {".log"}
    finally:
        for pid in processes_of(directory):
            os.kill(pid, signal.SIGKILL)


def processes_of(directory: Path) -> list[int]:
    """ExaBGP children and helpers, known by the files on their command lines."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(directory).encode() in words and b"exabgp" in words:
                found.append(int(entry.name))
    return found


def helper_of(router: Router) -> int:
    socket_path = str(router.speaker.socket_path).encode()
    for pid in processes_of(router.speaker.socket_path.parent):
        if (
            b"control.bgp.helper" in (words := Path(f"/proc/{pid}/cmdline").read_bytes())
            and socket_path in words
        ):
            return pid
    raise AssertionError("no helper")


async def any_begun(*routers: Router) -> None:
    """Returns once a speaker of theirs has been started."""
    async with asyncio.timeout(EVENT_TIMEOUT_S):
        while all(router.speaker.pid is None for router in routers):
            await asyncio.sleep(0)
