"""The program ExaBGP runs as its API process: between its pipes and a unix stream socket for the controller.

It outlives controllers. ExaBGP writes to it with blocking writes, so it must always read and never wait:
every descriptor is non-blocking, and a client that does not keep up is dropped; reconnecting brings it the
snapshot.
"""

import contextlib
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable

from control.bgp import commands
from control.bgp.event_lines import LineBuffer, encode
from control.bgp.journal import Journal
from control.bgp.messages import decode_message
from control.bgp.model import DecodeError

READ_SIZE = 65536
MESSAGE_LIMIT = 16 << 20
"""Octets of one line from ExaBGP; an UPDATE of 65535 octets becomes about 1.5 MB of JSON."""
COMMAND_LIMIT = 1 << 20
"""Octets of one command: where ExaBGP gives its helper up."""
COMMAND_BACKLOG = 1 << 20
"""Octets waiting for ExaBGP above which clients are not read."""
EVENT_BACKLOG = 4 << 20
"""Octets a client may be behind, its snapshot not counted, before it is dropped."""


class OutputBuffer:
    """Octets on their way out through a write function that may take only some of them, or block."""

    def __init__(self, write: Callable[[bytes], int]) -> None:
        self._write = write
        self._pending = bytearray()

    def __len__(self) -> int:
        return len(self._pending)

    def append(self, data: bytes) -> None:
        """Queue `data` and write what can be written now; raises OSError when the reader is gone."""
        self._pending += data
        self.flush()

    def flush(self) -> None:
        """Write what can be written now; raises OSError when the reader is gone."""
        with contextlib.suppress(BlockingIOError):
            while self._pending:
                del self._pending[: self._write(bytes(self._pending[:READ_SIZE]))]


class Client:
    """One controller: its socket, the commands it is writing and the events it has not read yet."""

    def __init__(self, connection: socket.socket, snapshot: bytes) -> None:
        connection.setblocking(False)
        self.connection = connection
        self.commands = LineBuffer(COMMAND_LIMIT)
        self.events = OutputBuffer(connection.send)
        self._snapshot_octets = len(snapshot)
        self.events.append(snapshot)

    def is_behind(self) -> bool:
        """True when it should be dropped. The snapshot is allowed for until all of it has been read."""
        if not self.events:
            self._snapshot_octets = 0
        return len(self.events) > self._snapshot_octets + EVENT_BACKLOG


class Helper:
    """Moves lines between ExaBGP (`source`, `sink`: pipe descriptors) and the clients of `listener`."""

    def __init__(self, listener: socket.socket, source: int, sink: int) -> None:
        self._journal = Journal()
        self._listener = listener
        self._source = source
        self._messages = LineBuffer(MESSAGE_LIMIT)
        self._sink = sink
        self._commands = OutputBuffer(lambda data: os.write(sink, data))
        self._clients: list[Client] = []
        self._selector = selectors.DefaultSelector()
        self.malformed = 0
        os.set_blocking(source, False)
        os.set_blocking(sink, False)
        listener.setblocking(False)

    def run(self) -> None:
        """Serve until ExaBGP closes its end of either pipe."""
        self._selector.register(self._source, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)
        with contextlib.suppress(BrokenPipeError):
            while True:
                self._watch()
                ready = {key.fd for key, _ in self._selector.select()}
                if self._source in ready and not self._read_messages():
                    return
                self._commands.flush()
                for client in list(self._clients):
                    if client.connection.fileno() in ready:
                        self._serve(client)
                if self._listener.fileno() in ready:
                    self._accept()

    def _watch(self) -> None:
        """Ask for exactly what can be acted on: commands are read only while ExaBGP takes them."""
        self._set_interest(self._sink, selectors.EVENT_WRITE if self._commands else 0)
        readable = selectors.EVENT_READ if len(self._commands) < COMMAND_BACKLOG else 0
        for client in self._clients:
            writable = selectors.EVENT_WRITE if client.events else 0
            self._set_interest(client.connection.fileno(), readable | writable)

    def _set_interest(self, descriptor: int, events: int) -> None:
        known = self._selector.get_map().get(descriptor)
        if known is None:
            if events:
                self._selector.register(descriptor, events)
        elif not events:
            self._selector.unregister(descriptor)
        elif known.events != events:
            self._selector.modify(descriptor, events)

    def _read_messages(self) -> bool:
        """Take what ExaBGP has written and pass on what is news; False at end of file."""
        data = os.read(self._source, READ_SIZE)
        news = bytearray()
        for line in self._messages.feed(data):
            try:
                events = decode_message(line, time.monotonic_ns())
            except DecodeError as error:
                self.malformed += 1
                print(f"helper: malformed line {self.malformed} from ExaBGP: {error}", file=sys.stderr)
                continue
            for event in events:
                if self._journal.receive(event):
                    news += encode(event)
        if news:
            self._for_each(self._clients, lambda client: client.events.append(bytes(news)))
        return bool(data)

    def _serve(self, client: Client) -> None:
        """Read a client's commands and send it what it has room for; a client that is gone is forgotten."""
        self._for_each([client], lambda client: client.events.flush())
        if client in self._clients and len(self._commands) < COMMAND_BACKLOG:
            self._read_commands(client)

    def _read_commands(self, client: Client) -> None:
        try:
            data = client.connection.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._carry_out(client, data)
        else:
            self._drop(client)

    def _carry_out(self, client: Client, data: bytes) -> None:
        for line in client.commands.feed(data):
            # ExaBGP ends a helper that writes anything but ASCII, and splits lines at every line boundary.
            if not line.isascii() or not line.decode().isprintable():
                print(f"helper: refused the command {line[:200]!r}", file=sys.stderr)
                continue
            command = line.decode()
            if (asked := commands.asked_again(command)) is not None:
                again = b"".join(map(encode, self._journal.again(*asked)))
                self._answer(client, again)
                continue
            self._journal.record_command(command)
            self._commands.append(line + b"\n")

    def _answer(self, client: Client, data: bytes) -> None:
        """Unless it is gone."""
        if client in self._clients:
            self._for_each([client], lambda client: client.events.append(data))

    def _accept(self) -> None:
        """Give a new client the snapshot, after every command its predecessors had already written."""
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        for client in list(self._clients):
            self._read_commands(client)
        snapshot = b"".join(map(encode, self._journal.snapshot()))
        try:
            self._clients.append(Client(connection, snapshot))
        except OSError:
            connection.close()

    def _for_each(self, clients: Iterable[Client], act: Callable[[Client], None]) -> None:
        for client in list(clients):
            try:
                act(client)
            except OSError:
                self._drop(client)
                continue
            if client.is_behind():
                print("helper: dropped a client that did not keep up", file=sys.stderr)
                self._drop(client)

    def _drop(self, client: Client) -> None:
        """Forget a client, but not what it had written before it went."""
        self._set_interest(client.connection.fileno(), 0)
        self._clients.remove(client)
        with contextlib.suppress(OSError):
            while data := client.connection.recv(READ_SIZE):
                self._carry_out(client, data)
        client.connection.close()


def main(path: str) -> None:
    """Serve the socket at `path` until ExaBGP ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # ExaBGP must be the one to stop on a terminal's Ctrl-C; this end follows by end of file.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        os.umask(0o077)
        listener.bind(path)
        listener.listen()
        Helper(listener, sys.stdin.fileno(), sys.stdout.fileno()).run()


if __name__ == "__main__":
    main(sys.argv[1])
