"""The engine's client: what it says when the engine is gone, silent or talks nonsense."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dataplane.client import EngineClient, EngineEvents, EngineGone
from tests.engine.serving import Serving
from tests.waiting import eventually


@contextmanager
def engine_process(folder: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """An engine as a process and the path of its socket."""
    path = folder / "engine.sock"
    command = [sys.executable, "-m", "dataplane.service", "--socket", str(path)]
    process = subprocess.Popen(
        [*command, "--counters", str(folder / "counters")], stderr=(folder / "log").open("wb")
    )
    try:
        eventually(lambda: path.exists() or process.poll() is not None)
        yield path, process
    finally:
        process.kill()
        process.wait()


@contextmanager
def one_answer(folder: Path, answer: bytes) -> Iterator[Path]:
    """A server that reads one request, answers so and hangs up."""
    path = folder / "strange.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            stream, _ = server.accept()
            with stream:
                stream.recv(1 << 16)
                stream.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield path
        thread.join()


@pytest.mark.parametrize("connect", [EngineClient, EngineEvents])
def test_no_engine_is_engine_gone(tmp_path: Path, connect: Callable[[Path], object]) -> None:
    with pytest.raises(EngineGone, match="no engine listens on"):
        connect(tmp_path / "engine.sock")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_engine_that_ends_is_gone_for_requests_and_events(tmp_path: Path, number: signal.Signals) -> None:
    with engine_process(tmp_path) as (path, process):
        client, events = EngineClient(path), EngineEvents(path)
        try:
            assert client.pid == process.pid
            assert client.links() == []
            assert events.read() == []
            process.send_signal(number)
            process.wait()
            with pytest.raises(EngineGone):
                events.read()
            for _ in range(2):
                with pytest.raises(EngineGone):
                    client.links()
        finally:
            client.close()
            events.close()


def test_shutdown_is_answered_and_ends_the_process_well(tmp_path: Path) -> None:
    with engine_process(tmp_path) as (path, process):
        client = EngineClient(path)
        client.shutdown()
        assert process.wait(timeout=10) == 0
        client.close()


def test_ctrl_c_does_not_end_the_engine(tmp_path: Path) -> None:
    with engine_process(tmp_path) as (path, process):
        client = EngineClient(path)
        os.kill(process.pid, signal.SIGINT)
        assert client.links() == []
        client.close()


@pytest.mark.parametrize("answer", [b"", b'{"result"', b'{"result": []}'])
def test_an_answer_that_is_cut_short_is_engine_gone(tmp_path: Path, answer: bytes) -> None:
    with one_answer(tmp_path, answer) as path:
        client = EngineClient(path)
        with pytest.raises(EngineGone):
            client.links()
        client.close()


def test_an_engine_that_does_not_answer_in_time_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dataplane.client.REQUEST_TIMEOUT_S", 0.05)
    serving = Serving(tmp_path)
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        release.wait()

    try:
        client = EngineClient(serving.socket_path)
        serving.loop.call_soon_threadsafe(hold)
        held.wait()
        for _ in range(2):  # and it stays so: a late answer must not be taken for the next request's
            with pytest.raises(EngineGone, match="does not answer"):
                client.links()
        client.close()
    finally:
        release.set()
        serving.stop()
