"""Two network namespaces and what joins them: bare veth, or wireguard-go over veth."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from netns_lab.directory import LabError

from dataplane.namespace import run_in_namespace
from dataplane.probes.flows import Flow

PROBE_PORTS = (40000, 9000)
WIREGUARD_SOCKETS = Path("/var/run/wireguard")
WIREGUARD_PORT = 51820
START_TIMEOUT_S = 5.0
POLL_INTERVAL_S = 0.02


@dataclass(frozen=True, slots=True)
class Pair:
    """Two namespaces that reach each other: IPv4 addresses, of the source and of the destination."""

    source: str
    destination: str
    source_address: str
    address: str

    def flow(self) -> Flow:
        """A probe flow from the source to the destination."""
        return Flow(
            id=0,
            direction=f"{self.source}->{self.destination}",
            family=4,
            source_namespace=self.source,
            source_address=self.source_address,
            destination_namespace=self.destination,
            destination_address=self.address,
            source_port=PROBE_PORTS[0],
            destination_port=PROBE_PORTS[1],
        )


@contextmanager
def veth_pair() -> Iterator[Pair]:
    """Namespaces joined by a bare veth, as the kernel makes it."""
    with _two_namespaces("veth") as (source, destination):
        yield _join(source, destination, "10.9.9")


@contextmanager
def wireguard_pair() -> Iterator[Pair]:
    """Namespaces joined by wireguard-go, a process in each, whose packets cross a bare veth.

    LabError where a process ends or its interface does not come.
    """
    with _two_namespaces("wg") as namespaces, ExitStack() as started:
        under = _join(*namespaces, "10.9.8")
        # The names of their control sockets, and so theirs, are the machine's.
        interfaces = [f"qlwg{os.getpid()}{side}" for side in "ab"]
        keys = [_output("wg", "genkey") for _ in interfaces]
        public = [_output("wg", "pubkey", typed=key) for key in keys]
        for namespace, interface in zip(namespaces, interfaces, strict=True):
            _start_wireguard(namespace, interface, started)
        ends = (("10.9.7.1", under.address), ("10.9.7.2", under.source_address))
        for side, (address, endpoint) in enumerate(ends):
            namespace, interface = namespaces[side], interfaces[side]
            words = f"listen-port {WIREGUARD_PORT} private-key /dev/stdin peer {public[1 - side]}"
            peer = f"endpoint {endpoint}:{WIREGUARD_PORT} allowed-ips 10.9.7.0/30"
            setting = ["wg", "set", interface, *words.split(), *peer.split()]
            run_in_namespace(namespace, partial(_output, *setting, typed=keys[side]))
            _ip("-n", namespace, "address", "add", f"{address}/30", "dev", interface)
            _ip("-n", namespace, "link", "set", interface, "up")
        yield Pair(*namespaces, ends[0][0], ends[1][0])


@contextmanager
def _two_namespaces(what: str) -> Iterator[tuple[str, str]]:
    names = (f"quadlink-bench-{os.getpid()}-{what}-a", f"quadlink-bench-{os.getpid()}-{what}-b")
    try:
        for name in names:
            _ip("netns", "add", name)
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, stderr=subprocess.DEVNULL)


def _join(source: str, destination: str, network: str) -> Pair:
    """A veth between the namespaces, with the first two addresses of a /30."""
    # Equal interface indexes at both ends would make the kernel slow to tell of carrier changes.
    words = f"link add v0 index 10 netns {source} type veth peer name v1 index 11 netns {destination}"
    _ip(*words.split())
    addresses = (f"{network}.1", f"{network}.2")
    for name, device, address in zip((source, destination), ("v0", "v1"), addresses, strict=True):
        _ip("-n", name, "address", "add", f"{address}/30", "dev", device)
        _ip("-n", name, "link", "set", device, "up")
    return Pair(source, destination, *addresses)


def _start_wireguard(namespace: str, interface: str, started: ExitStack) -> None:
    command = ["wireguard-go", "--foreground", interface]
    start = partial(subprocess.Popen, command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    process = run_in_namespace(namespace, start)
    started.callback(process.wait)
    started.callback(process.terminate)
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while not (WIREGUARD_SOCKETS / f"{interface}.sock").exists():
        if process.poll() is not None or time.monotonic() > deadline_s:
            raise LabError(f"wireguard-go made no interface {interface} in {namespace}")
        time.sleep(POLL_INTERVAL_S)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def _output(*command: str, typed: str = "") -> str:
    return subprocess.run(command, check=True, text=True, input=typed, stdout=subprocess.PIPE).stdout.strip()
