"""The engine in another process, behind the interface of the one in this process."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dataplane import wireformat
from dataplane.captures.memory import CaptureMemory, CapturePoint, CaptureWire
from dataplane.interface import EngineEvent, ImpairmentChanges, LinkError, LinkState
from dataplane.lines import LineStream
from dataplane.links.faults import FaultSpecification
from dataplane.links.specification import FaultMode, Impairment, LinkSpecification
from dataplane.macsec.sak import Sak

REQUEST_TIMEOUT_S = 3.0
INJECTED_OCTETS = wireformat.MAXIMUM_LINE_OCTETS // 4
"""Octets of frames in one request, whose line has two digits for each."""


class EngineGone(ConnectionError):
    """The engine process does not answer, now or any more."""


class EngineClient:
    """Asks the engine on a unix socket. Every request takes about as long as the engine's own method."""

    def __init__(self, socket_path: Path) -> None:
        """Raises EngineGone where nothing listens on the socket."""
        self._socket_path = socket_path
        self._stream = _connect(socket_path)

    @property
    def pid(self) -> int:
        """The engine's process."""
        return self._stream.pid

    def fileno(self) -> int:
        """What becomes readable, between two requests, at the engine's end."""
        return self._stream.fileno()

    def close(self) -> None:
        self._stream.close()

    def add_link(self, specification: LinkSpecification, sak: Sak | None = None) -> LinkState:
        document = wireformat.specification_to_document(specification)
        key = wireformat.sak_to_document(sak) if sak is not None else None
        return wireformat.state_from_document(self._call("add_link", specification=document, sak=key))

    def remove_link(self, name: str) -> None:
        self._call("remove_link", name=name)

    def fail(self, id: str, links: Sequence[str], fault: FaultSpecification) -> int:
        return int(self._call("fail", id=id, links=links, fault=asdict(fault)))

    def heal(self, id: str) -> int:
        return int(self._call("heal", id=id))

    def set_fault(
        self, name: str, mode: FaultMode, from_node: str | None = None, for_s: float | None = None
    ) -> int:
        return int(self._call("set_fault", name=name, mode=mode, from_node=from_node, for_s=for_s))

    def clear_fault(self, name: str) -> int:
        return int(self._call("clear_fault", name=name))

    def impair(self, name: str, impairments: tuple[Impairment, Impairment]) -> None:
        self._call("impair", name=name, impairments=[asdict(impairment) for impairment in impairments])

    def change_impairments(
        self, name: str, changes: tuple[ImpairmentChanges, ImpairmentChanges]
    ) -> tuple[Impairment, Impairment]:
        one, other = self._call("change_impairments", name=name, changes=changes)
        return Impairment(**one), Impairment(**other)

    def links(self) -> list[LinkState]:
        return [wireformat.state_from_document(document) for document in self._call("links")]

    def count_unread(self) -> None:
        self._call("count_unread")

    def export_sak(self, name: str) -> Sak:
        return wireformat.sak_from_document(self._call("export_sak", name=name))

    def flip_bit(self, name: str, from_node: str, bit: int, frames: int = 1) -> None:
        self._call("flip_bit", name=name, from_node=from_node, bit=bit, frames=frames)

    def inject(self, name: str, from_node: str, *frames: bytes) -> None:
        for batch in _batches(frames):
            self._call("inject", name=name, from_node=from_node, frames=batch)

    def start_capture(
        self, wires: Sequence[CaptureWire], points: CapturePoint, snap_octets: int, ring_octets: int
    ) -> CaptureMemory:
        """Ends with stop_capture, or with this client."""
        document = self._call(
            "start_capture",
            wires=list(map(asdict, wires)),
            points=points,
            snap_octets=snap_octets,
            ring_octets=ring_octets,
        )
        return CaptureMemory(
            **{**document, "wires": tuple(CaptureWire(**wire) for wire in document["wires"])}
        )

    def stop_capture(self, id: int) -> None:
        self._call("stop_capture", id=id)

    def leave_devices(self) -> None:
        self._call("leave_devices")

    def shutdown(self) -> None:
        """Tells the engine process to end."""
        self._call("shutdown")

    def _call(self, call: str, **arguments: object) -> Any:  # noqa: ANN401 - the JSON value of that call
        try:
            if self._stream.closed:
                self._stream = _connect(self._socket_path)
            self._stream.send({"call": call, "arguments": arguments})
            answer = self._stream.receive()
        except OSError as error:
            self.close()  # an answer that comes late must not be taken for the next request's
            raise EngineGone(f"the engine does not answer: {error}") from error
        if "error" in answer:
            raise LinkError(answer["error"])
        return answer["result"]


class EngineEvents:
    """The engine's events, for a loop that waits on fileno()."""

    def __init__(self, socket_path: Path) -> None:
        """Raises EngineGone where nothing listens on the socket."""
        self._stream = _connect(socket_path)
        self._stream.send({"subscribe": True})

    def fileno(self) -> int:
        return self._stream.fileno()

    def close(self) -> None:
        self._stream.close()

    def read(self) -> list[EngineEvent]:
        """What has come since the last call; raises EngineGone at the engine's end."""
        try:
            documents = self._stream.take()
        except OSError as error:
            raise EngineGone(str(error)) from error
        return [wireformat.event_from_document(document["event"]) for document in documents]


def _batches(frames: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The frames in order, as many at once as a request takes; also one that alone is too long for that."""
    batch: list[bytes] = []
    octets = 0
    for frame in frames:
        if batch and octets + len(frame) > INJECTED_OCTETS:
            yield batch
            batch, octets = [], 0
        batch.append(frame)
        octets += len(frame)
    yield batch


def _connect(socket_path: Path) -> LineStream:
    try:
        return LineStream(socket_path, REQUEST_TIMEOUT_S)
    except OSError as error:
        raise EngineGone(f"no engine listens on {socket_path}: {error}") from error
