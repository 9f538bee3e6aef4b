"""One TCP stream between two namespaces: how much arrives in a time."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dataplane.namespace import run_in_namespace

WRITE_OCTETS = 1 << 20
BITS_PER_GBIT = 1e9
SETTLE_S = 0.3


def throughput_gbps(source: str, destination: str, address: str, duration_s: float) -> float:
    """Gbit/s of payload from namespace source to `address` in namespace destination, once settled."""

    def listen() -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return socket.create_server((address, 0), family=family)

    with run_in_namespace(destination, listen) as server:
        port = server.getsockname()[1]
        with run_in_namespace(source, lambda: socket.create_connection((address, port), timeout=5)) as sender:
            receiver, _ = server.accept()
            with receiver:
                return _transfer(sender, receiver, duration_s)


def _transfer(sender: socket.socket, receiver: socket.socket, duration_s: float) -> float:
    sender.settimeout(5)
    stop = threading.Event()

    def send() -> None:
        payload = bytes(WRITE_OCTETS)
        while not stop.is_set():
            sender.sendall(payload)
        sender.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send, name="tcp sender")
    thread.start()
    buffer = bytearray(WRITE_OCTETS)
    start = time.monotonic() + SETTLE_S
    end = start + duration_s
    octets = 0
    while True:
        received = receiver.recv_into(buffer)
        now = time.monotonic()
        if now >= start:
            octets += received
        if now >= end:
            stop.set()
        if received == 0:
            break
    elapsed_s = time.monotonic() - start
    thread.join()
    return octets * 8 / elapsed_s / BITS_PER_GBIT


@contextmanager
def veth_pair() -> Iterator[tuple[str, str, str]]:
    """Two namespaces joined by a bare veth: (source, destination, the destination's address)."""
    names = (f"quadlink-bench-{os.getpid()}-a", f"quadlink-bench-{os.getpid()}-b")
    try:
        for name in names:
            subprocess.run(["ip", "netns", "add", name], check=True)
        # Equal interface indexes at both ends would make the kernel slow to tell of carrier changes.
        words = f"link add v0 index 10 netns {names[0]} type veth peer name v1 index 11 netns {names[1]}"
        subprocess.run(["ip", *words.split()], check=True)
        for name, device, address in zip(names, ("v0", "v1"), ("10.9.9.1/30", "10.9.9.2/30"), strict=True):
            subprocess.run(["ip", "-n", name, "address", "add", address, "dev", device], check=True)
            subprocess.run(["ip", "-n", name, "link", "set", device, "up"], check=True)
        yield names[0], names[1], "10.9.9.2"
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, stderr=subprocess.DEVNULL)
