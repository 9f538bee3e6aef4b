"""Commands to a daemon of FRR over its unix socket, as vtysh sends them, and what bgpd says of sessions."""

import json
import socket
import time
from pathlib import Path
from typing import Any

from netns_lab.routing_daemons.session import DaemonSession

TIMEOUT_S = 5.0
STATUS_OCTETS = 4
"""Three NULs and the status of the command are behind its answer."""
READ_SIZE = 65536
NS_PER_MS = 1_000_000


class VtyError(OSError):
    """The daemon refused a command, or did not answer."""


def vty(path: Path, *commands: str) -> str:
    """What the last of some commands prints, in one session that is enabled first. Raises OSError."""
    said = ""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.connect(str(path))
        for command in ("enable", *commands):
            connection.sendall(command.encode() + b"\0")
            said = _answer(connection, command)
    return said


def _answer(connection: socket.socket, command: str) -> str:
    said = b""
    while said[-STATUS_OCTETS:-1] != bytes(STATUS_OCTETS - 1):
        data = connection.recv(READ_SIZE)
        if not data:
            raise VtyError(f"the daemon hung up on `{command}`")
        said += data
    text = said[:-STATUS_OCTETS].decode(errors="replace")
    if said[-1]:
        raise VtyError(f"the daemon refused `{command}`: {text.strip()}")
    return text


def frr_sessions(path: Path) -> dict[str, DaemonSession]:
    """Every session of the bgpd of that socket, by its neighbor's address. Raises OSError."""
    neighbors = json.loads(vty(path, "show bgp neighbors json"))
    return {address: _session(neighbor, time.monotonic_ns()) for address, neighbor in neighbors.items()}


def _session(neighbor: dict[str, Any], now_ns: int) -> DaemonSession:
    up = neighbor["bgpState"] == "Established"
    changed_ms = neighbor.get("bgpTimerUpMsec") if up else neighbor.get("lastResetTimerMsecs")
    families = neighbor.get("addressFamilyInfo", {}).values()
    return DaemonSession(
        up,
        0 if changed_ms is None else now_ns - changed_ms * NS_PER_MS,
        sum(family.get("acceptedPrefixCounter", 0) for family in families),
        "" if up else neighbor.get("lastResetDueTo", neighbor["bgpState"]),
        neighbor["peerBfdInfo"]["status"].lower() if "peerBfdInfo" in neighbor else None,
    )
