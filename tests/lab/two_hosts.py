"""A lab of two hosts, a and b, and links between them that differ in their MACsec settings."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from netns_lab.plan import InterfacePlan

from dataplane.namespace import run_in_namespace
from tests.lab.harness import Lab, brought_up, quadlink

DATAGRAMS = 3
ARRIVAL_TIMEOUT_S = 2.0


def up(path: Path, links: Mapping[str, str]) -> Lab:
    """The lab named after the file, brought up with these links, each with its settings."""
    lines = [f"name: {path.stem}", "nodes: {a: {}, b: {}}", "links:"]
    lines += [f"  - {{name: {link}, endpoints: a-b, macsec: {settings}}}" for link, settings in links.items()]
    path.write_text("\n".join(lines) + "\n")
    return brought_up(path)


@contextmanager
def two_hosts(path: Path, links: Mapping[str, str]) -> Iterator[Lab]:
    """The same for the time of a block."""
    try:
        yield up(path, links)
    finally:
        quadlink("down", "--name", path.stem)


def cross(lab: Lab, link: str, count: int = DATAGRAMS) -> int:
    """How many of so many datagrams, one after the other, arrive at b before one does not."""
    return datagrams_cross(lab, *lab.plan.link(link).ends, count)


def datagrams_cross(lab: Lab, near: InterfacePlan, far: InterfacePlan, count: int = DATAGRAMS) -> int:
    """The same from one interface to another."""
    sender, receiver = (
        run_in_namespace(
            lab.plan.node(end.node).namespace, partial(_datagrams, end.addresses[0].partition("/")[0])
        )
        for end in (near, far)
    )
    with sender, receiver:
        for number in range(count):
            sender.sendto(number.to_bytes(2), receiver.getsockname())
            try:
                receiver.recv(2)
            except TimeoutError:
                return number
    return count


def _datagrams(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, 0))
    made.settimeout(ARRIVAL_TIMEOUT_S)
    return made
