"""Thousands of prefixes from one router of a lab to another's kernel."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import IPv4Address
from typing import Self

from netns_lab.builder import RunningLab
from netns_lab.directory import LabError

from bench.kernel_watch import KernelWatch
from bench.shell import timed_command

FIRST = int(IPv4Address("20.0.0.0"))
LENGTH = 24
POLL_INTERVAL_S = 0.02
LIMIT_S = 180.0


def blocks(prefixes: int) -> list[str]:
    """The fewest blocks that hold so many prefixes of LENGTH, one behind the other."""
    found, at = [], FIRST
    for bit in reversed(range(prefixes.bit_length())):
        if prefixes >> bit & 1:
            found.append(f"{IPv4Address(at)}/{LENGTH - bit}")
            at += 1 << (bit + 32 - LENGTH)
    return found


class Announcing:
    """Two routers of a lab that is up, of which one announces and the other's kernel is watched."""

    def __init__(
        self, lab: RunningLab, sender: str, receiver: str, prefixes: int, kernel: KernelWatch
    ) -> None:
        self._name = lab.directory.name
        self._sender = sender
        self.channels = [
            link.name for link in lab.plan.links if {end.node for end in link.ends} == {sender, receiver}
        ]
        self._prefixes = prefixes
        self._kernel = kernel
        self._others = kernel.ipv4_routes()

    @classmethod
    @contextmanager
    def between(cls, lab: RunningLab, sender: str, receiver: str, prefixes: int) -> Iterator[Self]:
        """For the time of a block."""
        with KernelWatch.of(lab.plan.node(receiver).namespace) as kernel:
            yield cls(lab, sender, receiver, prefixes, kernel)

    def announce(self) -> float:
        """Seconds from the command until every prefix is in the other router's kernel over every channel."""
        took_s = self.until(self.is_installed, self.command("announce"))
        self.verify()
        return took_s

    def command(self, verb: str) -> tuple[str, ...]:
        """The words that announce or withdraw all prefixes."""
        return (verb, self._sender, *blocks(self._prefixes), "--split", str(LENGTH))

    def until(self, reached: Callable[[], bool], *commands: tuple[str, ...]) -> float:
        """Seconds from the start of the first command until the receiving kernel is as it should be."""
        start = time.monotonic()
        with ThreadPoolExecutor(1) as shell:
            typed = [shell.submit(timed_command, "--name", self._name, *words) for words in commands]
            while not reached():
                if time.monotonic() - start > LIMIT_S:
                    raise LabError(f"`quadlink {' '.join(commands[0])}` did not do it in {LIMIT_S:.0f} s")
                time.sleep(POLL_INTERVAL_S)
            took_s = time.monotonic() - start
            for command in typed:
                command.result()
        return took_s

    def is_gone(self) -> bool:
        """None of the prefixes is left."""
        return self._kernel.ipv4_routes() <= self._others

    def is_installed(self) -> bool:
        """Every prefix is there, and every group has a next hop on each channel."""
        return self._kernel.ipv4_routes() >= self._others + self._prefixes and all(
            len(hops) == len(self.channels) for hops in self._kernel.groups().values()
        )

    def verify(self) -> None:
        """Asks the kernel for every route; LabError where one has not all channels."""
        whole = sum(
            prefix.startswith(("20.", "21.")) and len(hops) == len(self.channels)
            for prefix, hops in self._kernel.learned().items()
        )
        if whole != self._prefixes:
            raise LabError(
                f"expected {self._prefixes} prefixes over {len(self.channels)} channels, found {whole}"
            )
