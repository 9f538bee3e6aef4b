"""One ExaBGP child in its router's network namespace: started, listened to, restarted, stopped.

With control/pidfd.py the only file here that knows processes, sockets and the clock, the helper aside.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import control
from control.backoff import Backoff
from control.bgp import configuration
from control.bgp.commands import RELOAD
from control.bgp.configuration import SpeakerConfig
from control.bgp.event_lines import LineBuffer, decode
from control.bgp.model import DecodeError, Event, SessionDown, SessionUp, SnapshotEnd
from control.pidfd import ProcessHandle
from dataplane.lines import peer_pid
from dataplane.whole_file import write_whole

logger = logging.getLogger(__name__)

CONNECT_INTERVAL_S = 0.02
HELPER_LIMIT_S = 30.0
"""How long a child may run without a helper that can be reached before it is killed."""
STOP_LIMIT_S = 3.0
SPEAKER_ENDED = "ExaBGP ended"
"""The reason that sessions are down when their speaker has died."""
READ_SIZE = 65536
EVENT_LINE_LIMIT = 4 << 20
_PYTHON_PATH = Path(control.__file__).parent.parent
_Value = TypeVar("_Value")


class Speaker:
    """An ExaBGP child that is kept running until `stop`.

    `on_events` gets events in order, in batches; the first batch after every start, restart or lost
    connection holds the helper's whole snapshot, up to its SnapshotEnd. When the child ends, every session
    that was up is reported down, then `on_exit` gets its exit status (negative: the signal; None: not our
    own child). `directory` holds the configuration (it has passwords: mode 0600), the socket and the log;
    with those two names and `pid` a later controller can `adopt` the child.

    A start takes half a second of a CPU, and speakers that start at once take each other's: each waits for
    one of the `turns` and has it until its helper answers.
    """

    def __init__(
        self,
        config: SpeakerConfig,
        *,
        namespace: str,
        directory: Path,
        environment: Mapping[str, str],
        on_events: Callable[[Sequence[Event]], None],
        on_exit: Callable[[int | None], None],
        backoff: Backoff | None = None,
        turns: asyncio.Semaphore | None = None,
    ) -> None:
        self._config = config
        self._namespace = namespace
        self._environment = dict(environment)
        self._on_events = on_events
        self._on_exit = on_exit
        self._backoff = backoff or Backoff()
        self._turns = turns or asyncio.Semaphore()
        self._has_turn = False
        self.configuration_path = directory / f"{config.node}.exabgp.conf"
        self.socket_path = directory / f"{config.node}.exabgp.sock"
        self.log_path = directory / f"{config.node}.exabgp.log"
        if len(os.fsencode(self.socket_path)) > 107:
            raise ValueError(f"expected a socket path of at most 107 octets, found {self.socket_path}")
        self.restarts = 0
        self._child: subprocess.Popen[bytes] | None = None
        self._process: ProcessHandle | None = None
        self._helper: ProcessHandle | None = None
        self._sessions: set[str] = set()
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: list[str] = []  # commands for when there is a connection
        self._task: asyncio.Task[None] | None = None
        self._released = asyncio.Event()
        self._released.set()

    @property
    def pid(self) -> int | None:
        """ExaBGP's pid; None while it waits to be started."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the child, unless it is held; raises OSError or ValueError when that cannot even be tried."""
        self._write_configuration()
        self._task = asyncio.get_running_loop().create_task(self._supervise())

    def adopt(self, pid: int) -> None:
        """Take over a child that an earlier controller started, and have it go by this configuration.

        Raises ProcessLookupError if it is gone.
        """
        self._process = ProcessHandle(pid)
        self._reconfigure()
        self._task = asyncio.get_running_loop().create_task(self._supervise())

    def succeed(self, other: "Speaker") -> None:
        """Take over the child of another, which was detached, and have it go by this configuration."""
        self._process, other._process = other._process, None
        self._child, other._child = other._child, None
        self._helper, other._helper = other._helper, None
        self.restarts = other.restarts
        self._released = other._released
        if self._process is not None:
            self._reconfigure()
        self._task = asyncio.get_running_loop().create_task(self._supervise())

    def configure(self, config: SpeakerConfig) -> None:
        """Have the child go by another configuration; sessions that are the same in both stay up."""
        self._config = config
        self._reconfigure()
        if self._writer is not None:
            self._send_waiting()

    def send(self, commands: Iterable[str]) -> None:
        """Pass commands to ExaBGP. Without a connection they are dropped; the next snapshot shows that."""
        if self._writer is not None:
            self._writer.write("".join(f"{command}\n" for command in commands).encode())

    @property
    def held(self) -> bool:
        """Whether the child is not to run."""
        return not self._released.is_set()

    def hold(self) -> None:
        """Kill the child and do without one until `release`."""
        self._released.clear()
        if self._process is not None:
            self._process.send(signal.SIGKILL)

    def release(self) -> None:
        """Let the child be started again."""
        self._released.set()

    async def detach(self) -> None:
        """Stop attending to the child and leave it running."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def stop(self) -> None:
        """End the child and its helper and remove everything but the log."""
        await self.detach()
        if self._process is not None:
            await self._process.end(signal.SIGTERM, STOP_LIMIT_S)
            await self._bury()
        for path in (self.configuration_path, self.socket_path):
            path.unlink(missing_ok=True)

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            if self._process is None:
                await self._start()
            while self._process is not None:
                started_s = loop.time()
                await self._attend(self._process)
                self._pass_turn()
                status = await self._bury()
                logger.warning(
                    "%s: ExaBGP ended with status %s, see %s", self._config.node, status, self.log_path
                )
                lost = [SessionDown(neighbor, SPEAKER_ENDED) for neighbor in sorted(self._sessions)]
                if lost:
                    self._deliver(lost)
                self._report(self._on_exit, status)
                if not self.held:  # else it did not end by itself
                    await asyncio.sleep(self._backoff.delay_s(loop.time() - started_s))
                await self._start()
                self.restarts += 1
        finally:
            self._pass_turn()

    async def _start(self) -> None:
        """Starts the child as soon as it may run and has its turn, which it keeps."""
        while self._process is None:
            await self._released.wait()
            await self._turns.acquire()
            self._has_turn = True
            if self.held:  # by now
                self._pass_turn()
                continue
            try:
                self._spawn()
            except OSError as error:
                logger.error("%s: ExaBGP cannot be started: %s", self._config.node, error)
                self._pass_turn()
                await asyncio.sleep(self._backoff.delay_s(0.0))

    def _pass_turn(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self._turns.release()

    def _reconfigure(self) -> None:
        self._write_configuration()
        self._waiting = [RELOAD]

    def _send_waiting(self) -> None:
        self.send(self._waiting)
        self._waiting = []

    def _write_configuration(self) -> None:
        helper = [sys.executable, "-m", "control.bgp.helper", str(self.socket_path)]
        text = configuration.configuration_text(self._config, helper)
        # ExaBGP may be about to carry out an earlier reload: it must not see half of this one.
        write_whole(self.configuration_path, text)

    def _spawn(self) -> None:
        self._write_configuration()
        self._waiting = []
        command = ["ip", "netns", "exec", self._namespace]
        command += [sys.executable, "-m", "control.bgp.exabgp", "server"]
        with open(self.log_path, "ab") as log:
            self._child = subprocess.Popen(
                [*command, str(self.configuration_path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self._environment | configuration.environment(_PYTHON_PATH),
                start_new_session=True,
            )
        self._process = ProcessHandle(self._child.pid)

    async def _attend(self, process: ProcessHandle) -> None:
        """Keep up the connection to the helper until the child ends."""
        conversation = asyncio.get_running_loop().create_task(self._converse(process))
        try:
            await process.ended()
        finally:
            conversation.cancel()
            await asyncio.wait([conversation])

    async def _bury(self) -> int | None:
        """Reap the child that has ended and see its helper end too; the child's exit status."""
        if self._helper is not None:
            # It ends by itself at end of file, unless it has been stopped.
            await self._helper.end(None, patience_s=1.0)
            self._helper.close()
            self._helper = None
        if self._process is not None:
            self._process.close()
            self._process = None
        child, self._child = self._child, None
        return None if child is None else child.wait()

    async def _converse(self, process: ProcessHandle) -> None:
        while True:
            reader, writer = await self._connect(process)
            self._writer = writer
            self._send_waiting()
            try:
                with contextlib.suppress(OSError):
                    await self._listen(reader)
            finally:
                self._writer = None
                writer.close()
            await asyncio.sleep(CONNECT_INTERVAL_S)

    async def _connect(self, process: ProcessHandle) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the helper as soon as it listens. A child without a helper is of no use and is ended."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + HELPER_LIMIT_S
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self.socket_path)
            except OSError:
                if loop.time() > deadline_s:
                    logger.error("%s: no helper, ending ExaBGP", self._config.node)
                    process.send(signal.SIGKILL)
                await asyncio.sleep(CONNECT_INTERVAL_S)
                continue
            self._remember_helper(writer.get_extra_info("socket"))
            self._pass_turn()
            return reader, writer

    def _remember_helper(self, connection: socket.socket) -> None:
        pid = peer_pid(connection)
        if self._helper is None or self._helper.pid != pid:
            if self._helper is not None:
                self._helper.close()
            with contextlib.suppress(ProcessLookupError):
                self._helper = ProcessHandle(pid)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        lines = LineBuffer(EVENT_LINE_LIMIT)
        snapshot: list[Event] | None = []
        while data := await reader.read(READ_SIZE):
            batch: list[Event] = []
            for line in lines.feed(data):
                try:
                    batch.append(decode(line))
                except DecodeError as error:
                    logger.error("%s: from the helper: %s", self._config.node, error)
            if snapshot is not None:
                snapshot += batch
                if not any(isinstance(event, SnapshotEnd) for event in batch):
                    continue
                batch, snapshot = snapshot, None
            if batch:
                self._deliver(batch)

    def _deliver(self, batch: Sequence[Event]) -> None:
        for event in batch:
            match event:
                case SessionUp(neighbor):
                    self._sessions.add(neighbor)
                case SessionDown(neighbor, _):
                    self._sessions.discard(neighbor)
        self._report(self._on_events, batch)

    def _report(self, callback: Callable[[_Value], None], value: _Value) -> None:
        """Call back; a fault in what that leads to must end neither the listening nor the restarts."""
        try:
            callback(value)
        except Exception:
            logger.exception("%s: the callback for %s failed", self._config.node, type(value).__name__)
