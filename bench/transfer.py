"""A TCP transfer to watch: each second what was sent so far, in the end whether all of it arrived unchanged.

python3 bench/transfer.py receive                # serves one sender after the other
python3 bench/transfer.py send HOST [SECONDS]    # 25 MB a second, for 10 s unless told otherwise
"""

import hashlib
import os
import socket
import sys
import time

PORT = 5001
RATE = 25_000_000
"""Octets a second, so that the processor is left to what is to be watched."""
WRITE_OCTETS = 1 << 16
OCTETS_PER_MB = 1e6
SO_MAX_PACING_RATE = 47  # asm-generic/socket.h


def receive() -> None:
    """Counts and hashes what each sender sends, and tells it that."""
    with socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        while True:
            sender, _ = server.accept()
            with sender:
                octets, digest = 0, hashlib.sha256()
                while data := sender.recv(WRITE_OCTETS):
                    octets += len(data)
                    digest.update(data)
                sender.sendall(f"{octets} {digest.hexdigest()}".encode())
            print(f"received {octets / OCTETS_PER_MB:.1f} MB", flush=True)


def send(host: str, duration_s: float) -> bool:
    """Sends for a time; True when the receiver got every octet."""
    payload = os.urandom(WRITE_OCTETS)
    octets, digest = 0, hashlib.sha256()
    with socket.create_connection((host, PORT), timeout=60) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, RATE)
        start_s = shown_s = time.monotonic()
        while (now_s := time.monotonic()) < start_s + duration_s:
            receiver.sendall(payload)
            octets += len(payload)
            digest.update(payload)
            if now_s >= shown_s + 1:
                shown_s = now_s
                print(f"{now_s - start_s:5.1f} s  {octets / OCTETS_PER_MB:6.1f} MB", flush=True)
        receiver.shutdown(socket.SHUT_WR)
        whole = receiver.recv(WRITE_OCTETS).decode() == f"{octets} {digest.hexdigest()}"
    outcome = "arrived unchanged" if whole else "did NOT all arrive unchanged"
    print(f"{octets / OCTETS_PER_MB:.1f} MB {outcome} in {time.monotonic() - start_s:.1f} s")
    return whole


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["receive"]:
            receive()
        case ["send", host]:
            sys.exit(not send(host, 10))
        case ["send", host, seconds]:
            sys.exit(not send(host, float(seconds)))
        case _:
            sys.exit(f"usage:\n{(__doc__ or '').partition(':')[2].partition(chr(10))[2]}")
