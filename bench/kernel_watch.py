"""A router's kernel, asked cheaply and again and again: how many routes, and which groups of next hops."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import IO, Self

from control.routes.kernel import NetlinkKernel
from control.routes.model import Installed, NextHops
from dataplane.namespace import run_in_namespace


class KernelWatch:
    """The tables of one namespace."""

    def __init__(self, kernel: NetlinkKernel, statistics: IO[str]) -> None:
        self._kernel = kernel
        self._statistics = statistics

    @classmethod
    @contextmanager
    def of(cls, namespace: str) -> Iterator[Self]:
        """For the time of a block."""
        # What is opened there is of the namespace of the thread that opens it.
        opened = partial(open, "/proc/thread-self/net/fib_triestat")
        with closing(NetlinkKernel(namespace)) as kernel, run_in_namespace(namespace, opened) as statistics:
            yield cls(kernel, statistics)

    def ipv4_routes(self) -> int:
        """All that its main IPv4 table has, whoever made them."""
        self._statistics.seek(0)
        first = re.search(r"Prefixes:\s*(\d+)", self._statistics.read())  # of several tables, the main one
        assert first is not None
        return int(first[1])

    def groups(self) -> dict[int, NextHops]:
        """The next hops of each group, by its id, both families."""
        return Installed(self._kernel.nexthops(), []).groups()

    def learned(self) -> dict[str, NextHops]:
        """Every prefix that goes by a group, and its next hops."""
        tables = self._kernel.dump()
        groups = tables.groups()
        return {route.prefix: groups[route.nexthop] for route in tables.routes if route.nexthop in groups}
