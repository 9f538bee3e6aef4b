"""The engine's service: whatever a client sends, the others live on, and no key is told."""

import contextlib
import gc
import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataplane import lines, wireformat
from dataplane.captures.memory import CapturePoint, CaptureWire
from dataplane.captures.reader import CaptureReader
from dataplane.client import EngineClient, EngineEvents
from dataplane.counters import map_counters
from dataplane.interface import CarrierEvent, FaultEvent, LinkError
from dataplane.links.link import LINK_SLOTS, WIRE_COUNTERS
from dataplane.links.specification import FaultMode
from dataplane.macsec.sak import Sak
from dataplane.service import REQUESTS, Service
from tests.capturing import EVERYWHERE, RING_OCTETS, SNAP_OCTETS, capturing
from tests.engine.bench import FRAME, memory_ports, specification
from tests.engine.serving import Serving, exchange
from tests.waiting import eventually

SAK = bytes.fromhex("c0ffee") + bytes(range(0x60, 0x7D))


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    serving = Serving(tmp_path)
    yield serving
    serving.stop()


@pytest.fixture
def client(serving: Serving) -> Iterator[EngineClient]:
    client = EngineClient(serving.socket_path)
    yield client
    client.close()


NOT_OBJECTS = [b"garbage", b"\xff\x00\xfe", b"[]", b"null", b"[" * 100_000, b"x" * (2 << 20)]


@pytest.mark.parametrize("line", NOT_OBJECTS, ids=range(len(NOT_OBJECTS)))
def test_a_client_that_sends_no_objects_is_dropped_and_others_live_on(
    serving: Serving, client: EngineClient, line: bytes
) -> None:
    with contextlib.suppress(ConnectionError), serving.connect() as stream:
        assert exchange(stream, line) is None  # or it is dropped while it still sends
    assert [state.name for state in client.links()] == ["ch1"]


WIRE = {"link": "ch1", "from_node": "a"}
MALFORMED = [
    {},
    {"call": None},
    {"call": []},
    {"call": {"links": 1}},
    {"call": "links", "arguments": []},
    {"call": "add_link"},
    {"call": "add_link", "arguments": "ch1"},
    {"call": "add_link", "arguments": {"specification": []}},
    {"call": "add_link", "arguments": {"specification": {"ends": [1, 2]}}},
    {"call": "remove_link", "arguments": None},
    {"call": "set_fault", "arguments": {"name": "ch1", "mode": "sideways"}},
    {"call": "set_fault", "arguments": {"name": [], "mode": "silent"}},
    {"call": "flip_bit", "arguments": {"name": "ch1", "from_node": "a", "bit": -1}},
    {"call": "flip_bit", "arguments": {"name": "ch1", "from_node": "a", "bit": 1 << 80}},
    {"call": "flip_bit", "arguments": {"name": "ch1", "nonsense": 1}},
    {"call": "inject", "arguments": {"name": "ch1", "from_node": "a", "frames": ["zz"]}},
    {"call": "inject", "arguments": {"name": "ch1", "from_node": "a", "frames": [5]}},
    *(
        {"call": "start_capture", "arguments": arguments}
        for arguments in (
            {"wires": [5], "points": 1, "snap_octets": 9, "ring_octets": 64},
            {"wires": [], "points": 1, "snap_octets": 9, "ring_octets": 64},
            {"wires": [WIRE], "points": "wire", "snap_octets": 9, "ring_octets": 64},
            {"wires": [WIRE], "points": 1, "snap_octets": -1, "ring_octets": 64},
            {"wires": [WIRE], "points": 1, "snap_octets": 9, "ring_octets": 1 << 70},
        )
    ),
    {"call": "stop_capture", "arguments": {"id": {}}},
]


@pytest.mark.parametrize("request_", MALFORMED, ids=json.dumps)
def test_a_malformed_request_is_answered_with_an_error(serving: Serving, request_: object) -> None:
    with serving.connect() as stream:
        answer = exchange(stream, json.dumps(request_).encode())
        if request_ != {"call": "links", "arguments": []}:  # takes none and minds none
            assert list(answer) == ["error"]
            assert answer["error"]
        assert [link["name"] for link in exchange(stream, b'{"call": "links"}')["result"]] == ["ch1"]


def test_an_unknown_call_is_answered_with_the_calls_there_are(serving: Serving) -> None:
    with serving.connect() as stream:
        answer = exchange(stream, b'{"call": "remove_everything"}')
    assert "'remove_everything'" in answer["error"]
    assert all(call in answer["error"] for call in REQUESTS)


def test_a_refused_request_is_a_link_error_with_the_engines_sentence(client: EngineClient) -> None:
    with pytest.raises(LinkError, match=r"^no link ch9; links are ch1$"):
        client.set_fault("ch9", FaultMode.SILENT)
    client.set_fault("ch1", FaultMode.SILENT)
    with pytest.raises(LinkError, match=r"^link ch1: already failed \(silent\); heal it first$"):
        client.set_fault("ch1", FaultMode.CARRIER)
    with pytest.raises(LinkError, match=r"^capture 7: there is none$"):
        client.stop_capture(7)


def test_the_client_is_answered_as_by_the_engine_itself(serving: Serving, client: EngineClient) -> None:
    assert client.links() == serving.ask(lambda service: service.engine.links())
    moment_ns = client.set_fault("ch1", FaultMode.ONE_WAY, "b")
    assert client.links() == serving.ask(lambda service: service.engine.links())
    assert [(fault.mode, fault.sender) for fault in client.links()[0].faults] == [(FaultMode.ONE_WAY, 1)]
    assert client.clear_fault("ch1") >= moment_ns
    assert client.export_sak("ch1").key == serving.ask(lambda service: service.engine.export_sak("ch1").key)


def test_counters_are_seen_through_the_shared_file(serving: Serving, client: EngineClient) -> None:
    counters = map_counters(serving.counters_path)
    serving.ports[0].node.send(FRAME)
    assert serving.ports[1].node.recv(4096) == FRAME
    first = client.links()[0].slot * LINK_SLOTS
    assert counters[first + WIRE_COUNTERS.index("tx_frames")] == 1
    with pytest.raises(ValueError, match="read-only"):
        counters[first] = 0
    assert serving.counters_path.stat().st_mode & 0o777 == 0o600


def test_events_reach_subscribers_and_only_them(serving: Serving, client: EngineClient) -> None:
    first, second = (EngineEvents(serving.socket_path) for _ in range(2))
    bystander = serving.connect()
    try:
        eventually(lambda: serving.ask(subscribers) == 2)
        client.set_fault("ch1", FaultMode.CARRIER)
        for subscriber in (first, second):
            events = list(subscriber.read())
            while len(events) < 3:
                events += subscriber.read()
            carriers = [event for event in events if isinstance(event, CarrierEvent)]
            assert [(event.node, event.carrier) for event in carriers] == [("a", False), ("b", False)]
            assert events[2] == FaultEvent("ch1", ("ch1",), FaultMode.CARRIER, events[2].t_ns)
            assert subscriber.read() == []
        bystander.setblocking(False)
        with pytest.raises(BlockingIOError):
            bystander.recv(1)
    finally:
        for stream in (first, second, bystander):
            stream.close()
    eventually(lambda: serving.ask(subscribers) == 0)
    client.clear_fault("ch1")


def test_the_service_heals_a_fault_at_its_time(serving: Serving, client: EngineClient) -> None:
    client.set_fault("ch1", FaultMode.SILENT, for_s=0.01)
    eventually(lambda: not client.links()[0].faults)


def test_a_subscriber_that_does_not_read_is_dropped_for_good(
    serving: Serving, client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dataplane.subscribers.MAXIMUM_UNREAD_OCTETS", 1 << 10)
    idle = serving.connect()
    reading = EngineEvents(serving.socket_path)
    try:
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        idle.sendall(lines.to_line({"subscribe": True}))
        eventually(lambda: serving.ask(subscribers) == 2)
        connections = serving.ask(open_connections)
        heard = 0
        while serving.ask(subscribers) == 2:
            client.set_fault("ch1", FaultMode.CARRIER)
            client.clear_fault("ch1")
            heard += len(reading.read())
        # It is not merely silenced: what it held of the service is given back, though it never reads.
        eventually(lambda: serving.ask(open_connections) == connections - 1)
        assert heard
    finally:
        idle.close()
        reading.close()


def test_a_subscriber_with_a_backlog_does_not_keep_the_engine_from_ending(
    serving: Serving, client: EngineClient
) -> None:
    idle = serving.connect()
    try:
        idle.sendall(lines.to_line({"subscribe": True}))
        eventually(lambda: serving.ask(subscribers) == 1)
        while serving.ask(lambda service: backlog_octets(service) == 0):
            client.set_fault("ch1", FaultMode.CARRIER)
            client.clear_fault("ch1")
        serving.stop()
    finally:
        idle.close()


def test_a_capture_is_read_by_its_client_while_it_runs(serving: Serving, client: EngineClient) -> None:
    with capturing(client, "ch1", points=CapturePoint.SENT) as reader:
        serving.ports[0].node.send(FRAME)
        assert serving.ports[1].node.recv(4096) == FRAME
        seen: list[bytes] = []

        def read() -> bool:
            seen.extend(frame.data for frame in reader.read())
            return seen == [FRAME]

        eventually(read)
    start(client)
    serving.stop()  # it ends what still runs


def test_a_capture_ends_with_the_client_that_started_it_and_with_no_other(
    serving: Serving, client: EngineClient
) -> None:
    other = EngineClient(serving.socket_path)
    first, kept = start(other), start(client)
    other.close()
    eventually(lambda: first.ended)
    assert not kept.ended
    client.stop_capture(kept.memory.id)
    assert kept.ended


def start(client: EngineClient) -> CaptureReader:
    wires = [CaptureWire("ch1", "a"), CaptureWire("ch1", "b")]
    return CaptureReader(client.start_capture(wires, EVERYWHERE, SNAP_OCTETS, RING_OCTETS))


def test_no_key_is_told_in_states_errors_or_log(
    serving: Serving, client: EngineClient, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    spec = specification(name="ch2")
    with pytest.raises(LinkError) as refused:
        client.add_link(spec, Sak(SAK))  # there is no namespace of no name
    told.append(str(refused.value))
    document = wireformat.specification_to_document(spec)
    with serving.connect() as stream:
        for sak in (SAK.hex(), {"key": SAK.hex() + "zz", "salt": ""}, [SAK.hex()], {"key": SAK.hex()}):
            request = {"call": "add_link", "arguments": {"specification": document, "sak": sak}}
            told.append(str(exchange(stream, lines.to_line(request)[:-1])))
        assert exchange(stream, lines.to_line(request)[:-3]) is None
    spec = specification(name="ch3")
    with pytest.raises(LinkError, match="31 octets") as refused:
        serving.ask(lambda service: service.engine.add_link(spec, Sak(SAK[:31]), ports=memory_ports()))
    told.append(str(refused.value))
    serving.ask(lambda service: service.engine.add_link(spec, Sak(SAK), ports=memory_ports()))
    assert client.export_sak("ch3").key == SAK
    told.append(repr(client.links()))
    told.append(caplog.text)
    assert "exported" in caplog.text
    for text in told:
        assert not discloses(text), text


def discloses(text: str) -> bool:
    """Whether any four octets of the key are in the text, in hex or as Python writes octets."""
    pieces = [SAK[start : start + 4] for start in range(len(SAK) - 3)]
    return any(piece.hex() in text.lower() or repr(piece)[2:-1] in text for piece in pieces)


def subscribers(service: Service) -> int:
    return len(service.subscribers)


def backlog_octets(service: Service) -> int:
    return sum(subscriber.transport.get_write_buffer_size() for subscriber in service.subscribers._writers)


def open_connections(service: Service) -> int:
    """The unix sockets that the service has accepted and holds, besides those that stay as they are."""
    gc.collect()  # of what tests before this one left
    count = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            count += entry.readlink().name.startswith("socket:")
        except OSError:
            continue
    return count
