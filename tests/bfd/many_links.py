"""Two namespaces joined by many links, and both ends of a BFD session for each link and family."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from control.bfd.packet import State
from control.bfd.service import BfdService, Endpoint, SessionKey
from control.bfd.session import Settings

LEFT, RIGHT = f"bfd-left-{os.getpid()}", f"bfd-right-{os.getpid()}"


def _batch(*lines: str) -> None:
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)


def addresses(link: int) -> dict[str, tuple[str, str]]:
    """Left and right address, by family."""
    return {
        "ipv4": (f"169.254.{link}.1", f"169.254.{link}.2"),
        "ipv6": (f"fd00:{link + 1:x}::1", f"fd00:{link + 1:x}::2"),
    }


@contextmanager
def joined(links: int) -> Iterator[None]:
    """LEFT and RIGHT with interfaces eth0, eth1 and so on, of unequal indexes."""
    try:
        _batch(f"netns add {LEFT}", f"netns add {RIGHT}")
        lines = []
        for link in range(links):
            name, left, right = f"eth{link}", 1000 + 2 * link, 1001 + 2 * link
            ends = f"{name} index {left} netns {LEFT} type veth peer name {name} index {right} netns {RIGHT}"
            lines.append(f"link add {ends}")
        _batch(*lines)
        for side, namespace in enumerate((LEFT, RIGHT)):
            lines = ["link set lo up"]
            for link in range(links):
                for family, bits in (("ipv4", 24), ("ipv6", 64)):
                    address = addresses(link)[family][side]
                    lines.append(f"address add {address}/{bits} dev eth{link} {'nodad' * (family == 'ipv6')}")
                lines.append(f"link set eth{link} up")
            subprocess.run(
                ["ip", "-n", namespace, "-batch", "-"], input="\n".join(lines), text=True, check=True
            )
        yield
    finally:
        for namespace in (LEFT, RIGHT):
            if Path("/run/netns", namespace).exists():
                subprocess.run(["ip", "netns", "delete", namespace], check=True)


def open_both(
    service: BfdService, link: int, family: str, settings: Settings
) -> tuple[SessionKey, SessionKey]:
    """Both ends of the session of one family of a link."""
    keys = []
    for side, namespace in enumerate((LEFT, RIGHT)):
        ours, theirs = addresses(link)[family][side], addresses(link)[family][1 - side]
        keys.append(key := SessionKey(namespace, f"eth{link}", family))
        service.open(key, Endpoint(namespace, 0, 1000 + 2 * link + side, ours, theirs), settings)
    return keys[0], keys[1]


def all_up(service: BfdService) -> bool:
    """Whether all sessions are Up, after what there is to read."""
    service.read()
    return all(session.state is State.UP for session in service.sessions.values())
