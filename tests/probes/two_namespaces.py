"""Two namespaces for probes to run between."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

LEFT, RIGHT = f"probes-left-{os.getpid()}", f"probes-right-{os.getpid()}"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@contextmanager
def joined_by_veth() -> Iterator[tuple[str, str]]:
    """Two namespaces joined by a veth pair, 10.99.0.1 and fd99::1 on the left, .2 and ::2 on the right."""
    with ExitStack() as made:
        for name in (LEFT, RIGHT):
            ip("netns", "add", name)
            made.callback(ip, "netns", "delete", name)
        left, right = ["probe0", "index", "10"], ["probe0", "index", "11"]
        ip("link", "add", *left, "netns", LEFT, "type", "veth", "peer", "name", *right, "netns", RIGHT)
        for name, number in ((LEFT, 1), (RIGHT, 2)):
            ip("-n", name, "address", "add", f"10.99.0.{number}/24", "dev", "probe0")
            ip("-n", name, "address", "add", f"fd99::{number}/64", "dev", "probe0", "nodad")
            ip("-n", name, "link", "set", "probe0", "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield LEFT, RIGHT
