"""JSON documents, one a line, on a unix stream socket: how quadlink's processes talk to each other."""

import json
import select
import socket
import struct
import time
from pathlib import Path
from typing import Any

Document = dict[str, Any]
READ_OCTETS = 1 << 16
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


def peer_pid(stream: socket.socket) -> int:
    """The process at the other end of a connected unix socket, as it was when it connected or listened."""
    pid: int = _CREDENTIALS.unpack(
        stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    )[0]
    return pid


class LineStream:
    """The connecting end. Nothing waits longer than `timeout_s`; every failure is an OSError."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        """Raises OSError where nothing listens on the socket."""
        self._timeout_s = timeout_s
        self._pending = bytearray()
        self._lines: list[bytes] = []
        self._stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._stream.settimeout(timeout_s)
        try:
            self._stream.connect(str(path))
        except BaseException:
            self._stream.close()
            raise

    @property
    def pid(self) -> int:
        """The process that listens."""
        return peer_pid(self._stream)

    @property
    def closed(self) -> bool:
        return self._stream.fileno() < 0

    def fileno(self) -> int:
        return self._stream.fileno()

    def close(self) -> None:
        self._stream.close()

    def send(self, document: Document) -> None:
        """Writes one document; octet strings become hex."""
        self._stream.sendall(to_line(document))

    def receive(self) -> Document:
        """The next document; waits for it. TimeoutError, or ConnectionError at the other process's end."""
        deadline_s = time.monotonic() + self._timeout_s
        while not self._lines:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not select.select([self._stream], [], [], left_s)[0]:
                raise TimeoutError("no answer in time")
            self._read()
        return from_line(self._lines.pop(0))

    def take(self) -> list[Document]:
        """What has come since the last call, without waiting; ConnectionError at the other process's end."""
        if not self._lines and select.select([self._stream], [], [], 0)[0]:
            self._read()
        lines, self._lines = self._lines, []
        return [from_line(line) for line in lines]

    def _read(self) -> None:
        data = self._stream.recv(READ_OCTETS)
        if not data:
            raise ConnectionError("the connection was closed")
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._lines.append(bytes(self._pending) + line)
            self._pending.clear()
        self._pending += rest


def to_line(document: Document) -> bytes:
    """One line; octet strings become hex."""
    return json.dumps(document, default=lambda value: value.hex()).encode() + b"\n"


def from_line(line: bytes) -> Document:
    """The object on a line; ValueError where there is none."""
    try:
        document = json.loads(line)
    except RecursionError:
        raise ValueError("found brackets nested without end, expected an object") from None
    if not isinstance(document, dict):
        raise ValueError(f"found {type(document).__name__}, expected an object")
    return document
