"""Commands to a daemon of FRR over its own unix socket, as vtysh sends them."""

import socket
from pathlib import Path

TIMEOUT_S = 5.0
STATUS_OCTETS = 4
"""Three NULs and the status of the command are behind its answer."""
READ_SIZE = 65536


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
