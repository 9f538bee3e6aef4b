"""The engine in another process, behind the interface of the one in this process."""

import mmap
import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from dataplane import wireformat
from dataplane.interface import CarrierEvent, LinkError, LinkState
from dataplane.links.specification import FaultMode, Impairment, LinkSpecification

REQUEST_TIMEOUT_S = 3.0
_CREDENTIALS = struct.Struct("3i")


class EngineGone(ConnectionError):
    """The engine process does not answer, now or any more."""


class EngineClient:
    """Asks the engine on a unix socket. Every request takes about as long as the engine's own method."""

    def __init__(self, socket_path: Path) -> None:
        """Raises EngineGone where nothing listens on the socket."""
        self._socket_path = socket_path
        self._connect()

    def _connect(self) -> None:
        self._stream = _connect(self._socket_path)
        self._reader = self._stream.makefile("rb")

    @property
    def pid(self) -> int:
        """The engine's process."""
        credentials = self._stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid: int = _CREDENTIALS.unpack(credentials)[0]
        return pid

    def close(self) -> None:
        self._reader.close()
        self._stream.close()

    def add_link(self, specification: LinkSpecification, sak: bytes | None = None) -> LinkState:
        document = wireformat.specification_to_document(specification)
        return wireformat.state_from_document(self._call("add_link", specification=document, sak=sak))

    def remove_link(self, name: str) -> None:
        self._call("remove_link", name=name)

    def set_fault(self, name: str, mode: FaultMode, from_node: str | None = None) -> int:
        return int(self._call("set_fault", name=name, mode=mode, from_node=from_node))

    def clear_fault(self, name: str) -> int:
        return int(self._call("clear_fault", name=name))

    def impair(self, name: str, impairments: tuple[Impairment, Impairment]) -> None:
        self._call("impair", name=name, impairments=[asdict(impairment) for impairment in impairments])

    def links(self) -> list[LinkState]:
        return [wireformat.state_from_document(document) for document in self._call("links")]

    def export_sak(self, name: str) -> bytes:
        return bytes.fromhex(self._call("export_sak", name=name))

    def flip_bit(self, name: str, from_node: str, bit: int, frames: int = 1) -> None:
        self._call("flip_bit", name=name, from_node=from_node, bit=bit, frames=frames)

    def inject(self, name: str, from_node: str, frame: bytes) -> None:
        self._call("inject", name=name, from_node=from_node, frame=frame)

    def start_capture(self, path: str, names: Sequence[str], side: str, snap_octets: int) -> None:
        self._call("start_capture", path=path, names=list(names), side=side, snap_octets=snap_octets)

    def stop_capture(self, path: str) -> int:
        return int(self._call("stop_capture", path=path))

    def shutdown(self) -> None:
        """Tells the engine process to end."""
        self._call("shutdown")

    def _call(self, call: str, **arguments: object) -> Any:  # noqa: ANN401 - the JSON value of that call
        try:
            if self._stream.fileno() < 0:
                self._connect()
            self._stream.sendall(wireformat.to_line({"call": call, "arguments": arguments}))
            line = self._reader.readline()
        except OSError as error:
            self.close()  # an answer that comes late must not be taken for the next request's
            raise EngineGone(f"the engine does not answer: {error}") from error
        if not line.endswith(b"\n"):
            raise EngineGone("the engine closed the connection")
        answer = wireformat.from_line(line)
        if "error" in answer:
            raise LinkError(answer["error"])
        return answer["result"]


class EngineEvents:
    """The engine's events, for a loop that waits on fileno()."""

    def __init__(self, socket_path: Path) -> None:
        """Raises EngineGone where nothing listens on the socket."""
        self._stream = _connect(socket_path)
        self._stream.sendall(wireformat.to_line({"subscribe": True}))
        self._stream.setblocking(False)
        self._pending = b""

    def fileno(self) -> int:
        return self._stream.fileno()

    def close(self) -> None:
        self._stream.close()

    def read(self) -> list[CarrierEvent]:
        """What has come since the last call; raises EngineGone at the engine's end."""
        try:
            data = self._stream.recv(1 << 16)
        except BlockingIOError:
            return []
        except OSError as error:
            raise EngineGone(str(error)) from error
        if not data:
            raise EngineGone("the engine closed the connection")
        *lines, self._pending = (self._pending + data).split(b"\n")
        return [wireformat.event_from_document(wireformat.from_line(line)["event"]) for line in lines]


def map_counters(path: Path) -> "np.ndarray[Any, np.dtype[np.uint64]]":
    """A read-only live view, uint64, of an engine's counters: LINK_SLOTS for each slot of a LinkState."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return np.frombuffer(mmap.mmap(descriptor, 0, prot=mmap.PROT_READ), dtype=np.uint64)
    finally:
        os.close(descriptor)


def _connect(socket_path: Path) -> socket.socket:
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.settimeout(REQUEST_TIMEOUT_S)
    try:
        stream.connect(str(socket_path))
    except OSError as error:
        stream.close()
        raise EngineGone(f"no engine listens on {socket_path}: {error}") from error
    return stream
